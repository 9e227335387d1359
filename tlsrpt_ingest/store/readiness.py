"""Whether what senders reported speaks for MTA-STS mode enforce (RFC 8461 section 5), domain by domain. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, case, func, select

from tlsrpt_ingest.rfc8460 import Policy, terms
from tlsrpt_ingest.rfc8460.explanations import sts_mode
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.json_text import loads
from tlsrpt_ingest.store.seen import policies_since
from tlsrpt_ingest.store.speaking import speaking

WINDOW: Final = 90
"""Days of reports that are looked at."""

DAYS: Final = 14
"""Days without a failure that speak for enforce: two weeks have every weekly job, backup MX and sender's schedule in
them; a certificate that is renewed wrongly shows within days."""

SENDERS: Final = 2
"""Senders that saw the policy: one alone may have cached an old one, or not check what it says."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What senders saw of a domain, and whether that speaks for mode enforce.

    A failure is a failed session under any policy but DANE's own (`tlsa`): enforce would not change these.
    """

    days_without_failure: int
    """From the day after the last failure, or from the first report, to the last report; both included."""
    senders: int
    """Organizations whose reports name an MTA-STS policy of the domain."""
    first_day: date | None
    last_day: date | None
    """The first and the last day reported within WINDOW days; None where there is no report."""
    mode_seen: str | None
    """enforce, testing or none, in the newest policy that senders saw; None where they saw no mode."""
    ready: bool
    why: str
    """The verdict in a sentence or two of ours."""


def readiness(engine: Engine, domain: str) -> Readiness:
    """The readiness of one policy domain (as reports spell it: lower-case A-labels, no dot at the end)."""
    return readiness_of(engine, [domain])[domain]


def readiness_of(engine: Engine, domains: Iterable[str]) -> dict[str, Readiness]:
    """The readiness of each of these domains, in two passes over the reports of the window."""
    wanted = set(domains)
    with speaking(engine), engine.connect() as connection:
        last = _last_moment(connection)
        since = datetime.combine(last.date() - timedelta(days=WINDOW - 1), time()) if last else datetime.min  # noqa: DTZ901 - the store's times have no zone
        seen = _seen(connection, wanted, since) if last else {}
        modes = _modes(connection, wanted, since.date()) if seen else {}
    return {domain: _verdict(modes.get(domain), *seen.get(domain, (None, None, None, 0))) for domain in wanted}


def _last_moment(connection: Connection) -> datetime | None:
    """The start of the latest counted report; a report that is dated into the future is no measure."""
    report = tables.report.c
    tomorrow = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    found: datetime | None = connection.scalar(
        select(func.max(report.start_datetime)).where(report.conflicts_with.is_(None), report.start_datetime < tomorrow)
    )
    return found


def _seen(
    connection: Connection, domains: set[str], since: datetime
) -> dict[str, tuple[date | None, date | None, date | None, int]]:
    """Domain -> first day, last day, last day with a failure, senders that saw MTA-STS."""
    report, policy = tables.report.c, tables.policy.c
    failing = and_(policy.policy_type != terms.TLSA, policy.total_failure_session_count > 0)
    tomorrow = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    asked = (
        select(
            policy.policy_domain,
            func.min(report.start_datetime),
            func.max(report.start_datetime),
            func.max(case((failing, report.start_datetime))),
            func.count(
                func.distinct(case((policy.policy_type == terms.STS, func.coalesce(report.organization_name, ""))))
            ),
        )
        .join_from(tables.report, tables.policy, policy.report_pk == report.pk)
        .where(report.conflicts_with.is_(None), report.start_datetime >= since, report.start_datetime < tomorrow)
        .group_by(policy.policy_domain)
    )
    if len(domains) == 1:
        asked = asked.where(policy.policy_domain.in_(domains))
    return {
        name: (_day(first), _day(last), _day(failed), int(senders))
        for name, first, last, failed, senders in connection.execute(asked)
        if name in domains
    }


def _modes(connection: Connection, domains: set[str], since: date) -> dict[str, str]:
    """Domain -> the mode in the policy that was seen last, by the most reports."""
    seen = policies_since(since).c
    asked = (
        select(seen.policy_domain, seen.policy_string)
        .where(seen.policy_type == terms.STS)
        .order_by(seen.last, seen.reports)
    )
    if len(domains) == 1:
        asked = asked.where(seen.policy_domain.in_(domains))
    modes: dict[str, str] = {}
    for name, text in connection.execute(asked):
        if name in domains and (mode := sts_mode(Policy(policy_type=terms.STS, policy_string=tuple(loads(text))))):
            modes[name] = mode
    return modes


def _day(moment: Any) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _verdict(mode: str | None, first: date | None, last: date | None, failed: date | None, senders: int) -> Readiness:
    if first is None or last is None:
        return Readiness(0, 0, None, None, mode, ready=False, why="No sender has reported on this domain.")
    days = (last - failed).days if failed else (last - first).days + 1
    ready, why = _words(mode, days, failed, senders)
    return Readiness(days, senders, first, last, mode, ready=ready, why=why)


def _words(mode: str | None, days: int, failed: date | None, senders: int) -> tuple[bool, str]:
    so_far = f"{days} {'day' if days == 1 else 'days'} without a failure"
    if failed and days < DAYS:
        effect = " Senders see mode enforce: mail that failed was held back." if mode == "enforce" else ""
        return False, f"There was a failure on {failed}, {so_far} since; {DAYS} would speak for enforce.{effect}"
    if senders == 0:
        return False, f"No sender saw an MTA-STS policy; {so_far}. Publish one in mode testing first."
    if mode == "enforce":
        return True, f"Senders see mode enforce already; {so_far}."
    if days < DAYS:
        return False, f"Only {so_far} so far; {DAYS} would speak for enforce."
    if senders < SENDERS:
        return False, f"{so_far}, but only one sender saw the policy; {SENDERS} would speak for enforce."
    return True, f"{so_far}, and {senders} senders saw the policy: nothing speaks against enforce."
