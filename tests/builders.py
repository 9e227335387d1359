"""Reports, mails and mailboxes for tests: everything by default as RFC 8460 asks for, each part to be changed by name.

`report()` -> dict in RFC 8460's words -> `document()` -> octets of JSON -> `mail()` -> octets of a message -> `mbox()`.
"""

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

ABSENT: Any = object()
"""As the value of a member: the member is left out."""

RESULT_TYPES = (
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
)
"""The eleven of RFC 8460 section 4.3, written out again so that a test does not take them from the code it tests."""


def failure(result_type: str = "certificate-expired", count: int = 1, **members: Any) -> JsonObject:
    """A failure detail; `members` in snake_case: `receiving_ip="192.0.2.1"`, `failure_reason_code=ABSENT`."""
    return _object(
        {
            "result-type": result_type,
            "sending-mta-ip": "2001:db8:abcd:0012::1",
            "receiving-mx-hostname": "mx1.example.com",
            "receiving-ip": "203.0.113.56",
            "failed-session-count": count,
        },
        members,
    )


def policy(
    domain: str = "example.com",
    policy_type: str = "sts",
    *,
    successful: int = 100,
    failed: int | None = None,
    failures: Sequence[JsonObject] = (),
    **members: Any,
) -> JsonObject:
    """An element of policies[]; `failed` is the sum of `failures` by default; `members` are those of its policy."""
    strings = {
        "sts": ["version: STSv1", "mode: enforce", f"mx: mx1.{domain}", "max_age: 604800"],
        "tlsa": [f"3 1 1 {'ab' * 32}"],
    }
    inner = {"policy-type": policy_type, "policy-string": strings.get(policy_type, []), "policy-domain": domain}
    if policy_type == "sts":
        inner["mx-host"] = [f"mx1.{domain}"]
    if failed is None:
        failed = sum(detail["failed-session-count"] for detail in failures)
    entry: JsonObject = {
        "policy": _object(inner, members),
        "summary": {"total-successful-session-count": successful, "total-failure-session-count": failed},
    }
    if failures:
        entry["failure-details"] = list(failures)
    return entry


def report(number: int = 0, *policies: JsonObject, **members: Any) -> JsonObject:
    """A report in RFC 8460's words. Another `number` is another report: of the next day, with another report-id."""
    day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return _object(
        {
            "organization-name": "Reporter Example",
            "date-range": {
                "start-datetime": f"{day:%Y-%m-%dT00:00:00Z}",
                "end-datetime": f"{day:%Y-%m-%dT23:59:59Z}",
            },
            "contact-info": "tls-reports@reporter.example",
            "report-id": f"{day:%Y-%m-%d}.{number}@reporter.example",
            "policies": list(policies) or [policy()],
        },
        members,
    )


def document(body: JsonObject | None = None) -> bytes:
    """The JSON text of a report (by default of `report()`)."""
    return json.dumps(report() if body is None else body, separators=(",", ":")).encode()


def gzipped(octets: bytes) -> bytes:
    """One gzip member, always the same octets for the same input."""
    return gzip.compress(octets, mtime=0)


def bomb(size: int, *, head: bytes = b"", fill: bytes = b"\0") -> bytes:
    """One gzip member of `head` and `size` octets (whole MiB) of `fill`, made without ever holding them."""
    block = fill * (1 << 20)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = squeezer.compress(head) + squeezer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush the same input gives the same output, so it is squeezed once and repeated.
    again = squeezer.compress(block) + squeezer.flush(zlib.Z_FULL_FLUSH)
    count = size >> 20
    check = zlib.crc32(head)
    for _ in range(count):
        check = zlib.crc32(block, check)
    tail = struct.pack("<LL", check, (len(head) + (count << 20)) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + first + again * count + squeezer.flush() + tail


def mail(  # noqa: PLR0913 - one parameter for each thing that real mails do differently
    octets: bytes | None = None,
    *,
    number: int = 0,
    domain: str = "example.com",
    submitter: str = "reporter.example",
    subject: str | None = None,
    message_id: str | None = None,
    part_type: str = "application/tlsrpt+gzip",
    filename: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    claims: bool = True,
) -> bytes:
    """A report mail of RFC 8460 section 5.3 around `octets`, which travel in base64 just as they are.

    `octets` is by default the gzipped `document(report(number))`. Without `claims` neither header fields nor media
    types speak of TLS reports. Lines end in LF, as in an mbox.
    """
    if octets is None:
        octets = gzipped(document(report(number)))
    if filename is None:
        filename = f"{submitter}!{domain}!{1704067200 + number * 86400}!{1704153599 + number * 86400}!001.json.gz"
    if subject is None:
        subject = f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{number}@{submitter}>"
    fields = [
        ("From", f"noreply-tls-reports@{submitter}"),
        ("To", f"tls-reports@{domain}"),
        ("Subject", subject if claims else "An attachment"),
        ("Message-ID", message_id or f"<{number}.tlsrpt@{submitter}>"),
        ("MIME-Version", "1.0"),
    ]
    if claims:
        fields += [("TLS-Report-Domain", domain), ("TLS-Report-Submitter", submitter)]
    kind = 'multipart/report; report-type="tlsrpt"' if claims else "multipart/mixed"
    fields += [*headers, ("Content-Type", f'{kind}; boundary="=_tlsrpt"')]
    head = "".join(f"{name}: {value}\n" for name, value in fields)
    part_type = part_type if claims else "application/octet-stream"
    return (
        f"{head}\n--=_tlsrpt\nContent-Type: text/plain; charset=us-ascii\n\nThis is an aggregate TLS report.\n"
        f'--=_tlsrpt\nContent-Type: {part_type}\nContent-Disposition: attachment; filename="{filename}"\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(octets).decode()}--=_tlsrpt--\n"
    ).encode()


def other_mail(number: int = 0) -> bytes:
    """A mail that is no report and does not claim to be one."""
    return (
        f"From: cron@example.com\nTo: root@example.com\nSubject: Cron <root@mx1> backup {number}\n"
        f"Message-ID: <{number}.cron@example.com>\n\nDone.\n"
    ).encode()


def mbox(mails: Iterable[bytes]) -> bytes:
    """An mbox of the mails, quoted as mboxrd."""
    return b"".join(_mbox_entry(octets) for octets in mails)


def write_mbox(path: Path, mails: Iterable[bytes]) -> Path:
    """The same into a file, one mail at a time; returns the path."""
    with path.open("wb") as file:
        file.writelines(_mbox_entry(octets) for octets in mails)
    return path


def _mbox_entry(octets: bytes) -> bytes:
    lines = octets.splitlines(keepends=True)
    quoted = b"".join(b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines)
    tail = b"\n" if quoted.endswith(b"\n") else b"\n\n"
    return b"From reports@reporter.example Mon Jan  1 00:00:00 2024\n" + quoted + tail


def _object(defaults: JsonObject, changes: JsonObject) -> JsonObject:
    merged = defaults | {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in merged.items() if value is not ABSENT}
