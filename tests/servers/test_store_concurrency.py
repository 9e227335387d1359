"""Writers at once: whatever they record, and in whatever order, the rows are those of one."""

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, select

from tests import builders
from tests.deliveries import contents, delivery, other, rejected
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema, tables
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.verdict import Authentication, Verdict

BATCH = 10
UNSTABLE = ("attempts", "first_at", "last_at", "recorded_at")
"""What says when and how often, and not what."""


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def archive() -> list[Delivery]:
    """Mails with reports, some brought by two mails, and what is none."""
    failures = [builders.failure(count=2), builders.failure("validation-failure")]
    bodies = {number: builders.report(number, builders.policy(failures=failures)) for number in range(40)}
    mails = [delivery(number, body) for number, body in bodies.items()]
    mails += [other(item) for item in range(100, 110)] + [rejected(item) for item in range(110, 120)]
    return mails


def run(url: str, mails: list[Delivery], seed: int, start: threading.Barrier, seen: list[Outcome]) -> None:
    """One writer: all the mails, shuffled, batch by batch, through an engine of its own."""
    own = open_engine(url)
    shuffled = random.Random(seed).sample(mails, len(mails))  # noqa: S311 - no secret
    start.wait()
    for at in range(0, len(shuffled), BATCH):
        seen += record(own, shuffled[at : at + BATCH])
    own.dispose()


def at_once(url: str, mails: list[Delivery], writers: int) -> Counter[Outcome]:
    start = threading.Barrier(writers)
    seen: list[Outcome] = []
    threads = [threading.Thread(target=run, args=(url, mails, seed, start, seen)) for seed in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(seen)


def test_four_writers_of_the_same_archive_leave_the_rows_of_one(database: str, engine: Engine, sqlite: str) -> None:
    seen = at_once(database, archive(), 4)
    assert seen == {
        Outcome.RECORDED: 40, Outcome.DUPLICATE: 3 * 40, Outcome.NOT_A_REPORT: 4 * 10, Outcome.REJECTED: 4 * 10,
    }  # fmt: skip
    alone = open_engine(sqlite.replace("tlsrpt.db", "alone.db"))
    schema.upgrade(alone)
    record(alone, archive())
    assert contents(engine, *UNSTABLE) == contents(alone, *UNSTABLE)
    alone.dispose()


def test_writers_whose_mails_bring_the_same_reports_count_each_once(database: str, engine: Engine) -> None:
    # Each report is brought by two mails, and some by a third that says something else.
    mails = [delivery(number, item=item) for item, number in enumerate([*range(30), *range(30)])]
    mails += [delivery(n, builders.report(n, contact_info="other"), item=100 + n) for n in range(3)]
    at_once(database, mails, 4)
    rows = contents(engine)
    assert len(rows["report"]) == 30 + 3
    assert len(rows["policy"]) == len(rows["document"]) == 33
    counted = [dict(row) for row in rows["report"] if dict(row)["conflicts_with"] is None]
    assert len({row["report_id"] for row in counted}) == len(counted) == 30
    ledger = [dict(row) for row in rows["delivery"]]
    assert len(ledger) == 63
    # Exactly one delivery of each counted report is the one that recorded it.
    assert sorted(row["report_pk"] for row in ledger if row["outcome"] == "recorded") == sorted(
        row["identity"] for row in counted
    )


def test_a_writer_that_is_killed_leaves_whole_batches(database: str, engine: Engine) -> None:
    program = """
import sys
from tests.deliveries import delivery
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.verdict import Authentication, Verdict
engine = open_engine(sys.argv[1])
for start in range(0, 10_000, 10):
    record(engine, [delivery(number) for number in range(start, start + 10)])
    print(start, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program, database], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline()) for _ in range(7)]
    process.kill()
    seen += [json.loads(line) for line in process.stdout]
    process.wait()
    process.stdout.close()
    rows = contents(engine)
    done = len(rows["report"])
    assert done % 10 == 0
    assert done >= seen[-1] + 10
    assert len(rows["policy"]) == len(rows["document"]) == len(rows["delivery"]) == done
    outcomes = record(engine, [delivery(number) for number in range(done + 5)])
    assert outcomes == [Outcome.DUPLICATE] * done + [Outcome.RECORDED] * 5


def test_writers_of_forged_and_real_reports_leave_the_real_ones_counted(database: str, engine: Engine) -> None:
    real = Authentication(Verdict.PASS, "mail.reporter.example", "tls", "reporter.example")
    strangers = Authentication(Verdict.PASS, "evil.example", "tls", "evil.example")
    mails = [delivery(number, authentication=real) for number in range(10)]
    for number in range(10):
        for item, (sessions, said) in enumerate([(1, None), (2, None), (3, strangers)]):
            body = builders.report(number, builders.policy(successful=sessions))
            mails.append(delivery(number, body, item=100 * (item + 1) + number, authentication=said))
    at_once(database, mails, 4)
    report, policy, row = tables.report.c, tables.policy.c, tables.delivery.c
    with engine.connect() as connection:
        counted = connection.execute(
            select(policy.total_successful_session_count, report.signing_domain, row.signing_domain)
            .join_from(tables.report, tables.policy, policy.report_pk == report.pk)
            .join(tables.delivery, row.report_pk == report.pk)
            .where(report.conflicts_with.is_(None), row.outcome == str(Outcome.RECORDED))
        ).all()
        assert Counter(map(tuple, counted)) == {
            (100, "reporter.example", "mail.reporter.example"): 10, (3, "evil.example", "evil.example"): 10
        }  # fmt: skip
        beside = select(func.count()).where(report.conflicts_with.is_not(None))
        assert connection.scalar(beside) == 20
