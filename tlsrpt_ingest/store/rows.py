"""A report as the rows of its tables, still without its pk: plain values, in the order of the tables' columns.

Made of the members as the JSON spells them, and not of the models, which would cost as much again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from tlsrpt_ingest.rfc8460 import Reading
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.identity import identifying_fields, identity
from tlsrpt_ingest.store.json_text import dumps

Row = tuple[Any, ...]


class ReportRows(NamedTuple):
    """The rows of one report."""

    identity: bytes
    organization_name: str | None
    report_id: str
    contact_info: str | None
    start_datetime: str
    end_datetime: str
    document_digest: bytes
    unknown_members: str | None
    policies: Sequence[Row]
    """Rows of `policy` from `position` on."""
    failure_details: Sequence[Row]
    """Rows of `failure_detail` from `policy_position` on."""
    deviations: Sequence[Row]
    """Rows of `deviation` from `position` on."""
    gzip: bytes


def report_rows(reading: Reading, gzip: bytes) -> ReportRows:
    """The rows of a report that was read from the document in `gzip`."""
    report = reading.members
    period, policies = report["date-range"], report.get("policies", ())
    name, report_id = report.get("organization-name"), report["report-id"]
    start, end = stamp(period["start-datetime"]), stamp(period["end-datetime"])
    domains = [entry["policy"].get("policy-domain") for entry in policies]
    look = reading.may_be_unknown
    details: list[Row] = []
    for position, entry in enumerate(policies):
        if found := entry.get("failure-details"):
            details.extend(_failure_detail_rows(position, found, look=look))
    return ReportRows(
        identity(period["start-datetime"], identifying_fields(name, report_id, start, end, domains)),
        name,
        report_id,
        report.get("contact-info"),
        start,
        end,
        hashlib.sha256(gzip).digest(),
        _text(_unknown(report, _REPORT) | _inside("date-range", period, _DATE_RANGE)) if look else None,
        [_policy_row(position, entry, look=look) for position, entry in enumerate(policies)],
        details,
        [(position, one.code, one.path) for position, one in enumerate(reading.deviations)],
        gzip,
    )


def content(report: ReportRows) -> bytes:
    """What the report says besides its identity, in an order of its own: equal octets are equal content."""
    return _content((report.contact_info, report.unknown_members), report.policies, report.failure_details)


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


@lru_cache(maxsize=4096)
def stamp(moment: datetime) -> str:
    """A moment in UTC as all three databases take it; on SQLite it sorts and compares as time does.

    Cached, since the reports of a day have the same two.
    """
    utc = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return utc.isoformat(sep=" ", timespec="microseconds")


_REPORT: Final = frozenset({"organization-name", "date-range", "contact-info", "report-id", "policies"})
_DATE_RANGE: Final = frozenset({"start-datetime", "end-datetime"})
_ENTRY: Final = frozenset({"policy", "summary", "failure-details"})
_POLICY: Final = frozenset({"policy-type", "policy-string", "policy-domain", "mx-host"})
_SUMMARY: Final = frozenset({"total-successful-session-count", "total-failure-session-count"})
_DETAIL: Final = frozenset(
    {
        *("result-type", "sending-mta-ip", "receiving-mx-hostname", "receiving-mx-helo", "receiving-ip"),
        *("failed-session-count", "additional-information", "failure-reason-code"),
    }
)
_NONE: Final[Mapping[str, Any]] = {}


# The same policy comes again with every report about its domain.
@lru_cache(maxsize=1024)
def strings(texts: tuple[str, ...]) -> str:
    """An array of strings as JSON text: what `dumps` makes of it, in a third of the time."""
    return f"[{','.join(map(encode_basestring, texts))}]"


def _policy_row(position: int, entry: Mapping[str, Any], *, look: bool) -> Row:
    """Its unknown members too, if `look`."""
    policy, summary = entry["policy"], entry.get("summary", _NONE)
    return (
        position,
        policy["policy-type"],
        policy.get("policy-domain"),
        strings(tuple(policy.get("policy-string", ()))),
        strings(tuple(policy.get("mx-host", ()))),
        summary.get("total-successful-session-count", 0),
        summary.get("total-failure-session-count", 0),
        _text(_unknown(entry, _ENTRY) | _inside("policy", policy, _POLICY) | _inside("summary", summary, _SUMMARY))
        if look
        else None,
    )


def _failure_detail_rows(policy_position: int, details: Iterable[Mapping[str, Any]], *, look: bool) -> Iterator[Row]:
    for position, detail in enumerate(details):
        get = detail.get
        yield (
            policy_position,
            position,
            detail["result-type"],
            get("sending-mta-ip"),
            get("receiving-mx-hostname"),
            get("receiving-mx-helo"),
            get("receiving-ip"),
            get("failed-session-count", 0),
            get("additional-information"),
            get("failure-reason-code"),
            _text(_unknown(detail, _DETAIL)) if look else None,
        )


def _content(report: Row, policies: Sequence[Row], details: Sequence[Row]) -> bytes:
    return dumps([report, policies, details]).encode()


def _inside(name: str, members: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The unknown members of an object, at its place in the object around it."""
    return {name: unknown} if (unknown := _unknown(members, known)) else {}


def _unknown(members: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The members that RFC 8460 does not know, as they came."""
    return {} if known.issuperset(members) else {name: members[name] for name in members if name not in known}


def _text(members: Any) -> str | None:
    return dumps(members) if members else None
