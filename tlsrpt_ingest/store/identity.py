"""What makes two reports the same one: organization-name, report-id, period and the set of policy domains.

Report-ids alone repeat across organisations and domains (Stalwart, Postfix). These octets are in databases: a change
here would count every report once more.
"""

import hashlib
import json
from datetime import UTC

from tlsrpt_ingest.rfc8460 import Report


def identity(report: Report) -> bytes:
    """16 octets: the start in seconds since 1970, big-endian, then 12 octets of SHA-256 over the identifying fields.

    The date in front keeps the unique index nearly in the order of arrival; a random order costs three times as much.
    """
    return _start(report) + hashlib.sha256(_fields(report)).digest()[:12]


def conflicting_identity(report: Report, content: bytes) -> bytes:
    """The identity of a report that has another's and says something else: it has its content in it."""
    return _start(report) + hashlib.sha256(_fields(report) + hashlib.sha256(content).digest()).digest()[:12]


def mailbox_identity(account: str, name: str, uidvalidity: int) -> bytes:
    """16 octets that name a mailbox in one epoch."""
    return hashlib.sha256(json.dumps([account, name, uidvalidity]).encode()).digest()[:16]


def _start(report: Report) -> bytes:
    return int(report.date_range.start_datetime.timestamp()).to_bytes(4)


def _fields(report: Report) -> bytes:
    # JSON, since it is unambiguous whatever the strings hold, and ASCII, since it then has octets for any of them.
    period = report.date_range
    return json.dumps(
        [
            report.organization_name,
            report.report_id,
            period.start_datetime.astimezone(UTC).isoformat(timespec="microseconds"),
            period.end_datetime.astimezone(UTC).isoformat(timespec="microseconds"),
            sorted(report.policy_domains),
        ]
    ).encode()
