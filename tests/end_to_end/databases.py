"""Looking at a database from outside, while the program works on it and afterwards."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.deliveries import contents
from tests.installed import Program
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import open_engine

WHEN = ("first_at", "last_at", "recorded_at")
"""The columns in which two runs over the same archive differ."""

REPORT_TABLES = ("report", "policy", "failure_detail", "deviation", "document")


def rows(database: str, *leave: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but `run` (it tells of the last one), without pks, times and the columns to `leave`."""
    engine = open_engine(database)
    try:
        found = contents(engine, *WHEN, *leave)
        del found["run"]
        return found
    finally:
        engine.dispose()


def outcomes(database: str) -> Counter[str]:
    """How many deliveries the ledger has of each outcome."""
    engine = open_engine(database)
    outcome = tables.delivery.c.outcome
    try:
        with engine.connect() as connection:
            counted = connection.execute(select(outcome, func.count()).group_by(outcome))
            return Counter({row[0]: row[1] for row in counted})
    finally:
        engine.dispose()


def ready(program: Program, database: str) -> str:
    """The database with its tables, which a server does not get by itself; returns its URL."""
    if not database.startswith("sqlite:"):
        ran = program("db", "upgrade", "--database", database)
        assert (ran.status, ran.stderr) == (0, "")
    return database


def deliveries_so_far(file: Path) -> int:
    """How many ledger rows are committed in a SQLite file just now; 0 where it is not there or not ready yet."""
    try:
        # Read-only, so that it is the program's next run that recovers what a killed one left, and not this.
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            (count,) = connection.execute("SELECT count(*) FROM delivery").fetchone()
    except sqlite3.OperationalError:
        return 0
    else:
        connection.close()
        return int(count)
