"""What makes two reports the same one: organization-name, report-id, period and the set of policy domains.

Report-ids alone repeat across organisations and domains (Stalwart, Postfix). These octets are in databases: a change
here would count every report once more.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Final

START: Final = 4
"""Octets of an identity that are the start of the period."""


def identity(start: datetime, fields: bytes) -> bytes:
    """16 octets: the start in seconds since 1970, big-endian, then 12 octets of SHA-256 over the identifying fields.

    The date in front keeps the unique index nearly in the order of arrival; a random order costs three times as much.
    """
    return _seconds(start) + hashlib.sha256(fields).digest()[:12]


@lru_cache(maxsize=4096)
def _seconds(start: datetime) -> bytes:
    return int(start.timestamp()).to_bytes(START)


def conflicting_identity(counted: bytes, fields: bytes, content: bytes) -> bytes:
    """The identity of a report that has the identity `counted` and says something else: it has its content in it."""
    return counted[:START] + hashlib.sha256(fields + hashlib.sha256(content).digest()).digest()[:12]


def signers_identity(counted: bytes, fields: bytes, domain: str) -> bytes:
    """The identity of a report that has the identity `counted` and another sender, for whom `domain` vouches."""
    return counted[:START] + hashlib.sha256(fields + domain.encode()).digest()[:12]


def identifying_fields(
    organization_name: str | None, report_id: str, start: str, end: str, domains: Iterable[str | None]
) -> bytes:
    """The identifying fields as one JSON array; `start` and `end` are UTC, as `rows.stamp` writes them.

    JSON, since it is unambiguous whatever the strings hold, and ASCII, since it then has octets for any of them. Put
    together by hand: `json.dumps` of the same takes four times as long.
    """
    name = "null" if organization_name is None else encode_basestring_ascii(organization_name)
    period = f'"{start.replace(" ", "T")}+00:00", "{end.replace(" ", "T")}+00:00"'
    named = ", ".join(map(encode_basestring_ascii, sorted({domain for domain in domains if domain})))
    return f"[{name}, {encode_basestring_ascii(report_id)}, {period}, [{named}]]".encode("ascii")


def mailbox_identity(account: str, name: str, uidvalidity: int) -> bytes:
    """16 octets that name a mailbox in one epoch."""
    return hashlib.sha256(json.dumps([account, name, uidvalidity]).encode()).digest()[:16]
