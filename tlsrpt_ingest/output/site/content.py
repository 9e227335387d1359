"""What stands on the pages: sums of the store, put in the order and in the words that a reader at seven needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.site.charts import sums
from tlsrpt_ingest.output.site.facts import (
    RECENT,
    DomainView,
    Explained,
    FailureView,
    Group,
    News,
    Overview,
    SeenView,
    SenderView,
    Shown,
)
from tlsrpt_ingest.output.site.names import domain_page
from tlsrpt_ingest.output.summary import silence
from tlsrpt_ingest.rfc8460 import FailureDetail, Policy, PolicyEntry, terms
from tlsrpt_ingest.rfc8460.explanations import Explanation, explain, explain_result_type, sts_mode
from tlsrpt_ingest.store.ask import LedgerRow
from tlsrpt_ingest.store.days import SENDERS as SENDERS_TOLD_APART
from tlsrpt_ingest.store.days import Days, DomainDays
from tlsrpt_ingest.store.drift import Drift
from tlsrpt_ingest.store.kept import KeptReport
from tlsrpt_ingest.store.readiness import Readiness
from tlsrpt_ingest.store.seen import PolicySeen, Reason

STALE: Final = 4
"""Days without any report, from which on the first page says so."""

LOOK: Final = 8
"""Failures, and policies that changed, that are named at the top of the first page; the domains' pages have all."""

SENDERS: Final = 40
"""Senders in a table; the rest is counted."""

SPARKLINES: Final = 50
"""Domains of the first page that have a sparkline: one is a kilobyte, and the page is to stay below 200."""

ALL_SENDERS: Final = SENDERS_TOLD_APART
"""Senders that are told apart; with as many there may be more."""

OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Outcome.CONFLICTING: "another report of the same identity is counted",
        Outcome.UNAUTHENTICATED: "nobody vouches for it",
        Outcome.FOREIGN: "not about your domains",
    }
)
"""Why deliveries with these outcomes are not counted, where the ledger has no code."""

TELLERS: Final = 5
"""Senders that are named of a kind of failure, the latest."""

LINKS: Final = 30
"""Reports that a domain's page links to."""

SAID: Final = 3
"""Reason codes and MX hosts that are quoted of a kind of failure."""


def domain_view(
    domain: DomainDays,
    days: Days,
    readiness: Readiness,
    policies: Sequence[PolicySeen],
    drift: Sequence[Drift],
    details: dict[str, list[tuple[FailureDetail, Policy]]],
) -> DomainView:
    """One domain; `details` has examples of its failures by result type."""
    failures = [_failure(domain, result_type, days, details.get(result_type, ())) for result_type in domain.failures]
    failing = [number for number, count in enumerate(domain.failed) if count]
    return DomainView(
        name=domain.policy_domain,
        page=domain_page(domain.policy_domain),
        days=domain,
        successful=sum(domain.successful),
        failed=sum(domain.failed),
        recent=sum(domain.failed[-RECENT:]),
        last_failure=days.day(failing[-1]) if failing else None,
        failures=tuple(sorted(failures, key=lambda one: (one.latest, one.sessions), reverse=True)),
        readiness=readiness,
        policies=tuple(_seen(policies)),
        drift=tuple(drift),
    )


def senders(domain: DomainDays, days: Days) -> tuple[SenderView, ...]:
    """The senders to one domain, most sessions first."""
    views = [
        SenderView(
            one.organization_name,
            one.reports,
            one.latest,
            silence(one.reports, one.latest, days.last),
            one.successful,
            one.failed,
        )
        for one in domain.senders.values()
    ]
    return tuple(sorted(views, key=lambda one: (-one.successful - one.failed, one.organization_name or "")))


def all_senders(days: Days, deviations: dict[str | None, list[tuple[str, int]]]) -> tuple[SenderView, ...]:
    """All senders, most reports first."""
    parts = (*days.domains, days.others)
    return tuple(
        SenderView(
            one.organization_name,
            one.reports,
            one.latest,
            silence(one.reports, one.latest, days.last),
            sum(
                part.senders[one.organization_name].successful
                for part in parts
                if one.organization_name in part.senders
            ),
            sum(part.senders[one.organization_name].failed for part in parts if one.organization_name in part.senders),
            tuple(deviations.get(one.organization_name, ())),
        )
        for one in days.senders
    )


def overview(
    days: Days,
    domains: Iterable[DomainView],
    deviations: dict[str | None, list[tuple[str, int]]],
    set_aside: Sequence[Reason],
    rejected: Sequence[LedgerRow],
    *,
    written: datetime,
    reports: Mapping[int, Shown],
) -> Overview:
    """The first page."""
    ordered = sorted(domains, key=lambda one: (-one.recent, -one.failed, -one.sessions, one.name or ""))
    news = _news(ordered)
    parts = (*days.domains, days.others)
    types = dict.fromkeys(result_type for part in parts for result_type in part.failures)
    return Overview(
        days=days,
        domains=tuple(ordered),
        successful=sums(part.successful for part in parts),
        failed=sums(part.failed for part in parts),
        failures={
            result_type: sums(part.failures[result_type] for part in parts if result_type in part.failures)
            for result_type in sorted(types, key=_invented)[: len(terms.RESULT_TYPES) + 4]
        },
        senders=all_senders(days, deviations),
        news=news[:LOOK],
        more_news=max(0, len(news) - LOOK),
        set_aside=tuple(set_aside),
        rejected=tuple(rejected),
        written=written,
        reports=reports,
    )


def explained(details: Iterable[tuple[FailureDetail, Policy]]) -> tuple[Explained, ...]:
    """Failures with the same explanation together, with some of what the senders wrote.

    Under another mode the same failure has another effect: that of the first one, the latest, stands.
    """
    alike: dict[Explanation, tuple[Explanation, dict[str, None], dict[str, None]]] = {}
    for detail, policy in details:
        found = explain(detail, policy)
        _first, reasons, hosts = alike.setdefault(replace(found, effect=""), (found, {}, {}))
        if detail.failure_reason_code:
            reasons[detail.failure_reason_code] = None
        if detail.receiving_mx_hostname:
            hosts[detail.receiving_mx_hostname] = None
    return tuple(
        Explained(first, tuple(reasons)[:SAID], tuple(hosts)[:SAID]) for first, reasons, hosts in alike.values()
    )


def shown(report: KeptReport) -> Shown:
    """What links to a report's page say of it."""
    return Shown(
        report.pk,
        report.start_datetime.date(),
        report.organization_name,
        frozenset(one.entry.policy.policy_domain for one in report.entries),
        max((one.entry.summary.total_failure_session_count for one in report.entries), default=0),
        len(report.deviations),
    )


def groups(entry: PolicyEntry) -> tuple[Group, ...]:
    """The failure details of a policy, those to be explained alike together: Google has one for each address."""
    alike: dict[tuple[str, Explanation], list[FailureDetail]] = {}
    for detail in entry.failure_details:
        alike.setdefault((detail.result_type, explain(detail, entry.policy)), []).append(detail)
    return tuple(Group(*key, tuple(details)) for key, details in alike.items())


def _failure(
    domain: DomainDays, result_type: str, days: Days, details: Sequence[tuple[FailureDetail, Policy]]
) -> FailureView:
    daily = domain.failures[result_type]
    numbers = [number for number, count in enumerate(daily) if count] or [0]
    kinds = [kind for kind in domain.kinds.values() if kind.result_type == result_type]
    return FailureView(
        result_type=result_type,
        sessions=sum(daily),
        first=days.day(numbers[0]),
        latest=days.day(numbers[-1]),
        daily=tuple(daily),
        kinds=tuple(sorted(kinds, key=lambda kind: (kind.latest, kind.sessions), reverse=True)),
        explained=explained(details) or (Explained(explain_result_type(result_type), (), ()),),
    )


def _seen(policies: Sequence[PolicySeen]) -> Iterable[SeenView]:
    """Latest first, as they come; each says what it changed."""
    for one in policies:
        policy = one.policy
        # Mail.ru sends no strings; what it saw is no change.
        before = [
            other
            for other in policies
            if other.policy.policy_type == policy.policy_type and other.first < one.first and other.policy.policy_string
        ]
        change = None
        if before and policy.policy_string:
            change = _change(max(before, key=lambda other: other.first).policy, policy)
        yield SeenView(one, sts_mode(policy) if policy.policy_type == terms.STS else None, change)


def _change(before: Policy, after: Policy) -> str:
    modes = sts_mode(before), sts_mode(after)
    if after.policy_type == terms.STS and modes[0] != modes[1] and all(modes):
        return f"mode {modes[0]} became {modes[1]}"
    gone, come = (
        len(set(one.policy_string) - set(other.policy_string)) for one, other in ((before, after), (after, before))
    )
    return f"{gone} {'line' if gone == 1 else 'lines'} went, {come} came"


def _invented(result_type: str) -> bool:
    return result_type not in terms.RESULT_TYPES


def _news(domains: Iterable[DomainView]) -> tuple[News, ...]:
    news = []
    for domain in domains:
        for failure in domain.failures:
            if recent := sum(failure.daily[-RECENT:]):
                since = failure.latest - timedelta(days=RECENT - 1)
                senders = tuple(kind.organization_name for kind in failure.kinds if kind.latest >= since)
                news.append(News(domain, failure, recent, senders, failure.explained[0].explanation))
    return tuple(sorted(news, key=lambda one: -one.sessions))
