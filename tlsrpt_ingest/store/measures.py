"""The sums behind `metrics`: sessions and failures of some days by domain, of a number of domains that has a bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Double, Engine, case, cast, func, select
from sqlalchemy.sql import ColumnElement

from tlsrpt_ingest import limits
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460.explanations import host_name
from tlsrpt_ingest.rfc8460.terms import POLICY_TYPES, RESULT_TYPES
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.days import within
from tlsrpt_ingest.store.failed import COUNT, failed_sessions
from tlsrpt_ingest.store.speaking import speaking

OTHER: Final = "other"
"""What domains beyond the bound, and types that RFC 8460 does not list, are called."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured; names of domains are host names or OTHER."""

    sessions: Mapping[tuple[str, str], tuple[float, float]]
    """(domain, policy type) -> sessions that succeeded, and that failed. Types overlap: they are not to be added."""
    failures: Mapping[tuple[str, str], float]
    """(domain, result type) -> failed sessions."""
    latest: Mapping[str, datetime]
    """When the period of the latest report on a domain began (UTC)."""
    newest: datetime | None
    """The same of the latest report of all, however long ago."""
    rejected: int
    """Deliveries that are rejected."""


def measure(engine: Engine, now: datetime, days: int) -> Measures:
    """Measure the last `days` UTC days before the one of `now`, and that one."""
    since, until = now.date() - timedelta(days=days), now.date()
    counted = within(since, until)
    with speaking(engine), engine.connect() as connection:
        domains = _domains(connection, counted)
        sessions, latest = _sessions(connection, counted, domains)
        return Measures(
            sessions,
            _failures(connection, since, until, domains),
            latest,
            connection.scalar(select(func.max(tables.report.c.start_datetime)).where(counted[0], counted[-1])),
            int(connection.scalar(select(func.count()).where(tables.delivery.c.outcome == str(Outcome.REJECTED))) or 0),
        )


def _domains(connection: Connection, counted: Sequence[ColumnElement[bool]]) -> list[str]:
    """The domains with most reports, at most limits.SERIES; what is no host name is none of them."""
    policy = tables.policy.c
    sessions = _sum(policy.total_successful_session_count) + _sum(policy.total_failure_session_count)
    # A count of sessions is any stranger's claim, a report has to come.
    rows = connection.scalars(
        select(policy.policy_domain)
        .join(tables.report, policy.report_pk == tables.report.c.pk)
        .where(*counted, policy.policy_domain.is_not(None))
        .group_by(policy.policy_domain)
        .order_by(func.count().desc(), sessions.desc(), policy.policy_domain)
        .limit(limits.SERIES)
    )
    return [domain for domain in rows if host_name(domain) == domain]


def _sessions(
    connection: Connection, counted: Sequence[ColumnElement[bool]], domains: Sequence[str]
) -> tuple[dict[tuple[str, str], tuple[float, float]], dict[str, datetime]]:
    """Sessions by domain and policy type, and the start of the latest report by domain."""
    policy = tables.policy.c
    key = (_listed(policy.policy_domain, domains, "domain"), _listed(policy.policy_type, POLICY_TYPES, "type"))
    rows = connection.execute(
        select(
            *key,
            _sum(policy.total_successful_session_count),
            _sum(policy.total_failure_session_count),
            func.max(tables.report.c.start_datetime),
        )
        .join(tables.report, policy.report_pk == tables.report.c.pk)
        .where(*counted)
        .group_by(*key)
    )
    sessions: dict[tuple[str, str], tuple[float, float]] = {}
    latest: dict[str, datetime] = {}
    for domain, policy_type, good, bad, moment in rows:
        sessions[domain, policy_type] = good, bad
        latest[domain] = max(latest.get(domain, moment), moment)
    return sessions, latest


def _failures(connection: Connection, since: date, until: date, domains: Sequence[str]) -> dict[tuple[str, str], float]:
    found = failed_sessions(connection.dialect.name, since, until).c
    key = (_listed(found.policy_domain, domains, "domain"), _listed(found.result_type, RESULT_TYPES, "type"))
    rows = connection.execute(select(*key, _sum(found.sessions)).group_by(*key))
    return {(domain, result_type): sessions for domain, result_type, sessions in rows}


def _listed(column: ColumnElement[Any], names: Sequence[str], label: str) -> ColumnElement[Any]:
    return case((column.in_(names), column), else_=OTHER).label(label)


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # As doubles: SQLite's sum() of integers fails where it passes 2^63.
    return func.sum(cast(case((column > COUNT, COUNT), else_=column), Double))
