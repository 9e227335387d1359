"""Write the archive that `make demo` reads: eight weeks in the reports mailbox of example.org, invented by us.

Each sender writes as its real counterpart does (docs/deviations.md), with names and addresses under example domains.
What happens: one day everything goes wrong, the MTA-STS policy goes from testing to enforce, Mail.ru falls silent, and
in the last week a certificate expires. The same octets every time.
"""

import base64
import gzip
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

DOMAIN: Final = "example.org"
OTHER_DOMAIN: Final = "example.net"
TODAY: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAYS: Final = [TODAY - timedelta(days=number) for number in range(56, 0, -1)]
"""Eight weeks that end yesterday."""
EVERYTHING: Final = DAYS[8]
"""The day on which everything went wrong."""
ENFORCE: Final = DAYS[28]
"""The day on which the policy became enforce."""
SILENT: Final = DAYS[36]
"""The day of Mail.ru's last report."""
EXPIRED: Final = DAYS[52:55]
"""The days on which the certificate of mx1 had expired."""
SATURDAY: Final = 5
TLSA: Final = [f"3 1 1 {'0f1e2d3c' * 8}", f"3 1 1 {'4b5a6978' * 8}"]

FAILURES: Final = {
    "starttls-not-supported": "",
    "certificate-host-mismatch": "certificate is for mail.example.org, not for mx1.example.org",
    "certificate-expired": "certificate has expired",
    "certificate-not-trusted": "unable to get local issuer certificate",
    "validation-failure": "tls: handshake failure",
    "tlsa-invalid": "no usable TLSA records",
    "dnssec-invalid": "SERVFAIL while looking up _25._tcp.mx1.example.org",
    "dane-required": "no TLSA records, and the sender insists on DANE",
    "sts-policy-fetch-error": "bad https response code: 404",
    "sts-policy-invalid": "max_age is missing",
    "sts-webpki-invalid": "certificate of mta-sts.example.org has expired",
}
"""The eleven result types of RFC 8460 section 4.3, with what a sender might say of each."""

Json = dict[str, Any]


def policy(day: datetime) -> list[str]:
    """The MTA-STS policy of a day."""
    mode = "testing" if day < ENFORCE else "enforce"
    return ["version: STSv1", f"mode: {mode}", "mx: mx1.example.org", "mx: mx2.example.org", "max_age: 604800"]


def sessions(day: datetime, rng: random.Random, busy: int) -> int:
    """Sessions of a day: fewer on weekends, more as the weeks go by."""
    weekend = day.weekday() >= SATURDAY
    return int(rng.uniform(0.8, 1.2) * busy * (0.45 if weekend else 1.0) * (1 + DAYS.index(day) / 150))


def entry(policy: Json, successful: int, failures: Sequence[Json] | None = None, failed: int | None = None) -> Json:
    """An element of policies[]; `failures` of None leaves failure-details out, as most senders do."""
    total = sum(detail["failed-session-count"] for detail in failures or ()) if failed is None else failed
    counts = {"total-successful-session-count": successful, "total-failure-session-count": total}
    return {"policy": policy, "summary": counts} | ({} if failures is None else {"failure-details": failures})


def failure(result_type: str, count: int) -> Json:
    """A failure detail with all that RFC 8460 asks for."""
    detail = {
        "result-type": result_type,
        "sending-mta-ip": "198.51.100.17",
        "receiving-mx-hostname": "mx1.example.org",
        "receiving-ip": "203.0.113.56",
        "failed-session-count": count,
    }
    return detail | ({"failure-reason-code": FAILURES[result_type]} if FAILURES[result_type] else {})


def report(organization: str, contact: str | None, report_id: str, day: datetime, policies: Sequence[Json]) -> Json:
    """A report over one day."""
    return {
        "organization-name": organization,
        "date-range": {"start-datetime": f"{day:%Y-%m-%dT00:00:00Z}", "end-datetime": f"{day:%Y-%m-%dT23:59:59Z}"},
        "contact-info": contact,
        "report-id": report_id,
        "policies": policies,
    }


def google(day: datetime, domain: str, rng: random.Random) -> bytes:
    """Google: report-id without @, another one in the Subject, no failure-details where nothing failed."""
    sts = {"policy-type": "sts", "policy-string": policy(day), "policy-domain": domain, "mx-host": ["mx1.example.org"]}
    expired = None
    if day in EXPIRED:
        expired = [failure("certificate-expired", sessions(day, rng, 20 if domain == DOMAIN else 3))]
    body = report(
        "Google Inc.",
        "smtp-tls-reporting@google.example",
        f"{day:%Y-%m-%dT00:00:00Z}_{domain}",
        day,
        [entry(sts, sessions(day, rng, 300 if domain == DOMAIN else 40), expired)],
    )
    return mail(body, day, "google.example", f"<{day:%Y.%m.%dT00.00.00Z}+{domain}@google.example>")


def microsoft(day: datetime, rng: random.Random) -> bytes:
    """Microsoft: the same sessions under sts and under tlsa, TLSA records packed in one string, times without Z."""
    sts = {"policy-type": "sts", "policy-string": policy(day), "policy-domain": DOMAIN}
    tlsa = {"policy-type": "tlsa", "policy-string": [json.dumps(TLSA)], "policy-domain": DOMAIN}
    count = sessions(day, rng, 100)
    report_id = f"{134_000_000_000_000_000 + rng.randrange(10**15)}+{DOMAIN}"
    expired = None
    if day in EXPIRED:
        expired = [failure("validation-failure", 4) | {"failure-reason-code": "VALIDATION_FAILURE"}]
    body = report(
        "Microsoft Corporation",
        "tlsrpt-noreply@microsoft.example",
        report_id,
        day,
        [entry(sts, count, expired), entry(tlsa, count)],
    )
    body["date-range"] = {name: value.removesuffix("Z") for name, value in body["date-range"].items()}
    return mail(body, day, "microsoft.example", report_id)


def mail_ru(day: datetime, rng: random.Random) -> bytes:
    """Mail.ru: ends at the next midnight, bare policy, failures that add up to more than their total."""
    bare = {"policy-type": "sts", "policy-domain": DOMAIN}
    reasons = ("bad https response code: 404", "bad https response code: 500")
    failures: list[Json] = [
        {"result-type": "sts-policy-fetch-error", "failed-session-count": 1, "failure-reason-code": reason}
        for reason in reasons
    ]
    failed = day == EVERYTHING
    report_id = f"b28254de-{DAYS.index(day):04}-4000-8000-4c3b92da8b25@mail.ru.example"
    entries = [entry(bare, sessions(day, rng, 15), failures if failed else None, failed=int(failed))]
    body = report("Mail.ru", "tls_support@corp.mail.ru.example", report_id, day, entries)
    body["date-range"]["end-datetime"] = f"{day + timedelta(days=1):%Y-%m-%dT00:00:00Z}"
    # Its mails end without the closing boundary.
    return mail(body, day, "mail.ru.example", f"<{report_id}>").rstrip().removesuffix(b"--") + b"\n"


def stalwart(day: datetime) -> bytes:
    """Stalwart: contact-info null, empty arrays where nothing is to be said."""
    policy = {"policy-type": "no-policy-found", "policy-string": [], "policy-domain": DOMAIN, "mx-host": []}
    report_id = f"{day.timestamp():.0f}_11732957880687192466"
    body = report("mx.stalwart.example", None, report_id, day, [entry(policy, 3, [])])
    return mail(body, day, "mx.stalwart.example", f"<{report_id}@mx.stalwart.example>")


def mox(day: datetime) -> bytes:
    """mox: one report over the MX host (tlsa) and over every recipient domain behind it."""
    tlsa = {"policy-type": "tlsa", "policy-string": TLSA, "policy-domain": "mx1.example.org", "mx-host": []}
    entries = [entry(tlsa, 5, [])]
    for domain in (DOMAIN, OTHER_DOMAIN):
        sts = {
            "policy-type": "sts",
            "policy-string": policy(day),
            "policy-domain": domain,
            "mx-host": ["mx1.example.org"],
        }
        entries.append(entry(sts, 2, []))
    report_id = f"{day:%Y%m%d}.{DOMAIN}@mox.example"
    return mail(report("mox.example", "postmaster@mox.example", report_id, day, entries), day, "mox.example", report_id)


def postfix(day: datetime) -> bytes:
    """Postfix (tlsrpt-reporter): no policy-domain under no-policy-found, the whole EHLO answer as helo."""
    refused = failure("validation-failure", 2) | {
        "receiving-mx-helo": "250-mx1.example.org\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING",
        "failure-reason-code": "self-signed_certificate",
    }
    tlsa = {"policy-type": "tlsa", "policy-string": TLSA[:1], "policy-domain": "mx1.example.org"}
    report_id = f"{day:%Y-%m-%dT00:00:00Z}_idx1_{DOMAIN}"
    policies = [entry(tlsa, 0, [refused]), entry({"policy-type": "no-policy-found"}, 1, [])]
    body = report("Postfix Example", "tlsrpt@postfix.example", report_id, day, policies)
    return mail(body, day, "postfix.example", f"<{report_id}@postfix.example>")


def all_failures(day: datetime) -> Json:
    """A failure of each kind, from one sender: a day on which everything went wrong."""
    dane = ("tlsa-invalid", "dnssec-invalid", "dane-required")
    details = [failure(kind, position + 1) for position, kind in enumerate(FAILURES)]
    sts = {"policy-type": "sts", "policy-string": policy(day), "policy-domain": DOMAIN, "mx-host": ["mx1.example.org"]}
    tlsa = {"policy-type": "tlsa", "policy-string": TLSA, "policy-domain": "mx1.example.org"}
    entries = [
        entry(sts, 40, [detail for detail in details if detail["result-type"] not in dane]),
        entry(tlsa, 40, [detail for detail in details if detail["result-type"] in dane]),
    ]
    return report("Company-X", "sts-reporting@company-x.example", "5065427c-23d3@company-x.example", day, entries)


def broken(day: datetime) -> Iterator[bytes]:
    """Mails that claim to be reports and cannot be read: cut off, not JSON, empty, without the attachment."""
    whole = packed(all_failures(day))
    for position, octets in enumerate((whole[: len(whole) // 2], gzip.compress(b"<html>Sorry</html>", mtime=0), b"")):
        yield mail(octets, day, "broken.example", f"<{position}@broken.example>")
    head, _, _ = mail(b"", day, "gateway.example", "<attachment-removed@gateway.example>").partition(b"\n\n")
    yield head + b"\n\nThe attachment was removed by the mail gateway.\n"


def other_mail(day: datetime) -> Iterator[bytes]:
    """What lies between the reports: a DMARC report (the usual neighbour) and a mail from cron."""
    name = f"google.example!{DOMAIN}!{day.timestamp():.0f}!{day.timestamp() + 86399:.0f}"
    feedback = f"<feedback><report_metadata><report_id>{day.day}</report_id></report_metadata></feedback>"
    headers = {
        "From": "noreply-dmarc-support@google.example",
        "Subject": f"Report domain: {DOMAIN} Submitter: google.example Report-ID: {day.day}",
        "Message-ID": f"<{day.day}.dmarc@google.example>",
        "Content-Type": f'application/gzip; name="{name}.xml.gz"',
        "Content-Disposition": f'attachment; filename="{name}.xml.gz"',
        "Content-Transfer-Encoding": "base64",
    }
    yield message(headers, day, base64.encodebytes(gzip.compress(feedback.encode(), mtime=0)).decode())
    headers = {
        "From": f"root@mx1.{DOMAIN}",
        "Subject": "Cron <root@mx1> run-parts /etc/cron.daily",
        "Message-ID": f"<{day.day}.cron@mx1.{DOMAIN}>",
    }
    yield message(headers, day, "logrotate: nothing to do\n")


def packed(body: Json) -> bytes:
    """The report as gzipped JSON."""
    return gzip.compress(json.dumps(body, separators=(",", ":")).encode(), mtime=0)


def mail(body: Json | bytes, day: datetime, submitter: str, report_id: str) -> bytes:
    """A report mail (RFC 8460 section 5.3)."""
    octets = body if isinstance(body, bytes) else packed(body)
    begin = int(day.timestamp())
    headers = {
        "From": f"noreply-smtp-tls-reporting@{submitter}",
        "Subject": f"Report Domain: {DOMAIN} Submitter: {submitter} Report-ID: {report_id}",
        "Message-ID": f"<{begin}.{len(octets)}.tlsrpt@{submitter}>",
        "TLS-Report-Domain": DOMAIN,
        "TLS-Report-Submitter": submitter,
        "Content-Type": 'multipart/report; report-type="tlsrpt"; boundary="=_report"',
    }
    return message(
        headers,
        day,
        f"""\
--=_report
Content-Type: text/plain; charset="us-ascii"

This is an aggregate TLS report from {submitter}

--=_report
Content-Type: application/tlsrpt+gzip
Content-Disposition: attachment; filename="{submitter}!{DOMAIN}!{begin}!{begin + 86399}!001.json.gz"
Content-Transfer-Encoding: base64

{base64.encodebytes(octets).decode()}
--=_report--
""",
    )


def message(headers: Mapping[str, str], day: datetime, body: str) -> bytes:
    """Any mail to the reports mailbox, of the morning after `day`."""
    date = format_datetime(day + timedelta(days=1, hours=3))
    fields = {"To": f"tls-reports@{DOMAIN}", "Date": date, "MIME-Version": "1.0"} | dict(headers)
    return ("".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n" + body).encode()


def weeks(rng: random.Random) -> Iterator[bytes]:
    """The mails of eight weeks in order of arrival; the last one arrives twice."""
    for day in DAYS:
        for domain in (DOMAIN, OTHER_DOMAIN):
            yield google(day, domain, rng)
        yield microsoft(day, rng)
        if day <= SILENT:
            yield mail_ru(day, rng)
        yield from other_mail(day)
        if day.weekday() == SATURDAY:
            yield stalwart(day)
            yield mox(day)
    yield mox(next(day for day in reversed(DAYS) if day.weekday() == SATURDAY))  # a second time


def write(folder: Path) -> None:
    """Write the archive into `folder`: two mboxes, a mail and a bare report."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(8460)  # noqa: S311 - for sessions, not for secrets
    for name, mails in (("weeks.mbox", weeks(rng)), ("broken.mbox", broken(DAYS[-1]))):
        with (folder / name).open("wb") as file:
            for octets in mails:
                file.write(b"From MAILER-DAEMON Mon Mar  2 00:00:00 2026\n" + octets + b"\n")
    (folder / "postfix.eml").write_bytes(postfix(EVERYTHING))
    (folder / "every-failure.json.gz").write_bytes(packed(all_failures(EVERYTHING)))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
