"""Questions about some days, and about one mailbox, reach an index however much the tables hold."""

import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Select, event, select
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from benchmarks.large import MAILBOX, fill
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store.ask import totals
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.extract import What, extract
from tlsrpt_ingest.store.failed import failed_sessions
from tlsrpt_ingest.store.messages import Messages

LAST = date(2024, 12, 31)
FIRST = date(2024, 12, 2)
DETAILS = 6_000

_BY_DAY = {
    "daily_sessions": "SELECT * FROM daily_sessions WHERE day >= '2024-12-02'",
    "failure": "SELECT * FROM failure WHERE day >= '2024-12-02' AND day <= '2024-12-31'",
}


@pytest.fixture(scope="module")
def large_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of 3,000 reports."""
    path = tmp_path_factory.mktemp("large") / "tlsrpt.db"
    made = open_engine(f"sqlite:///{path}")
    fill(made, 3_000, DETAILS, domains=5, days=365, last=LAST)
    made.dispose()
    return path


@pytest.mark.parametrize("view", _BY_DAY)
def test_sqlite_reads_the_days_that_are_asked_for(large_sqlite: Path, view: str) -> None:
    # By what it does and not by its words for it: a month costs about a twelfth of a year.
    with sqlite3.connect(large_sqlite) as connection:
        month = _steps(connection, _BY_DAY[view])
        year = _steps(connection, f"SELECT * FROM {view}")  # noqa: S608 - a view of ours
    assert month < year / 6


def test_sqlite_sums_the_failures_of_the_days_that_are_asked_for(large_sqlite: Path) -> None:
    month = _compiled(select(failed_sessions("sqlite", FIRST, None)))
    year = _compiled(select(failed_sessions("sqlite", None, None)))
    with sqlite3.connect(large_sqlite) as connection:
        assert _steps(connection, month) < _steps(connection, year) / 6
        # Grouped by type within each policy: what all of the details are sorted by otherwise is eight times as much.
        assert connection.execute(f"SELECT count(*) FROM ({year})").fetchone()[0] < DETAILS / 2  # noqa: S608 - of ours


def test_sqlite_exports_the_first_page_without_reading_everything(large_sqlite: Path) -> None:
    engine = open_engine(f"sqlite:///{large_sqlite}")
    asked: list[Any] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, *said: asked.append(said[:2]))
    next(extract(engine, What.FAILURES).pages)
    statement, parameters = asked[-1]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert not [row for row in plan if str(row[3]).startswith("SCAN")], plan
    engine.dispose()


def test_sqlite_finds_rejected_deliveries_of_some_days_by_an_index(large_sqlite: Path) -> None:
    with sqlite3.connect(large_sqlite) as connection:
        asked = "SELECT count(*) FROM delivery WHERE outcome = 'rejected' AND last_at >= '2024-12-02'"
        assert _steps(connection, asked) < 10


def test_what_lies_in_a_mailbox_is_counted_and_not_listed(large_sqlite: Path) -> None:
    engine = open_engine(f"sqlite:///{large_sqlite}")
    messages = Messages(engine)
    assert messages.known(MAILBOX, 1, 3_000, 1) == range(1, 3_001)
    # Only rejected messages are to be read again.
    again = set(range(1, 3_001)) - {*messages.known(MAILBOX, 1, 3_000, 2)}
    assert again == {row.uid for row in messages.unsettled(MAILBOX, {Outcome.REJECTED}) if row.uid <= 3_000}
    assert again
    engine.dispose()


def test_postgresql_reads_the_days_that_are_asked_for(postgresql: str) -> None:
    engine = open_engine(postgresql)
    fill(engine, 3_000, DETAILS, domains=5, days=365, last=LAST)
    for view, asked in _BY_DAY.items():
        plan = _plan(engine, asked)
        assert "ix_report_day" in plan, view
        assert "Seq Scan on policy" not in plan, view
        assert "Seq Scan on failure_detail" not in plan, view
    assert "ix_delivery_rejected_at" in _plan(
        engine, "SELECT count(*) FROM delivery WHERE outcome = 'rejected' AND last_at >= '2024-12-02'"
    )
    engine.dispose()


def test_the_filled_database_is_as_real_ones_are(large_sqlite: Path) -> None:
    engine = open_engine(f"sqlite:///{large_sqlite}")
    found = totals(engine, FIRST, LAST)
    assert (found.first_day, found.last_day) == (FIRST, LAST)
    assert len(found.domains) == 5
    assert 200 < found.reports < 300
    assert sum(one.reports for one in found.senders) == found.reports
    engine.dispose()


def _steps(connection: sqlite3.Connection, asked: str) -> int:
    """Hundreds of instructions of SQLite's virtual machine."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 100)
    connection.execute(asked).fetchall()
    connection.set_progress_handler(None, 0)
    return steps


def _compiled(asked: Select[Any]) -> str:
    return str(asked.compile(dialect=sqlite_dialect(), compile_kwargs={"literal_binds": True}))


def _plan(engine: Engine, asked: str) -> str:
    with engine.connect() as connection:
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {asked}").scalars())
