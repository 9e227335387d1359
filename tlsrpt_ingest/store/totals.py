"""The sums behind `summary`: sessions and failures by domain, reports by sender, of some days."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Double, Engine, and_, cast, exists, func, select, text
from sqlalchemy.sql import ColumnElement

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables, views
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
        reports = _reports(connection, since, until, domain)
        days = _sessions(connection, since, until, domain)
        return Totals(
            domains=_domains(days, failures.result()),
            senders=tuple(sorted(_senders(connection, since, until, domain), key=_most_reports)),
            reports=reports[0],
            conflicting=_conflicting(connection, since, until, domain),
            rejected=_rejected(connection, since, until),
            refused=_refused(connection, since, until),
            first_day=_day(reports[1]),
            last_day=_day(reports[2]),
        )


def _failures(
    engine: Engine, since: date | None, until: date | None, domain: str | None
) -> dict[str | None, list[Failures]]:
    view = views.failure.c
    key = (view.policy_domain, view.result_type, view.organization_name)
    failures: dict[str | None, list[Failures]] = {}
    with engine.connect() as connection:
        for name, result_type, organization_name, sessions in connection.execute(
            select(*key, _sum(view.failed_session_count))
            .where(*_days(view.day, since, until), *_equal(view.policy_domain, domain))
            .group_by(*key)
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
        .where(*_days(daily.day, since, until), *_equal(daily.policy_domain, domain))
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


def _reports(connection: Connection, since: date | None, until: date | None, domain: str | None) -> Any:
    report = tables.report.c
    return connection.execute(
        select(func.count(), func.min(report.start_datetime), func.max(report.start_datetime)).where(
            report.conflicts_with.is_(None), *_of(since, until, domain)
        )
    ).one()


def _conflicting(connection: Connection, since: date | None, until: date | None, domain: str | None) -> int:
    report = tables.report.c
    asked = select(func.count()).where(report.conflicts_with.is_not(None), *_of(since, until, domain))
    return int(connection.execute(asked).scalar_one())


def _senders(
    connection: Connection, since: date | None, until: date | None, domain: str | None
) -> Iterator[SenderTotal]:
    report = tables.report.c
    for row in connection.execute(
        select(report.organization_name, func.count(), func.max(report.start_datetime))
        .where(report.conflicts_with.is_(None), *_of(since, until, domain))
        .group_by(report.organization_name)
    ):
        yield SenderTotal(*row)


def _rejected(connection: Connection, since: date | None, until: date | None) -> int:
    delivery = tables.delivery.c
    asked = select(func.count()).where(
        delivery.outcome == str(Outcome.REJECTED), *_moments(delivery.last_at, since, until)
    )
    return int(connection.execute(asked).scalar_one())


def _refused(connection: Connection, since: date | None, until: date | None) -> dict[Outcome, int]:
    delivery = tables.delivery.c
    # In the very words of the index `ix_delivery_refused_at`.
    refused = text("outcome IN ('unauthenticated', 'foreign')")
    asked = select(delivery.outcome, func.count()).where(refused, *_moments(delivery.last_at, since, until))
    return {Outcome(outcome): count for outcome, count in connection.execute(asked.group_by(delivery.outcome))}


def _of(since: date | None, until: date | None, domain: str | None) -> list[ColumnElement[bool]]:
    """Conditions on `report`: its day, and that some policy of it is of the domain."""
    report, policy = tables.report.c, tables.policy.c
    conditions = _moments(report.start_datetime, since, until)
    if domain is not None:
        conditions.append(exists().where(and_(policy.report_pk == report.pk, policy.policy_domain == domain)))
    return conditions


def _moments(column: ColumnElement[Any], since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    conditions = []
    if since is not None:
        conditions.append(column >= datetime.combine(since, time()))
    if until is not None and until < date.max:
        conditions.append(column < datetime.combine(until + timedelta(days=1), time()))
    return conditions


def _days(column: ColumnElement[Any], since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    conditions = []
    if since is not None:
        conditions.append(column >= since)
    if until is not None:
        conditions.append(column <= until)
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


def _most_reports(one: SenderTotal) -> tuple[int, str]:
    return -one.reports, one.organization_name or ""


def _most_sessions(one: Failures) -> tuple[int, str, str]:
    return -one.sessions, one.result_type, one.organization_name or ""
