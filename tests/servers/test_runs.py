"""The last run of each command and host: one row that the next run replaces."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.runs import Run, last_runs, remember

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)


@pytest.fixture
def engine(database: str) -> Engine:
    engine = open_engine(database)
    schema.upgrade(engine)
    return engine


def run(hours: int, status: int = 0, host: str = "mx1", words: str | None = None) -> Run:
    at = NOON + timedelta(hours=hours)
    return Run("poll", host, at, at + timedelta(minutes=1), status, 3, {"recorded": 2}, words)


def test_a_run_takes_the_place_of_the_one_before_and_keeps_when_one_went_well(engine: Engine) -> None:
    remember(engine, run(0))
    remember(engine, run(1, 75, words="the server is away"))
    remember(engine, run(2, 65))
    remember(engine, run(3, 78, words="\U0001f600" * 70_000))
    (last,) = last_runs(engine)
    assert (last.began_at, last.exit_status, last.items, last.outcomes) == (
        NAIVE + timedelta(hours=3),
        78,
        3,
        {"recorded": 2},
    )
    assert last.done_at == NAIVE + timedelta(hours=2, minutes=1)
    assert last.words == "\U0001f600" * 65_535
    engine.dispose()


def test_hosts_are_told_apart_the_newest_first(engine: Engine) -> None:
    remember(engine, run(0, host="a"))
    remember(engine, run(2, host="b" * 300))
    remember(engine, run(1, host="c"))
    assert [one.host for one in last_runs(engine)] == ["b" * 255, "c", "a"]
    engine.dispose()
