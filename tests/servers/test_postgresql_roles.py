"""deploy/postgresql-roles.sql: whoever records can add and read, and destroy nothing; whoever looks sees the views."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from tests.deliveries import delivery, other, rejected
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import ask, schema, tables, views
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.prune import prune
from tlsrpt_ingest.store.record import record

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgresql-roles.sql"
ROLES = ("tlsrpt_ingest", "tlsrpt_reader")
REPORTED = ("report", "policy", "failure_detail", "deviation", "document")


@pytest.fixture
def owner(postgresql: str) -> Iterator[Engine]:
    engine = open_engine(postgresql)
    schema.upgrade(engine)
    plain = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for _again in range(2):
            connection.execute(SCRIPT.read_bytes())
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role}_test LOGIN PASSWORD 'x' IN ROLE {role}".encode())
    yield engine
    with psycopg.connect(plain, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}_test; DROP ROLE {role}".encode())
    engine.dispose()


def login(owner: Engine, role: str) -> Engine:
    url = owner.url.set(username=f"{role}_test", password="x")  # noqa: S106 - of this test
    return open_engine(url.render_as_string(hide_password=False))


def refused(engine: Engine, statement: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    except ProgrammingError as error:
        return "permission denied" in str(error)
    return False


def test_the_recording_role_records_and_reads(owner: Engine) -> None:
    engine = login(owner, "tlsrpt_ingest")
    schema.ready(engine)
    assert record(engine, [delivery(0), rejected(1), other(2)]) == [
        Outcome.RECORDED,
        Outcome.REJECTED,
        Outcome.NOT_A_REPORT,
    ]
    # Rejected at first, and read at last.
    assert record(engine, [delivery(1)]) == [Outcome.RECORDED]
    assert ask.totals(engine).reports == 2
    assert len(list(ask.ledger(engine))) == 3
    engine.dispose()


def test_the_recording_role_destroys_nothing(owner: Engine) -> None:
    record(owner, [delivery(0)])
    engine = login(owner, "tlsrpt_ingest")
    for table in REPORTED:
        column = next(iter(tables.metadata.tables[table].c.keys()))
        assert refused(engine, f"DELETE FROM {table}")  # noqa: S608 - names of ours
        assert refused(engine, f"UPDATE {table} SET {column} = {column}")  # noqa: S608 - as above
        assert refused(engine, f"TRUNCATE {table} CASCADE")
    assert refused(engine, "CREATE TABLE theirs (a integer)")
    assert ask.totals(owner).reports == 1
    with pytest.raises(Misconfigured, match="permission denied"):
        prune(engine, datetime(2030, 1, 1, tzinfo=UTC))
    assert ask.totals(owner).reports == 1
    engine.dispose()


def test_the_reading_role_sees_the_views_and_no_table_of_reports(owner: Engine) -> None:
    record(owner, [delivery(0)])
    engine = login(owner, "tlsrpt_reader")
    with engine.connect() as connection:
        for view in views.metadata.tables:
            connection.execute(text(f"SELECT count(*) FROM {view}"))  # noqa: S608 - as above
        assert connection.scalar(text("SELECT sum(successful) FROM daily_sessions")) == 100
    for table in set(tables.metadata.tables) - {"run", "alert"}:
        assert refused(engine, f"SELECT 1 FROM {table}")  # noqa: S608 - as above
    engine.dispose()
