"""Sessions and failures of each day, domain by domain, in one pass over the reports of a period. Reads only.

The rule of `daily_sessions` (docs/reference/views.md), told once more in Python: a database sorts all policies to group
them by day, while here they are read in the order in which they lie. A test holds the two together.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Result, Select, func, select

from tlsrpt_ingest.rfc8460 import terms
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.failed import COUNT, moments_of
from tlsrpt_ingest.store.speaking import speaking

DOMAINS: Final = 500
SENDERS: Final = 100
RESULT_TYPES: Final = 10
"""Domains and senders that are told apart, those with the most reports, and result types of a domain that RFC 8460 does
not list, the first that come. A stranger may invent names without end; whatever is beyond is counted as `others`."""

ROWS: Final = 5_000
"""Rows that are fetched at a time."""

LEAST: Final = 28
"""Days of a period that reports do not fill."""

OTHER: Final = "other result types"
"""What result types beyond RESULT_TYPES are summed under."""


@dataclass(slots=True)
class Sending:
    """What one organization reported on one domain."""

    organization_name: str | None
    latest: date
    reports: int = 0
    successful: int = 0
    failed: int = 0


@dataclass(slots=True)
class Kind:
    """Failures of one result type, by one sender."""

    result_type: str
    organization_name: str | None
    first: date
    latest: date
    report_pk: int
    """The latest report that has it."""
    sessions: int = 0


@dataclass(slots=True)
class DomainDays:
    """One policy domain, day by day; each list has one number for each day of the period."""

    policy_domain: str | None
    """None where reports name no domain."""
    successful: list[int]
    failed: list[int]
    failures: dict[str, list[int]] = field(default_factory=dict)
    """By result type; they may add up to more than `failed` (RFC 8460 section 4.4)."""
    senders: dict[str | None, Sending] = field(default_factory=dict)
    kinds: dict[tuple[str, str | None], Kind] = field(default_factory=dict)
    reports: int = 0


@dataclass(frozen=True, slots=True)
class SenderDays:
    """Counted reports of one organization in the period, and the day of its latest."""

    organization_name: str | None
    reports: int
    latest: date


@dataclass(frozen=True, slots=True)
class Days:
    """A period, as the reports of it say."""

    first: date
    last: date
    """The days of the period, both included."""
    reports: int
    """Counted reports."""
    domains: tuple[DomainDays, ...]
    """Most reports first; at most DOMAINS."""
    others: DomainDays
    """The domains beyond these, summed."""
    senders: tuple[SenderDays, ...]
    """Most reports first; at most SENDERS."""

    @property
    def count(self) -> int:
        """Days of the period."""
        return (self.last - self.first).days + 1

    def day(self, number: int) -> date:
        """The day of a place in the lists."""
        return self.first + timedelta(days=number)


def period(engine: Engine, now: datetime, most: int) -> tuple[date, date]:
    """The last `most` days up to the latest report, or fewer where reports do not go back as far (LEAST at least).

    UTC days, both included. A report that is dated beyond tomorrow is no measure of anything.
    """
    moment = now.astimezone(UTC).replace(tzinfo=None)
    report = tables.report.c
    counted = (report.conflicts_with.is_(None), report.start_datetime < moment + timedelta(days=1))
    with speaking(engine), engine.connect() as connection:
        latest = connection.scalar(select(func.max(report.start_datetime)).where(*counted))
        last = latest.date() if latest else moment.date()
        begin = datetime.combine(last - timedelta(days=most - 1), time())
        earliest = connection.scalar(
            select(func.min(report.start_datetime)).where(*counted, report.start_datetime >= begin)
        )
    first = min(earliest.date() if earliest else last, last - timedelta(days=LEAST - 1))
    return max(first, begin.date()), last


def days(engine: Engine, first: date, last: date) -> Days:
    """The sessions, failures and senders of the UTC days from `first` to `last`, both included.

    Memory does not grow with the reports: what it holds is bounded by the names above and the days.
    """
    with speaking(engine), ExitStack() as stack:
        # One for each stream: PyMySQL has one unbuffered answer at a time on a connection.
        one, two = (stack.enter_context(engine.connect()) for _ in range(2))
        senders = _senders(one, first, last)
        survey = _Survey(first, last, _domains(one, first, last), {sender.organization_name for sender in senders})
        lowest = one.scalar(select(func.min(tables.report.c.pk)).where(*within(first, last)))
        if lowest is not None:
            # Closed at the end: what is left of an answer is not read to its end.
            with _policies(one, first, last) as policies, _failures(two, lowest) as failures:
                survey.read(iter(policies), iter(failures))
        return Days(first, last, survey.reports, tuple(survey.domains.values()), survey.others, senders)


class _Survey:
    """The sums, while the rows go by."""

    def __init__(self, first: date, last: date, domains: Sequence[str | None], senders: set[str | None]) -> None:
        self._first = first
        self._count = (last - first).days + 1
        self._known_senders = senders
        self.domains = {name: self._blank(name) for name in domains}
        self.others = self._blank(None)
        self.reports = 0

    def _blank(self, name: str | None) -> DomainDays:
        return DomainDays(name, [0] * self._count, [0] * self._count)

    def read(self, policies: Iterator[Any], failures: Iterator[Any]) -> None:
        """Both in the order of report and policy, so that each failure meets its policy."""
        failure = next(failures, None)
        for pk, rows in groupby(policies, key=itemgetter(0)):
            # What conflicts, or is not of the period, has failures too.
            while failure is not None and failure[0] < pk:
                failure = next(failures, None)
            details: dict[int, list[tuple[str, int]]] = {}
            while failure is not None and failure[0] == pk:
                details.setdefault(failure[1], []).append((failure[2], int(failure[3])))
                failure = next(failures, None)
            self._report(list(rows), details)

    def _report(self, rows: Sequence[Any], details: dict[int, list[tuple[str, int]]]) -> None:
        self.reports += 1
        pk, moment, sender = rows[0][:3]
        day = moment.date()
        place = (day - self._first).days
        by_type: dict[str | None, dict[str, tuple[int, int]]] = {}
        for _pk, _moment, _organization, name, policy_type, position, successes, failures in rows:
            types = by_type.setdefault(name, {})
            total, failed = types.get(policy_type, (0, 0))
            failing = min(failures, COUNT)
            types[policy_type] = (total + min(successes, COUNT) + failing, failed + failing)
            if position in details:
                self._details(name, sender, day, pk, details[position])
        for name, types in by_type.items():
            domain = self.domains.get(name, self.others)
            if len(types) == 1:
                ((total, failed),) = types.values()
            else:
                # Microsoft reports the same sessions under sts and under tlsa: the largest, never the sum.
                total, failed = map(max, *types.values())
            successful = total - failed
            domain.reports += 1
            domain.successful[place] += successful
            domain.failed[place] += failed
            if sender in self._known_senders:
                sending = domain.senders.get(sender) or domain.senders.setdefault(sender, Sending(sender, day))
                sending.reports += 1
                sending.successful += successful
                sending.failed += failed
                sending.latest = max(sending.latest, day)

    def _details(
        self, name: str | None, sender: str | None, day: date, pk: int, details: Sequence[tuple[str, int]]
    ) -> None:
        domain = self.domains.get(name, self.others)
        for found, sessions in details:
            result_type = found if _told_apart(found, domain) else OTHER
            series = domain.failures.setdefault(result_type, [0] * self._count)
            series[(day - self._first).days] += sessions
            if sender not in self._known_senders:
                continue
            key = (result_type, sender)
            kind = domain.kinds.get(key) or domain.kinds.setdefault(key, Kind(*key, day, day, pk))
            kind.sessions += sessions
            kind.first = min(kind.first, day)
            if day >= kind.latest:
                kind.latest, kind.report_pk = day, pk


def _told_apart(result_type: str, domain: DomainDays) -> bool:
    # Those of the RFC always: no number of invented ones hides them.
    if result_type in terms.RESULT_TYPES or result_type in domain.failures:
        return True
    return sum(one not in terms.RESULT_TYPES for one in domain.failures) < RESULT_TYPES


def _policies(connection: Connection, first: date, last: date) -> Result[Any]:
    report, policy = tables.report.c, tables.policy.c
    return _stream(
        connection,
        select(
            policy.report_pk,
            report.start_datetime,
            report.organization_name,
            policy.policy_domain,
            policy.policy_type,
            policy.position,
            policy.total_successful_session_count,
            policy.total_failure_session_count,
        )
        .join_from(tables.policy, tables.report, report.pk == policy.report_pk)
        .where(*within(first, last))
        .order_by(policy.report_pk, policy.position),
    )


def _failures(connection: Connection, lowest: int) -> Result[Any]:
    detail = tables.failure_detail.c
    bounded = func.least if connection.dialect.name != "sqlite" else func.min
    return _stream(
        connection,
        select(
            detail.report_pk,
            detail.policy_position,
            detail.result_type,
            func.sum(bounded(detail.failed_session_count, COUNT)),
        )
        .where(detail.report_pk >= lowest)
        .group_by(detail.report_pk, detail.policy_position, detail.result_type)
        .order_by(detail.report_pk, detail.policy_position),
    )


def _stream(connection: Connection, asked: Select[Any]) -> Result[Any]:
    return connection.execution_options(yield_per=ROWS).execute(asked)


def _domains(connection: Connection, first: date, last: date) -> list[str | None]:
    """The domains that most reports are about: a count of sessions is any stranger's claim, a report has to come."""
    report, policy = tables.report.c, tables.policy.c
    asked = (
        select(policy.policy_domain)
        .join_from(tables.policy, tables.report, report.pk == policy.report_pk)
        .where(*within(first, last))
        .group_by(policy.policy_domain)
        .order_by(func.count().desc(), policy.policy_domain)
        .limit(DOMAINS)
    )
    return list(connection.scalars(asked))


def _senders(connection: Connection, first: date, last: date) -> tuple[SenderDays, ...]:
    report = tables.report.c
    asked = (
        select(report.organization_name, func.count(), func.max(report.start_datetime))
        .where(*within(first, last))
        .group_by(report.organization_name)
        .order_by(func.count().desc(), report.organization_name)
        .limit(SENDERS)
    )
    return tuple(SenderDays(name, count, latest.date()) for name, count, latest in connection.execute(asked))


def within(first: date, last: date) -> list[ColumnElement[bool]]:
    """Conditions on `report`: counted, and of the UTC days from `first` to `last`, both included."""
    report = tables.report.c
    return [report.conflicts_with.is_(None), *moments_of(report.start_datetime, first, last)]
