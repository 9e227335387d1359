"""Fill a database with the reports of a year, as if they had been polled from one IMAP mailbox, without any mail.

    python -m benchmarks.large sqlite:////tmp/large.db --reports 1000000 --failure-details 5000000

For measuring how the database is read: the same rows for the same numbers and last day. Most reports have no failure;
every document is kept and says what the rows say. Only the identities are made up of random octets, so that reading
such a document again would count it once more. Nothing here waits for the disk: a run that is cut short leaves a file
to throw away.
"""

import argparse
import hashlib
import json
import random
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import Engine, func, select

from tlsrpt_ingest.sources.imap_folder import uid_url
from tlsrpt_ingest.sources.source import Mailbox
from tlsrpt_ingest.store import schema, tables
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.identity import mailbox_identity
from tlsrpt_ingest.store.json_text import dumps
from tlsrpt_ingest.store.rows import stamp

Row = tuple[Any, ...]
Stamp = Callable[[datetime], Any]
"""How a dialect's driver wants a moment."""

MAILBOX: Final = Mailbox("work", "INBOX", 1_700_000_000)
BATCH: Final = 5_000
"""Reports of one transaction."""

FAILING: Final = 0.2
"""The share of reports with failures."""
TWICE: Final = 0.02
"""The share of mails that came a second time, in the ledger alone."""
REJECTED: Final = 0.002
OTHER: Final = 0.01
"""The share of mails that are no report."""
CONFLICTING: Final = 0.0005

_SENDERS: Final = (
    ("Seeker Inc.", "seeker.example", 40),
    ("Office Corporation", "office.example", 25),
    ("Yonder Mail", "yonder.example", 10),
    ("Pear", "pear.example", 6),
    ("Post Holding AG", "post-holding.example", 4),
    *((f"Relay {number}", f"relay{number}.example", 1 + 9 // number) for number in range(1, 11)),
)
"""Organization, domain, and how many reports it sends for one of the smallest."""

_RESULT_TYPES: Final = (
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "sts-policy-fetch-error",
    "sts-webpki-invalid",
    "dnssec-invalid",
)
_REASONS: Final = (None, None, "X509_V_ERR_CERT_HAS_EXPIRED", "self-signed certificate in chain")
_DEVIATIONS: Final = {
    0: (
        ("datetime-without-offset", "$.date-range.start-datetime"),
        ("datetime-without-offset", "$.date-range.end-datetime"),
    ),
    1: (("string-for-array", "$.policies[0].policy.policy-string"),),
}
"""Code and path, of the reports whose pk has this remainder of eight."""


@dataclass(slots=True)
class Rows:
    """Rows by table, in the order of its columns."""

    report: list[Row] = field(default_factory=list)
    policy: list[Row] = field(default_factory=list)
    failure_detail: list[Row] = field(default_factory=list)
    deviation: list[Row] = field(default_factory=list)
    document: list[Row] = field(default_factory=list)
    delivery: list[Row] = field(default_factory=list)


class Year:
    """Makes the rows of some days, in their order."""

    def __init__(self, reports: int, details: int, domains: int, days: int, last: date) -> None:
        self._reports, self._details, self._days, self._last = reports, details, days, last
        self._random = random.Random(f"8460 {reports} {details} {domains} {days}")  # noqa: S311 - repeatable on purpose
        self._domains = [f"d{number}.customer.example" for number in range(domains)]
        self._hosts = {domain: [f"mx1.{domain}", f"mx2.{domain}"] for domain in self._domains}
        self._container = hashlib.sha256(uid_url(MAILBOX, 0).partition(";UID=")[0].encode()).digest()[:4]
        self._pk = 1
        """One for reports and deliveries, as in the program; the mailbox has the first."""
        self._uid = 0

    def batches(self) -> Iterator[Rows]:
        """Everything, a transaction's rows at a time."""
        numbers = iter(range(self._reports))
        made = 0
        while some := list(islice(numbers, BATCH)):
            rows = Rows()
            for number in some:
                owed = self._details * (number + 1) // self._reports - made
                made += self._report(rows, number, owed, last=number == self._reports - 1)
            yield rows

    def _report(self, rows: Rows, number: int, owed: int, *, last: bool) -> int:
        """A report with its delivery and whatever else lay in the mailbox before; how many failure details it has."""
        chance = self._random.random
        age = self._days - 1 - number * self._days // self._reports
        start = datetime.combine(self._last - timedelta(days=age), datetime.min.time())
        arrived = start + timedelta(days=1, seconds=int(chance() * 86_400))
        failing = chance() < FAILING or last
        details = max(0, owed if last else int(owed * self._random.expovariate(1.0))) if failing else 0
        organization, submitter, _weight = self._random.choices(_SENDERS, _WEIGHTS)[0]
        domain = self._domains[int(chance() ** 2 * len(self._domains))]  # some have most of the mail
        pk = self._next()
        conflicts_with = pk - 1 if rows.report and chance() < CONFLICTING and rows.report[-1][0] == pk - 1 else None
        envelope = self._envelope(organization, submitter, domain, start, pk)
        entries = self._entries(domain, age, details, two=submitter == "office.example" and chance() < 0.5)  # noqa: PLR2004 - as it is in real mailboxes
        document = _gzip(dumps({**envelope, "policies": entries}).encode())
        rows.report.append(
            (
                pk,
                int((start - _EPOCH).total_seconds()).to_bytes(4) + self._random.randbytes(12),
                conflicts_with,
                organization,
                envelope["report-id"],
                envelope["contact-info"],
                stamp(start),
                stamp(start + timedelta(seconds=86_399)),
                submitter,
                hashlib.sha256(document).digest(),
                None,
                stamp(arrived),
            )
        )
        _add_policies(rows, pk, entries)
        rows.document.append((pk, document))
        rows.deviation.extend((pk, at, *one) for at, one in enumerate(_DEVIATIONS.get(pk % 8, ())))
        subject = f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{envelope['report-id']}>"
        sender = f"noreply-smtp-tls-reporting@{submitter}"
        outcome = "conflicting" if conflicts_with else "recorded"
        self._mail(rows, pk, arrived, outcome, sender, subject, submitter, report_pk=pk)
        if chance() < TWICE:
            self._mail(rows, self._next(), arrived, "duplicate", sender, subject, submitter, report_pk=pk)
        if chance() < OTHER:
            self._mail(rows, self._next(), arrived, "not_a_report", "someone@offers.example", "You have won", None)
        if chance() < REJECTED:
            self._mail(rows, self._next(), arrived, "rejected", sender, subject, submitter)
        return sum(len(entry.get("failure-details", ())) for entry in entries)

    def _next(self) -> int:
        self._pk += 1
        return self._pk

    def _envelope(self, organization: str, submitter: str, domain: str, start: datetime, pk: int) -> dict[str, Any]:
        return {
            "organization-name": organization,
            "date-range": {
                "start-datetime": f"{start:%Y-%m-%dT00:00:00Z}",
                "end-datetime": f"{start:%Y-%m-%dT23:59:59Z}",
            },
            "contact-info": f"smtp-tls-reporting@{submitter}",
            "report-id": f"{start:%Y-%m-%dT00:00:00Z}_{domain}.{pk}",
        }

    def _entries(self, domain: str, age: int, details: int, *, two: bool) -> list[dict[str, Any]]:
        hosts = self._hosts[domain]
        mode = "testing" if age > self._days // 2 else "enforce"  # the policy changed once
        lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), "max_age: 604800"]
        found = [self._detail(domain) for _ in range(details)]
        summary = {
            "total-successful-session-count": int(self._random.random() * 5_000),
            "total-failure-session-count": sum(detail["failed-session-count"] for detail in found),
        }
        sts = {"policy-type": "sts", "policy-string": lines, "policy-domain": domain, "mx-host": hosts}
        entry: dict[str, Any] = {"policy": sts, "summary": summary}
        if found:
            entry["failure-details"] = found
        if not two:
            return [entry]
        tlsa = {"policy-type": "tlsa", "policy-string": [f"3 1 1 {'0123456789ABCDEF' * 4}"], "policy-domain": domain}
        return [entry, {"policy": tlsa, "summary": summary}]

    def _detail(self, domain: str) -> dict[str, Any]:
        bits = self._random.getrandbits(64)
        detail = {
            "result-type": _RESULT_TYPES[(bits & 7) & (bits >> 3 & 7)],
            "sending-mta-ip": f"2001:db8:{bits >> 16 & 0xFFFF:x}::{bits >> 8 & 0xFF:x}",
            "receiving-mx-hostname": self._hosts[domain][bits >> 7 & 1],
            "receiving-ip": f"198.51.100.{bits >> 32 & 0x0F}",
            "failed-session-count": 1 + (bits >> 40) % 50,
        }
        if reason := _REASONS[bits >> 60 & 3]:
            detail["failure-reason-code"] = reason
        return detail

    def _mail(
        self,
        rows: Rows,
        pk: int,
        arrived: datetime,
        outcome: str,
        sender: str,
        subject: str,
        submitter: str | None,
        report_pk: int | None = None,
    ) -> None:
        self._uid += 1
        origin = uid_url(MAILBOX, self._uid)
        rejected = outcome == "rejected"
        at = stamp(arrived)
        rows.delivery.append(
            (
                pk,
                self._container + self._uid.to_bytes(6) + hashlib.sha256(origin.encode() + b"\0").digest()[:6],
                0,
                origin,
                self._random.randbytes(32),
                4_000 + int(self._random.random() * 4_000),
                f"<{pk}@{sender.partition('@')[2]}>",
                sender,
                subject,
                submitter,
                outcome,
                *(("inflate", "truncated-gzip", "the gzip stream ends early") if rejected else (None, None, None)),
                1,
                at,
                at,
                report_pk,
                1,
                self._uid,
                False,
                None,
            )
        )


_STAMPS: Final[dict[str, Stamp]] = {
    "sqlite": lambda day: day.isoformat(sep=" ", timespec="microseconds"),
    "postgresql": lambda day: day,
}
_WEIGHTS: Final = tuple(weight for _name, _domain, weight in _SENDERS)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the store's moments are UTC without a zone


def _gzip(text: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(text) + packer.flush()


def _add_policies(rows: Rows, pk: int, entries: list[dict[str, Any]]) -> None:
    for position, entry in enumerate(entries):
        policy, summary = entry["policy"], entry["summary"]
        rows.policy.append(
            (
                pk,
                position,
                policy["policy-type"],
                policy["policy-domain"],
                dumps(policy["policy-string"]),
                dumps(policy.get("mx-host", [])),
                summary["total-successful-session-count"],
                summary["total-failure-session-count"],
                None,
            )
        )
        rows.failure_detail.extend(
            (
                pk,
                position,
                at,
                detail["result-type"],
                detail["sending-mta-ip"],
                detail["receiving-mx-hostname"],
                None,
                detail["receiving-ip"],
                detail["failed-session-count"],
                None,
                detail.get("failure-reason-code"),
                None,
            )
            for at, detail in enumerate(entry.get("failure-details", ()))
        )


def fill(engine: Engine, reports: int, details: int, *, domains: int = 30, days: int = 365, last: date) -> None:
    """Create the schema and fill it; refuses a database with reports."""
    if engine.dialect.name not in _WRITERS:
        sys.exit(f"{engine.dialect.name} cannot be filled; name a SQLite or PostgreSQL database")
    schema.upgrade(engine)
    with engine.connect() as connection:
        if connection.scalar(select(func.count()).select_from(tables.report)):
            sys.exit("there are reports in this database; name an empty one")
    year = Year(reports, details, domains, days, last)
    mailbox = [(1, mailbox_identity(*MAILBOX), *MAILBOX)]
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        write = _WRITERS[engine.dialect.name](driver)
        write("mailbox", mailbox)
        began = time.monotonic()
        done = 0
        for rows in year.batches():
            for table in ("report", "policy", "failure_detail", "deviation", "document", "delivery"):
                write(table, getattr(rows, table))
            done += len(rows.report)
            print(f"\r{done:,} reports, {time.monotonic() - began:.0f} s", end="", file=sys.stderr)
        print(file=sys.stderr)
    _finish(engine)


def _sqlite(driver: Any) -> Callable[[str, list[Row]], None]:
    for pragma in ("foreign_keys=OFF", "synchronous=OFF", "journal_mode=OFF", "cache_size=-200000"):
        driver.execute(f"PRAGMA {pragma}")

    def write(table: str, rows: list[Row]) -> None:
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        driver.execute("BEGIN")
        statement = f"INSERT INTO {table} ({_columns(table, rows)}) VALUES ({marks})"  # noqa: S608 - a table of ours
        driver.executemany(statement, rows)
        driver.execute("COMMIT")

    return write


def _postgresql(driver: Any) -> Callable[[str, list[Row]], None]:
    driver.rollback()
    driver.autocommit = True
    driver.execute("SET session_replication_role = replica")  # no look at foreign keys; a superuser's to say
    driver.execute("SET synchronous_commit = off")

    def write(table: str, rows: list[Row]) -> None:
        if not rows:
            return
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({_columns(table, rows)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    return write


def _columns(table: str, rows: list[Row]) -> str:
    """The first of the table's columns; those that were added to the end are NULL."""
    return ", ".join(tables.metadata.tables[table].c.keys()[: len(rows[0])])


_WRITERS: Final = {"sqlite": _sqlite, "postgresql": _postgresql}


def _finish(engine: Engine) -> None:
    """What the program or the server does by itself in time: the sequence past our pks, the journal, statistics."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            driver.execute("PRAGMA journal_mode=WAL")
            return
        driver.rollback()
        driver.autocommit = True
        driver.execute("SELECT setval('pk_block', (SELECT max(pk) FROM delivery) + 1000)")
        driver.execute("VACUUM ANALYZE")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", help="the URL of an empty SQLite or PostgreSQL database")
    parser.add_argument("--reports", type=int, default=1_000_000)
    parser.add_argument("--failure-details", type=int, default=5_000_000)
    parser.add_argument("--domains", type=int, default=30)
    parser.add_argument("--days", type=int, default=365)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    parser.add_argument("--last-day", type=date.fromisoformat, default=yesterday, help="yesterday, if not given")
    asked = parser.parse_args()
    engine = open_engine(asked.database)
    fill(engine, asked.reports, asked.failure_details, domains=asked.domains, days=asked.days, last=asked.last_day)
    counted = {}
    with engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            counted[table.name] = connection.scalar(select(func.count()).select_from(table))
    print(json.dumps(counted))


if __name__ == "__main__":
    main()
