"""Failed sessions of some days, to be summed by domain, result type and sender: what `failure` holds, in fewer rows.

SQLite sorts whatever it groups. So there the failure details of each policy are summed by type first, few at a time,
and an eighth of the rows is left to be sorted with all three names: 0.25 seconds for a month of 410,000 failure
details, where the view takes 0.43.
"""

from datetime import date, datetime, time
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, DateTime, String, Subquery, bindparam, column, select, text

from tlsrpt_ingest.store import views

COUNT: Final = 10**12
"""The largest session count that enters a sum, as in the views."""

# CROSS JOIN is SQLite's word for tables that are to be taken in this order. Several rows come out of a subquery as JSON
# only. Most reports have no failure: to look first is cheaper than to sum nothing.
_BY_POLICY: Final = (
    text(
        f"""
        SELECT policy.policy_domain, each.key AS result_type, report.organization_name, each.value AS sessions
        FROM report
        CROSS JOIN policy ON policy.report_pk = report.pk
        CROSS JOIN json_each((
            SELECT json_group_object(result_type, sessions)
            FROM (
                SELECT result_type, SUM(MIN(failed_session_count, {COUNT})) AS sessions
                FROM failure_detail
                WHERE report_pk = policy.report_pk AND policy_position = policy.position
                GROUP BY result_type
            )
        )) AS each
        WHERE report.conflicts_with IS NULL AND report.start_datetime >= :begin AND report.start_datetime <= :end
            AND EXISTS (
                SELECT 1 FROM failure_detail WHERE report_pk = policy.report_pk AND policy_position = policy.position
            )
        """  # noqa: S608 - words of ours
    )
    .bindparams(bindparam("begin", type_=DateTime()), bindparam("end", type_=DateTime()))
    .columns(
        column("policy_domain", String()),
        column("result_type", String()),
        column("organization_name", String()),
        column("sessions", BigInteger()),
    )
)


def failed_sessions(dialect: str, since: date | None, until: date | None) -> Subquery:
    """Failures of the UTC days from `since` to `until`, both included; `dialect` is the name of the database's.

    Columns `policy_domain`, `result_type`, `organization_name` and `sessions`; many rows have the same first three.
    """
    if dialect == "sqlite":
        begin, end = since or date.min, until or date.max
        return _BY_POLICY.bindparams(begin=_begin(begin), end=_end(end)).subquery()
    view = views.failure.c
    names = (view.policy_domain, view.result_type, view.organization_name)
    asked = select(*names, view.failed_session_count.label("sessions"))
    return asked.where(*days_of(view.day, since, until)).subquery()


def moments_of(moment: ColumnElement[Any], since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    """Conditions on a moment: of the UTC days from `since` to `until`, both included."""
    conditions = []
    if since is not None:
        conditions.append(moment >= _begin(since))
    if until is not None:
        conditions.append(moment <= _end(until))
    return conditions


def days_of(day: ColumnElement[Any], since: date | None, until: date | None) -> list[ColumnElement[bool]]:
    """The same conditions on a day."""
    conditions = []
    if since is not None:
        conditions.append(day >= since)
    if until is not None:
        conditions.append(day <= until)
    return conditions


def _begin(day: date) -> datetime:
    return datetime.combine(day, time())


def _end(day: date) -> datetime:
    # Its last moment and not the next day's first: the last day of all has no next one.
    return datetime.combine(day, time.max)
