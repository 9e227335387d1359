"""Drift: whether senders see the policy that is published now, or another one. Compared as policies, not as texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any, Final

from sqlalchemy import Engine, Text, and_, cast, func, or_, select

from tlsrpt_ingest.rfc8460 import terms
from tlsrpt_ingest.rfc8460.seen import seen
from tlsrpt_ingest.rfc8461 import Policy
from tlsrpt_ingest.store import published, tables
from tlsrpt_ingest.store.json_text import loads
from tlsrpt_ingest.store.published import Edition, History
from tlsrpt_ingest.store.speaking import speaking

WINDOW: Final = timedelta(days=180)
"""How far back reports are looked at."""

GRACE: Final = timedelta(days=7)
"""How long after a change a sender may see the old policy: it looks for a new id when it has mail, a new TLSA record
when the TTL is over, and reports a day later. max_age would allow longer, but only to who cannot see the new id."""

SIGHTINGS: Final = 1_000
"""Policies as senders saw them that are compared; a policy that is generated anew for everyone would make more."""


class Verdict(StrEnum):
    """What a sighting is, beside what is published."""

    SAME = "as published"
    EARLIER = "of before"
    """Not seen lately, or not later than GRACE after the last change."""
    STALE = "still an earlier one"
    OTHER = "never published"
    """As far as is remembered."""
    NONE = "no policy any more"
    """By a sender that saw one before."""
    UNREADABLE = "not a policy"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A policy as a sender's reports have it. All texts are the sender's."""

    organization_name: str | None
    policy_domain: str
    """For `tlsa` the MX host, or at Microsoft and mox the domain (docs/deviations.md 21)."""
    policy_type: str
    policy_string: tuple[str, ...]
    first_day: date
    last_day: date
    reports: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A sighting, compared."""

    sighting: Sighting
    verdict: Verdict
    changed: date
    """When what is published now was first seen published, as far as that is remembered."""


def drift_of(engine: Engine, domain: str) -> tuple[Drift, ...]:
    """Every policy that senders saw of a domain, the latest first, compared with what `posture` saw published last.

    Nothing where `posture` was never run on the domain with this database.
    """
    own = published.history(engine, [domain])
    hosts = mx_hosts(own, domain)
    history = {**own, **published.history(engine, hosts)}
    if not history:
        return ()
    return compare(sightings(engine, [domain, *hosts]), history, domain)


def mx_hosts(history: History, domain: str) -> list[str]:
    """Every MX host that the domain is remembered to have had, apart from itself."""
    editions = history.get((domain, published.MX), ())
    hosts = [line.split()[-1] for edition in editions for line in (edition.text or "").splitlines() if line]
    return [host for host in dict.fromkeys(hosts) if host != domain]


def sightings(engine: Engine, policy_domains: Sequence[str]) -> list[Sighting]:
    """What senders saw of these policy domains within WINDOW, the latest first."""
    report, policy = tables.report.c, tables.policy.c
    now = datetime.now(UTC).replace(tzinfo=None)
    string: Any = cast(policy.policy_string, Text)
    # The first is the recipient domain, about which there may be everything; MX hosts have TLSA records alone.
    about = or_(
        policy.policy_domain == policy_domains[0],
        and_(policy.policy_domain.in_(policy_domains[1:]), policy.policy_type == terms.TLSA),
    )
    asked = (
        select(
            report.organization_name,
            policy.policy_domain,
            policy.policy_type,
            string,
            func.min(report.start_datetime),
            func.max(report.start_datetime),
            func.count(),
        )
        .join_from(tables.report, tables.policy, policy.report_pk == report.pk)
        .where(report.conflicts_with.is_(None), about)
        .where(report.start_datetime >= now - WINDOW, report.start_datetime <= now + timedelta(days=1))
        .group_by(report.organization_name, policy.policy_domain, policy.policy_type, string)
        .order_by(func.max(report.start_datetime).desc())
        .limit(SIGHTINGS)
    )
    with speaking(engine), engine.connect() as connection:
        return [
            Sighting(organization, name, kind, tuple(loads(text)), first.date(), last.date(), count)
            for organization, name, kind, text, first, last, count in connection.execute(asked)
        ]


def compare(found: Iterable[Sighting], history: History, domain: str) -> tuple[Drift, ...]:
    """Each sighting beside what is published; none of those that say no policy, where that tells nothing."""
    found = list(found)
    made = [_of_type(kind, found, history, domain) for kind in (terms.STS, terms.TLSA)]
    return tuple(chain(*made, _lost(found, history, domain)))


def _of_type(kind: str, found: list[Sighting], history: History, domain: str) -> Iterable[Drift]:
    mine = [(sighting, _meaning(kind, sighting.policy_string)) for sighting in found if sighting.policy_type == kind]
    mine = [(sighting, meaning) for sighting, meaning in mine if meaning is not None]
    newest = max((sighting.last_day for sighting, _ in mine), default=date.min)
    for sighting, meaning in mine:
        lines = _published(kind, sighting.policy_domain, history, domain)
        if not lines:
            continue
        now = {_meaning(kind, _lines(editions[-1])) for editions in lines}
        since = max(_since(editions, mine, now) for editions in lines)
        if meaning in now:
            verdict = Verdict.SAME
        elif newest - sighting.last_day > GRACE or sighting.last_day <= since + GRACE:
            verdict = Verdict.EARLIER
        elif meaning == _UNREADABLE:
            verdict = Verdict.UNREADABLE
        elif any(meaning == _meaning(kind, _lines(edition)) for editions in lines for edition in editions):
            verdict = Verdict.STALE
        else:
            verdict = Verdict.OTHER
        yield Drift(sighting, verdict, since)


def _published(kind: str, name: str, history: History, domain: str) -> list[tuple[Edition, ...]]:
    """The texts with which to compare: one, or with a domain's name on TLSA records those of all its MX."""
    if kind == terms.STS:
        keys = [(domain, published.STS_POLICY)]
    elif name == domain:
        keys = [(host, published.TLSA) for host in [domain, *mx_hosts(history, domain)]]
    else:
        keys = [(name, published.TLSA)]
    return [history[key] for key in keys if key in history]


def _since(editions: tuple[Edition, ...], mine: list[tuple[Sighting, Any]], now: set[Any]) -> date:
    """From which day on the present edition is published; where it is the first one, reports may know better."""
    since = editions[-1].first_at.date()
    if len(editions) == 1:
        since = min([since, *(sighting.first_day for sighting, meaning in mine if meaning in now)])
    return since


def _lost(found: list[Sighting], history: History, domain: str) -> Iterable[Drift]:
    """Senders that saw an MTA-STS policy and later none, though one is published."""
    editions = history.get((domain, published.STS_POLICY), ())
    if not editions or _meaning(terms.STS, _lines(editions[-1])) in (None, _UNREADABLE):
        return
    since = editions[-1].first_at.date()
    newest = max((sighting.last_day for sighting in found), default=date.min)
    for sighting in found:
        of_sender = [
            other.last_day
            for other in found
            if other.policy_type == terms.STS and other.organization_name == sighting.organization_name
        ]
        if sighting.policy_type == terms.NO_POLICY_FOUND and of_sender and max(of_sender) < sighting.last_day:
            late = newest - sighting.last_day <= GRACE
            yield Drift(sighting, Verdict.NONE if late else Verdict.EARLIER, since)


_UNREADABLE: Final = "unreadable"


def _lines(edition: Edition) -> list[str]:
    return (edition.text or "").splitlines()


def _meaning(kind: str, policy_string: Sequence[str]) -> Any:
    """What a policy says, to be compared; None where there is none."""
    try:
        read = seen(kind, policy_string)
    except ValueError:
        return _UNREADABLE
    return read.meaning if isinstance(read, Policy) else read
