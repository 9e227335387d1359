"""Rows for `export`, oldest report first, page by page: each page a transaction of its own, so that nobody waits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Engine, Select, and_, exists, or_, select
from sqlalchemy.sql import ColumnElement

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.failed import moments_of
from tlsrpt_ingest.store.speaking import speaking

PAGE: Final = 2_000
"""Rows of one page."""


class What(StrEnum):
    """What can be exported; only counted reports are in any of it."""

    REPORTS = "reports"
    POLICIES = "policies"
    FAILURES = "failures"


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    """A stranger's text, or None."""
    TEXTS = "texts"
    """A list of such texts."""
    COUNT = "count"
    """An integer of 64 bits."""
    MOMENT = "moment"
    """A datetime in UTC, without a zone."""


@dataclass(frozen=True, slots=True)
class Extract:
    """The names and kinds of the columns, and the rows in pages."""

    columns: tuple[tuple[str, Kind], ...]
    pages: Iterator[Sequence[Sequence[Any]]]


_report, _policy, _detail = tables.report.c, tables.policy.c, tables.failure_detail.c

_OF_REPORT: Final = (
    _report.pk.label("report_pk"),
    _report.organization_name,
    _report.report_id,
    _report.start_datetime,
    _report.end_datetime,
)

_COLUMNS: Final[dict[What, tuple[ColumnElement[Any], ...]]] = {
    What.REPORTS: (*_OF_REPORT, _report.contact_info, _report.submitter, _report.signing_domain, _report.recorded_at),
    What.POLICIES: (
        *_OF_REPORT,
        _policy.position.label("policy_position"),
        _policy.policy_type,
        _policy.policy_domain,
        _policy.policy_string,
        _policy.mx_host,
        _policy.total_successful_session_count,
        _policy.total_failure_session_count,
    ),
    What.FAILURES: (
        *_OF_REPORT,
        _detail.policy_position,
        _detail.position,
        _policy.policy_type,
        _policy.policy_domain,
        _detail.result_type,
        _detail.sending_mta_ip,
        _detail.receiving_mx_hostname,
        _detail.receiving_mx_helo,
        _detail.receiving_ip,
        _detail.failed_session_count,
        _detail.additional_information,
        _detail.failure_reason_code,
    ),
}

_ORDER: Final[dict[What, tuple[ColumnElement[Any], ...]]] = {
    What.REPORTS: (_report.start_datetime, _report.pk),
    What.POLICIES: (_report.start_datetime, _report.pk, _policy.position),
    What.FAILURES: (_report.start_datetime, _report.pk, _detail.policy_position, _detail.position),
}
"""What tells the rows apart, and where the next page goes on."""


def extract(
    engine: Engine, what: What, since: date | None = None, until: date | None = None, domain: str | None = None
) -> Extract:
    """The rows of the UTC days from `since` to `until`, both included, of all or one policy domain."""
    columns = _COLUMNS[what]
    asked = select(*columns, *(column.label(f"order_{at}") for at, column in enumerate(_ORDER[what])))
    # From some day on in any case: without one SQLite begins with all failure details, and sorts them.
    of_days = moments_of(_report.start_datetime, since or date.min, until)
    asked = _joined(asked, what).where(_report.conflicts_with.is_(None), *of_days)
    if domain is not None:
        of_domain = _policy.policy_domain == domain
        if what is What.REPORTS:
            of_domain = exists().where(_policy.report_pk == _report.pk, of_domain)
        asked = asked.where(of_domain)
    return Extract(
        tuple((str(column.key), _kind(column)) for column in columns), _pages(engine, asked, _ORDER[what], len(columns))
    )


def _joined(asked: Select[Any], what: What) -> Select[Any]:
    asked = asked.select_from(tables.report)
    if what is What.REPORTS:
        return asked
    asked = asked.join(tables.policy, _policy.report_pk == _report.pk)
    if what is What.POLICIES:
        return asked
    of_policy = and_(_detail.report_pk == _policy.report_pk, _detail.policy_position == _policy.position)
    return asked.join(tables.failure_detail, of_policy)


def _pages(
    engine: Engine, asked: Select[Any], order: Sequence[ColumnElement[Any]], width: int
) -> Iterator[Sequence[Sequence[Any]]]:
    asked = asked.order_by(*order).limit(PAGE)
    page = asked
    while True:
        with speaking(engine), engine.connect() as connection:
            rows = connection.execute(page).all()
        if rows:
            yield [row[:width] for row in rows]
        if len(rows) < PAGE:
            return
        last = rows[-1][width:]
        # The first half lets the index find the place; the second is right.
        page = asked.where(order[0] >= last[0], _after(order, last))


def _after(order: Sequence[ColumnElement[Any]], last: Sequence[Any]) -> ColumnElement[bool]:
    beyond: ColumnElement[bool] = order[0] > last[0]
    if len(order) == 1:
        return beyond
    return or_(beyond, and_(order[0] == last[0], _after(order[1:], last[1:])))


def _kind(column: ColumnElement[Any]) -> Kind:
    if isinstance(column.type, tables.JsonText):
        return Kind.TEXTS
    generic = column.type.generic if isinstance(column.type, tables.AtMariadb) else column.type
    return {int: Kind.COUNT, datetime: Kind.MOMENT}.get(generic.python_type, Kind.TEXT)
