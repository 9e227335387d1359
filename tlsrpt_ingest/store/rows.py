"""From a delivery to the rows of its report, as tuples in the order of the tables' columns."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from tlsrpt_ingest.rfc8460 import PolicyEntry, Report
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.json_text import dumps

Row = tuple[Any, ...]
Stamp = Callable[[datetime], Any]
"""How a dialect's driver wants a moment."""


def stamp_text(moment: datetime) -> str:
    """For SQLite: the text that SQLAlchemy reads back, and that sorts and compares as time does."""
    return _utc(moment).isoformat(sep=" ", timespec="microseconds")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


STAMPS: Final[dict[str, Stamp]] = {"sqlite": stamp_text, "postgresql": _utc, "mariadb": _utc}


def policy_rows(report: Report, pk: int) -> Iterator[Row]:
    """Rows of `policy`."""
    for position, entry in enumerate(report.policies):
        policy, summary = entry.policy, entry.summary
        yield (
            pk,
            position,
            policy.policy_type,
            policy.policy_domain,
            dumps(policy.policy_string),
            dumps(policy.mx_host),
            summary.total_successful_session_count,
            summary.total_failure_session_count,
            _text(policy_unknown(entry)),
        )


def failure_detail_rows(report: Report, pk: int) -> Iterator[Row]:
    """Rows of `failure_detail`."""
    for policy_position, entry in enumerate(report.policies):
        for position, detail in enumerate(entry.failure_details):
            yield (
                pk,
                policy_position,
                position,
                detail.result_type,
                detail.sending_mta_ip,
                detail.receiving_mx_hostname,
                detail.receiving_mx_helo,
                detail.receiving_ip,
                detail.failed_session_count,
                detail.additional_information,
                detail.failure_reason_code,
                _text(detail.model_extra),
            )


def report_unknown(report: Report) -> str | None:
    """The members of the report and its date-range that RFC 8460 does not know, each at its place."""
    return _text({**report.unknown_members, **_inside("date-range", report.date_range.unknown_members)})


def content(report: Report) -> bytes:
    """What the report says besides its identity, in an order of its own: equal octets are equal content."""
    return _content(
        (report.contact_info, report_unknown(report)),
        [row[1:] for row in policy_rows(report, 0)],
        [row[1:] for row in failure_detail_rows(report, 0)],
    )


def stored_content(connection: Connection, pk: int) -> bytes:
    """The same of a report that is in the database."""
    report, policy, detail = tables.report.c, tables.policy.c, tables.failure_detail.c
    contact_info, unknown = connection.execute(
        select(report.contact_info, report.unknown_members).where(report.pk == pk)
    ).one()
    policies = connection.execute(select(*list(policy)[1:]).where(policy.report_pk == pk).order_by(policy.position))
    details = connection.execute(
        select(*list(detail)[1:]).where(detail.report_pk == pk).order_by(detail.policy_position, detail.position)
    )
    return _content(
        (contact_info, _text(unknown)),
        [(*row[:3], dumps(row[3]), dumps(row[4]), *row[5:-1], _text(row[-1])) for row in policies],
        [(*row[:-1], _text(row[-1])) for row in details],
    )


def _content(report: Row, policies: list[Row], details: list[Row]) -> bytes:
    return dumps([report, policies, details]).encode()


def policy_unknown(entry: PolicyEntry) -> dict[str, Any]:
    """The unknown members of an element of policies[], of its policy and of its summary, each at its place."""
    return {
        **entry.unknown_members,
        **_inside("policy", entry.policy.unknown_members),
        **_inside("summary", entry.summary.unknown_members),
    }


def _inside(name: str, members: Any) -> dict[str, Any]:
    return {name: members} if members else {}


def _text(members: Any) -> str | None:
    return dumps(members) if members else None
