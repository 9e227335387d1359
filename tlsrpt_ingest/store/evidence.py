"""What the rules of `alerts` judge by: who failed, how much, who reported, which policies were seen, what was rejected.

Each question is about some UTC days, which the indexes over days answer, and has a bound on its answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Double, Text, and_, case, cast, exists, func, select
from sqlalchemy.sql import ColumnElement

from tlsrpt_ingest import limits
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import FailureDetail, Policy
from tlsrpt_ingest.rfc8460.terms import RESULT_TYPES
from tlsrpt_ingest.store import tables, views

BOUND: Final = limits.ALERTS + 1
"""Rows of an answer; one more than are watched says that there are more."""


OTHER: Final = "other"
"""The result types that RFC 8460 does not list."""


PASSING: Final = ("fetch", "trust")
"""Stages that the next poll may pass: the mail server or the DNS did not answer."""

ATTEMPTS: Final = 3
"""Tries of a poll after which it is told all the same."""


class Failing(NamedTuple):
    """One kind of failure, as one organization saw it.

    `result_type` is one of RFC 8460, or `OTHER`: a stranger may make up any number of them. It is None where the sender
    does not say what failed.
    """

    policy_domain: str | None
    result_type: str | None
    organization_name: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """How often, and from which day to which."""

    sessions: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions to a domain, by the rule of `daily_sessions`."""

    successful: int
    failed: int


@dataclass(frozen=True, slots=True)
class Reporting:
    """When an organization reported: distinct periods, the first day and the last."""

    periods: int
    first_day: date
    last_day: date


class Seen(NamedTuple):
    """A policy that senders saw; its strings as JSON text."""

    policy_domain: str | None
    policy_type: str
    policy_string: str
    mx_host: str


@dataclass(frozen=True, slots=True)
class Span:
    """The days on which a policy was seen."""

    first: date
    last: date
    before: date | None
    """The last day before the recent ones."""
    recent: date | None
    """The first of the recent ones."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected delivery."""

    pk: int
    origin: str
    stage: str | None
    reason: str | None


class Evidence:
    """Asks through one connection, about what was before the end of a day."""

    def __init__(self, connection: Connection, today: date) -> None:
        self._connection = connection
        # A report of a later day is a clock that is wrong, or a lie.
        self._today = today

    def failing(self, since: date) -> dict[Failing, Failed]:
        """Failures since a day, most sessions first."""
        view = views.failure.c
        result_type = case((view.result_type.in_(RESULT_TYPES), view.result_type), else_=OTHER).label("type")
        key = (view.policy_domain, result_type, view.organization_name)
        sessions = _sum(view.failed_session_count)
        found = self._failures(
            select(*key, sessions, func.min(view.day), func.max(view.day))
            .where(view.day >= since, view.day <= self._today)
            .group_by(*key)
            .order_by(sessions.desc())
            .limit(BOUND)
        )
        return dict(sorted([*found, *self._unspecified(since)], key=lambda one: -one[1].sessions)[:BOUND])

    def sample(self, failing: Failing, since: date) -> tuple[FailureDetail, Policy] | None:
        """The failure of this kind that most sessions met, and the policy it was met under."""
        view, policy = views.failure.c, tables.policy.c
        listed = view.result_type.in_(RESULT_TYPES)
        row = self._connection.execute(
            select(
                view.result_type,
                view.receiving_mx_hostname,
                view.failure_reason_code,
                policy.policy_type,
                policy.policy_domain,
                policy.policy_string,
                policy.mx_host,
            )
            .join(tables.policy, (policy.report_pk == view.report_pk) & (policy.position == view.policy_position))
            .where(view.day >= since, view.day <= self._today)
            .where(view.policy_domain.is_not_distinct_from(failing.policy_domain))
            .where(view.organization_name.is_not_distinct_from(failing.organization_name))
            .where(~listed if failing.result_type == OTHER else view.result_type == failing.result_type)
            .order_by(view.failed_session_count.desc())
            .limit(1)
        ).first()
        if row is None:
            return None
        detail = FailureDetail(
            result_type=row.result_type,
            receiving_mx_hostname=row.receiving_mx_hostname,
            failure_reason_code=row.failure_reason_code,
        )
        return detail, Policy(
            policy_type=row.policy_type,
            policy_domain=row.policy_domain,
            policy_string=tuple(row.policy_string),
            mx_host=tuple(row.mx_host),
        )

    def sessions(self, since: date) -> dict[str | None, Sessions]:
        """Sessions to each domain since a day, most failures first."""
        view = views.daily_sessions.c
        failed = _sum(view.failed)
        rows = self._connection.execute(
            select(view.policy_domain, _sum(view.successful), failed)
            .where(view.day >= since, view.day <= self._today)
            .group_by(view.policy_domain)
            .order_by(failed.desc())
            .limit(BOUND)
        )
        return {domain: Sessions(int(successful), int(bad)) for domain, successful, bad in rows}

    def senders(self, since: date) -> dict[str | None, Reporting]:
        """Organizations that reported since a day, those first that do so most often."""
        report = tables.report.c
        periods = func.count(report.start_datetime.distinct())
        rows = self._connection.execute(
            select(report.organization_name, periods, func.min(report.start_datetime), func.max(report.start_datetime))
            .where(*self._counted(since))
            .group_by(report.organization_name)
            .order_by(periods.desc())
            .limit(BOUND)
        )
        return {name: Reporting(count, first.date(), last.date()) for name, count, first, last in rows}

    def last_days(self, since: date) -> dict[tuple[str | None, str | None], date]:
        """The last day since a day that each organization reported about each domain: (domain, organization) -> day."""
        report, policy = tables.report.c, tables.policy.c
        last = func.max(report.start_datetime)
        rows = self._connection.execute(
            select(policy.policy_domain, report.organization_name, last)
            .join(tables.policy, policy.report_pk == report.pk)
            .where(*self._counted(since))
            .group_by(policy.policy_domain, report.organization_name)
            .order_by(last.desc())
            .limit(BOUND)
        )
        return {(domain, name): day.date() for domain, name, day in rows}

    def last_day(self) -> date | None:
        """The day of the latest report."""
        report = tables.report.c
        asked = select(func.max(report.start_datetime)).where(*self._counted(date.min))
        last = self._connection.scalar(asked)
        return last.date() if last else None

    def policies(self, horizon: date, since: date) -> dict[Seen, Span]:
        """The policies seen since `horizon`; their spans tell what was before `since` from what came after."""
        report, policy = tables.report.c, tables.policy.c
        key = (
            policy.policy_domain,
            policy.policy_type,
            cast(policy.policy_string, Text).label("policy_string"),
            cast(policy.mx_host, Text).label("mx_host"),
        )
        start = report.start_datetime
        recent = start >= datetime.combine(since, time())
        rows = self._connection.execute(
            select(
                *key,
                func.min(start),
                func.max(start),
                func.max(case((~recent, start))),
                func.min(case((recent, start))),
            )
            .join(tables.report, policy.report_pk == report.pk)
            .where(*self._counted(horizon))
            .group_by(*key)
            .order_by(func.max(start).desc())
            .limit(BOUND)
        )
        return {Seen(*row[:4]): Span(*(moment and moment.date() for moment in row[4:])) for row in rows}

    def rejected(self) -> list[Rejected]:
        """Rejected deliveries, those first that were tried last; without those that a poll may well read yet."""
        delivery = tables.delivery.c
        passing = and_(delivery.stage.in_(PASSING), delivery.mailbox_pk.is_not(None), delivery.attempts < ATTEMPTS)
        rows = self._connection.execute(
            select(delivery.pk, delivery.origin, delivery.stage, delivery.reason)
            .where(delivery.outcome == str(Outcome.REJECTED), ~passing)
            .order_by(delivery.last_at.desc(), delivery.pk.desc())
            .limit(BOUND)
        )
        return [Rejected(*row) for row in rows]

    def _unspecified(self, since: date) -> Iterator[tuple[Failing, Failed]]:
        """Failed sessions of which the sender says nothing more."""
        report, policy, detail = tables.report.c, tables.policy.c, tables.failure_detail.c
        told = exists().where(detail.report_pk == policy.report_pk, detail.policy_position == policy.position)
        key = (policy.policy_domain, report.organization_name)
        sessions, start = _sum(policy.total_failure_session_count), report.start_datetime
        rows = self._connection.execute(
            select(*key, sessions, func.min(start), func.max(start))
            .join(tables.policy, policy.report_pk == report.pk)
            .where(*self._counted(since), policy.total_failure_session_count > 0, ~told)
            .group_by(*key)
            .order_by(sessions.desc())
            .limit(BOUND)
        )
        for domain, organization, count, first, last in rows:
            yield Failing(domain, None, organization), Failed(int(count), first.date(), last.date())

    def _failures(self, asked: Any) -> Iterator[tuple[Failing, Failed]]:
        for *key, sessions, first, last in self._connection.execute(asked):
            yield Failing(*key), Failed(int(sessions), first, last)

    def _counted(self, since: date) -> list[ColumnElement[bool]]:
        report = tables.report.c
        return [
            report.conflicts_with.is_(None),
            report.start_datetime >= datetime.combine(since, time()),
            report.start_datetime < datetime.combine(self._today + timedelta(days=1), time()),
        ]


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    # As doubles: SQLite's sum() of integers fails where it passes 2^63.
    return func.sum(cast(column, Double))
