"""What senders saw and how they wrote: policies, deviations, and deliveries that count for nothing. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Engine, Subquery, Text, cast, func, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import Policy
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.days import ROWS, within
from tlsrpt_ingest.store.json_text import loads
from tlsrpt_ingest.store.speaking import speaking

POLICIES: Final = 20
"""Policies of one domain that are kept, those seen last; a domain that changes its TLSA records each quarter under
three MX hosts has six in half a year."""

POLICY_TEXT: Final = 65_536
"""Characters of a policy as JSON; no policy that works is as long (RFC 8461 section 3.3 has 64 KB for the file)."""

_SET_ASIDE: Final = (Outcome.REJECTED, Outcome.CONFLICTING, Outcome.UNAUTHENTICATED, Outcome.FOREIGN)


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """A policy that senders saw in a period, how many reports of it name it, and from when to when."""

    policy: Policy
    first: date
    last: date
    reports: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Deliveries of which nothing is counted, for the same reason, last tried at `last_at` (UTC)."""

    outcome: Outcome
    stage: str | None
    code: str | None
    deliveries: int
    last_at: datetime


def policies_since(since: date) -> Subquery:
    """The view `policy_seen` over the reports since a UTC day, where the view itself reads all that there are.

    A report that is dated beyond tomorrow is left out: it would have seen the latest policy for ever.

    `first` and `last` are the moments at which the first and the last report of these starts.
    """
    report, policy = tables.report.c, tables.policy.c
    key = (
        policy.policy_domain,
        policy.policy_type,
        cast(policy.policy_string, Text).label("policy_string"),
        cast(policy.mx_host, Text).label("mx_host"),
    )
    first, last = func.min(report.start_datetime), func.max(report.start_datetime)
    return (
        select(*key, first.label("first"), last.label("last"), func.count().label("reports"))
        .join_from(tables.report, tables.policy, policy.report_pk == report.pk)
        .where(
            report.conflicts_with.is_(None),
            report.start_datetime >= datetime.combine(since, time()),
            report.start_datetime < datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1),
        )
        .group_by(*key)
        .subquery()
    )


def policies_seen(engine: Engine, since: date, domains: Collection[str | None]) -> dict[str | None, list[PolicySeen]]:
    """The policies of these domains that were seen since a day, the latest first, at most POLICIES of each."""
    seen = policies_since(since)
    asked = (
        select(seen)
        .where(func.length(seen.c.policy_string) <= POLICY_TEXT, func.length(seen.c.mx_host) <= POLICY_TEXT)
        .order_by(seen.c.last.desc(), seen.c.first.desc(), seen.c.reports.desc())
        .execution_options(yield_per=ROWS)
    )
    found: dict[str | None, dict[tuple[str, str], PolicySeen]] = {domain: {} for domain in domains}
    with speaking(engine), engine.connect() as connection:
        for domain, policy_type, strings, hosts, first, last, reports in connection.execute(asked):
            if domain not in found:
                continue
            # The same policy, whether its sender lists the MX hosts beside it (Google) or not (Microsoft).
            key = (policy_type, strings)
            if known := found[domain].get(key):
                found[domain][key] = replace(
                    known, first=min(known.first, first.date()), reports=known.reports + reports
                )
            elif len(found[domain]) < POLICIES:
                policy = Policy(
                    policy_type=policy_type,
                    policy_domain=domain,
                    policy_string=tuple(loads(strings)),
                    mx_host=tuple(loads(hosts)),
                )
                found[domain][key] = PolicySeen(policy, first.date(), last.date(), reports)
    return {domain: list(policies.values()) for domain, policies in found.items()}


def deviations_met(
    engine: Engine, first: date, last: date, senders: Collection[str | None]
) -> dict[str | None, list[tuple[str, int]]]:
    """Of each of these senders the codes of its deviations, and in how many reports each was met, most first."""
    report, deviation = tables.report.c, tables.deviation.c
    count = func.count(func.distinct(deviation.report_pk))
    asked = (
        select(report.organization_name, deviation.code, count)
        .join_from(tables.deviation, tables.report, report.pk == deviation.report_pk)
        .where(*within(first, last))
        .group_by(report.organization_name, deviation.code)
        .order_by(count.desc(), deviation.code)
        .execution_options(yield_per=ROWS)
    )
    found: dict[str | None, list[tuple[str, int]]] = {sender: [] for sender in senders}
    with speaking(engine), engine.connect() as connection:
        for sender, code, reports in connection.execute(asked):
            if sender in found:
                found[sender].append((code, reports))
    return found


def set_aside(engine: Engine, since: date) -> list[Reason]:
    """Why deliveries since a day count for nothing (others than duplicates and other mail), most first."""
    delivery = tables.delivery.c
    asked = (
        select(delivery.outcome, delivery.stage, delivery.code, func.count(), func.max(delivery.last_at))
        .where(
            delivery.outcome.in_([str(outcome) for outcome in _SET_ASIDE]),
            delivery.last_at >= datetime.combine(since, time()),
        )
        .group_by(delivery.outcome, delivery.stage, delivery.code)
        .order_by(func.count().desc(), delivery.outcome, delivery.stage, delivery.code)
    )
    with speaking(engine), engine.connect() as connection:
        return [Reason(Outcome(outcome), *rest) for outcome, *rest in connection.execute(asked)]
