"""mbox to SQLite, the floor: the parsing floor and `sqlite3` with the rows of three tables.

Nothing that is a promise: no validation, no ledger, no document kept, no identity, no foreign keys, synchronous=OFF.
"""

import sqlite3
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.contenders.parse_floor import document

BATCH: Final = 500
_DETAIL: Final = (
    "result-type",
    "sending-mta-ip",
    "receiving-mx-hostname",
    "receiving-mx-helo",
    "receiving-ip",
    "failed-session-count",
    "additional-information",
    "failure-reason-code",
)
_TABLES: Final = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
CREATE TABLE report (pk INTEGER PRIMARY KEY, organization_name, report_id, contact_info, start, end);
CREATE TABLE policy (report_pk, position, policy_type, policy_domain, policy_string, mx_host, successful, failed);
CREATE TABLE failure_detail (report_pk, policy_position, position, result_type, sending_mta_ip, receiving_mx_hostname,
    receiving_mx_helo, receiving_ip, failed_session_count, additional_information, failure_reason_code);
"""


def mails(path: str) -> Iterator[bytes]:
    """The messages of an mbox that `corpus.py` wrote, without holding them all."""
    rest = b""
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            *whole, rest = (rest + block).split(b"\nFrom sender@")
            yield from whole
    yield rest


def main() -> None:
    """The command: mbox, database."""
    database = sqlite3.connect(sys.argv[2], isolation_level=None)
    database.executescript(_TABLES)
    found = enumerate(mails(sys.argv[1]), 1)
    while batch := list(islice(found, BATCH)):
        reports: list[tuple[Any, ...]] = []
        policies: list[tuple[Any, ...]] = []
        details: list[tuple[Any, ...]] = []
        for pk, mail in batch:
            report = orjson.loads(document(mail))
            period = report["date-range"]
            reports.append(
                (
                    pk,
                    report["organization-name"],
                    report["report-id"],
                    report["contact-info"],
                    period["start-datetime"],
                    period["end-datetime"],
                )
            )
            for position, entry in enumerate(report["policies"]):
                policy, summary = entry["policy"], entry["summary"]
                policies.append(
                    (
                        pk,
                        position,
                        policy["policy-type"],
                        policy["policy-domain"],
                        "\n".join(policy["policy-string"]),
                        "\n".join(policy.get("mx-host", ())),
                        summary["total-successful-session-count"],
                        summary["total-failure-session-count"],
                    )
                )
                details.extend(
                    (pk, position, at, *map(detail.get, _DETAIL))
                    for at, detail in enumerate(entry.get("failure-details", ()))
                )
        database.execute("BEGIN")
        database.executemany("INSERT INTO report VALUES (?,?,?,?,?,?)", reports)
        database.executemany("INSERT INTO policy VALUES (?,?,?,?,?,?,?,?)", policies)
        database.executemany("INSERT INTO failure_detail VALUES (?,?,?,?,?,?,?,?,?,?,?)", details)
        database.execute("COMMIT")


if __name__ == "__main__":
    main()
