"""The sums behind `summary`: sessions and failures by domain, reports by sender, of some days."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Double, Engine, and_, case, cast, exists, func, select, text
from sqlalchemy.sql import ColumnElement

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables, views
from tlsrpt_ingest.store.failed import days_of, failed_sessions, moments_of
from tlsrpt_ingest.store.speaking import speaking


@dataclass(frozen=True, slots=True)
class Failures:
    """Failed sessions of one kind."""

    result_type: str
    organization_name: str | None
    sessions: int


@dataclass(frozen=True, slots=True)
class DaySessions:
    """Sessions of one UTC day."""

    day: date
    successful: int
    failed: int


@dataclass(frozen=True, slots=True)
class DomainTotal:
    """Sessions to one policy domain, by the rule of `daily_sessions`; None where the reports named no domain.

    `failures` may add up to more than `failed` (RFC 8460 section 4.4).
    """

    policy_domain: str | None
    successful: int
    failed: int
    failures: tuple[Failures, ...]
    days: tuple[DaySessions, ...] = ()
    """The days that have reports, in their order."""


@dataclass(frozen=True, slots=True)
class SenderTotal:
    """Reports of one organization, and the start of its latest."""

    organization_name: str | None
    reports: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """What the database holds of a period."""

    domains: tuple[DomainTotal, ...]
    """Most sessions first."""
    senders: tuple[SenderTotal, ...]
    """Most reports first."""
    reports: int
    """Counted reports."""
    conflicting: int
    """Reports kept beside a counted one of the same identity."""
    rejected: int
    """Deliveries that are rejected and were last tried in the period, whatever their domain."""
    first_day: date | None
    last_day: date | None
    """The days of the first and the last report."""
    refused: Mapping[Outcome, int] = field(default_factory=dict)
    """Deliveries that are unauthenticated or foreign, by the same days as `rejected`."""

    @property
    def days(self) -> tuple[DaySessions, ...]:
        """The days that have reports, in their order: all domains together."""
        sums: dict[date, tuple[int, int]] = {}
        for one in (day for domain in self.domains for day in domain.days):
            successful, failed = sums.get(one.day, (0, 0))
            sums[one.day] = successful + one.successful, failed + one.failed
        return tuple(DaySessions(day, *sums[day]) for day in sorted(sums))


def totals(engine: Engine, since: date | None = None, until: date | None = None, domain: str | None = None) -> Totals:
    """Sessions, failures and senders of the UTC days from `since` to `until`, both included, of all or one domain."""
    since, until = _day(since), _day(until)
    # Failures and sessions take nearly all of the time, so each has a connection, and with it a processor.
    with speaking(engine), ThreadPoolExecutor(1) as beside, engine.connect() as connection:
        failures = beside.submit(_failures, engine, since, until, domain)
        senders, conflicting = _senders(connection, since, until, domain)
        days = _sessions(connection, since, until, domain)
        return Totals(
            domains=_domains(days, failures.result()),
            senders=tuple(SenderTotal(one.organization_name, one.reports, one.latest) for one in senders),
            reports=sum(one.reports for one in senders),
            conflicting=conflicting,
            rejected=_rejected(connection, since, until),
            refused=_refused(connection, since, until),
            first_day=min((one.first.date() for one in senders), default=None),
            last_day=max((one.latest.date() for one in senders), default=None),
        )


def _failures(
    engine: Engine, since: date | None, until: date | None, domain: str | None
) -> dict[str | None, list[Failures]]:
    found = failed_sessions(engine.dialect.name, since, until).c
    key = (found.policy_domain, found.result_type, found.organization_name)
    failures: dict[str | None, list[Failures]] = {}
    with engine.connect() as connection:
        for name, result_type, organization_name, sessions in connection.execute(
            select(*key, _sum(found.sessions)).where(*_equal(found.policy_domain, domain)).group_by(*key)
        ):
            failures.setdefault(name, []).append(Failures(result_type, organization_name, int(sessions)))
    return failures


def _sessions(
    connection: Connection, since: date | None, until: date | None, domain: str | None
) -> dict[str | None, list[DaySessions]]:
    daily = views.daily_sessions.c
    days: dict[str | None, list[DaySessions]] = {}
    for name, day, successful, failed in connection.execute(
        select(daily.policy_domain, daily.day, _sum(daily.successful), _sum(daily.failed))
        .where(*days_of(daily.day, since, until), *_equal(daily.policy_domain, domain))
        .group_by(daily.policy_domain, daily.day)
        .order_by(daily.day)
    ):
        days.setdefault(name, []).append(DaySessions(day, int(successful), int(failed)))
    return days


def _domains(
    days: Mapping[str | None, Sequence[DaySessions]], failures: Mapping[str | None, Sequence[Failures]]
) -> tuple[DomainTotal, ...]:
    found = [
        DomainTotal(
            name,
            sum(one.successful for one in of_domain),
            sum(one.failed for one in of_domain),
            tuple(sorted(failures.get(name, ()), key=_most_sessions)),
            tuple(of_domain),
        )
        for name, of_domain in days.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.successful - one.failed, one.policy_domain or "")))


def _senders(
    connection: Connection, since: date | None, until: date | None, domain: str | None
) -> tuple[list[Any], int]:
    """Of each organization its counted reports, most first, and the start of the first and of the latest.

    And how many reports of all of them conflict.
    """
    report = tables.report.c
    counted = case((report.conflicts_with.is_(None), report.start_datetime))
    rows = connection.execute(
        select(
            report.organization_name,
            func.count(counted).label("reports"),
            func.min(counted).label("first"),
            func.max(counted).label("latest"),
            func.count(report.conflicts_with).label("conflicting"),
        )
        .where(*_of(since, until, domain))
        .group_by(report.organization_name)
    ).all()
    senders = sorted((row for row in rows if row.reports), key=lambda one: (-one.reports, one.organization_name or ""))
    return senders, sum(row.conflicting for row in rows)


def _rejected(connection: Connection, since: date | None, until: date | None) -> int:
    delivery = tables.delivery.c
    asked = select(func.count()).where(
        delivery.outcome == str(Outcome.REJECTED), *moments_of(delivery.last_at, since, until)
    )
    return int(connection.execute(asked).scalar_one())


def _refused(connection: Connection, since: date | None, until: date | None) -> dict[Outcome, int]:
    delivery = tables.delivery.c
    # In the very words of the index `ix_delivery_refused_at`.
    refused = text("outcome IN ('unauthenticated', 'foreign')")
    asked = select(delivery.outcome, func.count()).where(refused, *moments_of(delivery.last_at, since, until))
    return {Outcome(outcome): count for outcome, count in connection.execute(asked.group_by(delivery.outcome))}


def _of(since: date | None, until: date | None, domain: str | None) -> list[ColumnElement[bool]]:
    """Conditions on `report`: its day, and that some policy of it is of the domain."""
    report, policy = tables.report.c, tables.policy.c
    conditions = moments_of(report.start_datetime, since, until)
    if domain is not None:
        conditions.append(exists().where(and_(policy.report_pk == report.pk, policy.policy_domain == domain)))
    return conditions


def _equal(column: ColumnElement[Any], value: str | None) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # As doubles, which are exact to 2^53: SQLite's sum() of integers fails where it passes 2^63.
    return func.sum(cast(column, Double))


def _day(moment: date | None) -> date | None:
    if isinstance(moment, datetime):
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()
    return moment


def _most_sessions(one: Failures) -> tuple[int, str, str]:
    return -one.sessions, one.result_type, one.organization_name or ""
