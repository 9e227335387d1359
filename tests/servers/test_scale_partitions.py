"""What docs/scale.md advises: partitions by month on a real PostgreSQL, and four writers at once on them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from benchmarks import corpus
from tests.builders import policy, report
from tests.deliveries import contents, delivery, moment, rejected
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.ask import totals
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.prune import prune
from tlsrpt_ingest.store.record import record

WRITERS = 4


@pytest.fixture
def engine(postgresql: str, root: Path) -> Iterator[Engine]:
    """A database with partitions, as the file in deploy/ makes them, for the months of the corpus."""
    made = open_engine(postgresql)
    schema.upgrade(made)
    partition(made, root)
    yield made
    made.dispose()


def partition(engine: Engine, root: Path) -> None:
    run(engine, (root / "deploy" / "postgresql-partitions.sql").read_text())
    run(engine, "CALL tlsrpt_month('2023-01-01'); CALL tlsrpt_month('2023-02-01')")


def run(engine: Engine, sql: str) -> None:
    """Several statements in one transaction, as psql --single-transaction does."""
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(sql)


def rows(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608 - a table of ours


def day(one: date) -> dict[str, str]:
    """A date-range."""
    return {"start-datetime": f"{one}T00:00:00Z", "end-datetime": f"{one}T23:59:59Z"}


def archive(path: Path, numbers: range) -> Path:
    mails = list(corpus.messages("fail", numbers.stop))
    corpus.write_mbox(path, iter(mails[numbers.start :]))
    return path


def test_four_writers_at_once_count_each_report_once(
    engine: Engine, postgresql: str, sqlite: str, tmp_path: Path
) -> None:
    """Each reads an archive of its own, of which half is in the next one's too; together two months."""
    step, whole = 500, 500 * (WRITERS + 1)
    archives = [archive(tmp_path / f"{at}.mbox", range(at * step, (at + 2) * step)) for at in range(WRITERS)]
    commands = [
        [sys.executable, "-m", "tlsrpt_ingest", "backfill", "--jobs", "1", "--database", postgresql, str(path)]
        for path in archives
    ]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * WRITERS
    assert rows(engine, "report") == whole
    assert rows(engine, "document") == whole
    assert rows(engine, "delivery") == 2 * step * WRITERS
    # January has 31 days of 60 reports; none is anywhere else.
    assert rows(engine, "report_2023_01") == 31 * corpus.MESSAGES_A_DAY
    assert rows(engine, "report_2023_02") == whole - 31 * corpus.MESSAGES_A_DAY
    assert rows(engine, "report_other") == 0
    # One writer into SQLite sees the same.
    alone = open_engine(sqlite)
    schema.ready(alone)
    subprocess.run([*commands[0][:-2], sqlite, *map(str, archives)], check=True)
    assert totals(engine) == totals(alone)
    alone.dispose()


def test_what_was_there_before_is_the_same_afterwards(postgresql: str, root: Path) -> None:
    engine = open_engine(postgresql)
    schema.upgrade(engine)
    deliveries = [delivery(number) for number in range(5)] + [rejected(9)]
    record(engine, deliveries)
    before, answers = contents(engine), totals(engine)
    partition(engine, root)
    assert contents(engine) == before
    assert totals(engine) == answers
    outcomes = [*[Outcome.DUPLICATE] * 5, Outcome.REJECTED]
    assert record(engine, [delivery(number, item=20 + number) for number in range(5)] + [rejected(9)]) == outcomes
    # The schema is still one that upgrades find, and go back from.
    schema.ready(engine)
    assert prune(engine, moment("2030-01-01")).reports == 5
    assert rows(engine, "policy") == 0
    engine.dispose()


def test_a_month_is_made_and_dropped_at_once(engine: Engine) -> None:
    with engine.connect() as connection:
        today: date = connection.scalar(text("SELECT current_date"))
    past = report(1, policy(domain="past.example"), date_range=day(date(2023, 1, 31)))
    this = report(2, date_range=day(today))
    assert record(engine, [delivery(1, past), delivery(2, this)]) == [Outcome.RECORDED] * 2
    # It came before its month was made.
    assert rows(engine, "report_other") == 1
    run(engine, f"CALL tlsrpt_month('{today}')")
    month = f"{today:%Y_%m}"
    assert (rows(engine, "report_other"), rows(engine, f"report_{month}")) == (0, 1)
    record(engine, [delivery(number) for number in (3, 4)])
    assert rows(engine, f"policy_{month}") == 2
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT max(pk) FROM report")) // 10**10 == int(f"{today:%Y%m}")
    run(engine, "CALL tlsrpt_forget('2023-01-01')")
    assert {one.policy_domain for one in totals(engine).domains} == {"example.com"}
    # It can come again, and counts again.
    assert record(engine, [delivery(1, past, item=77)]) == [Outcome.RECORDED]


def test_the_statements_of_the_page_are_ones(engine: Engine, root: Path) -> None:
    page = (root / "docs" / "scale.md").read_text(encoding="utf-8")
    statements = [*re.findall(r"```sql\n(.*?)```", page, re.DOTALL), *re.findall(r"`(DELETE [^`]*)`", page)]
    assert len(statements) == 2
    for statement in statements:
        run(engine, statement)
