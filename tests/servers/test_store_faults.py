"""Others in the way: locks, deadlocks and connections that are all taken, each made on the real database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, text

from tests.deliveries import contents, delivery, moment
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import engine as engine_module
from tlsrpt_ingest.store import persevering, schema, tables
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.prepared import prepare
from tlsrpt_ingest.store.record import record

NOW = moment("2026-01-01")


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@contextmanager
def holding(engine: Engine) -> Iterator[Connection]:
    """A session beside ours in whose transaction nobody else may write reports."""
    other = open_engine(engine.url.render_as_string(hide_password=False))
    locks = {
        "sqlite": "UPDATE report SET report_id = report_id",
        "postgresql": "LOCK TABLE report IN EXCLUSIVE MODE",
        "mariadb": "SELECT * FROM report WHERE pk > 0 FOR UPDATE",
    }
    with other.connect() as connection, connection.begin():
        if engine.dialect.name == "mariadb":
            connection.execute(text("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text(locks[engine.dialect.name]))
        yield connection
    other.dispose()


def test_a_lock_that_others_keep_ends_the_run_and_loses_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert record(engine, [delivery(0)]) == [Outcome.RECORDED]
    monkeypatch.setattr(engine_module, "BUSY", 1)
    monkeypatch.setattr(persevering, "ATTEMPTS", 2)
    impatient = open_engine(engine.url.render_as_string(hide_password=False))
    with holding(engine), pytest.raises(Unavailable, match=r"stayed locked by others: .*; try again later"):
        record(impatient, [delivery(0, item=1), delivery(1)])
    assert len(contents(engine)["delivery"]) == 1
    assert record(impatient, [delivery(0, item=1), delivery(1)]) == [Outcome.DUPLICATE, Outcome.RECORDED]
    impatient.dispose()


WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}
HEAVY = {"postgresql": "SET LOCAL deadlock_timeout = '60s'", "mariadb": "UPDATE report SET contact_info = 'heavy'"}
"""What makes our transaction the one that a deadlock is broken by: PostgreSQL takes the first that looks, MariaDB the
one that changed less."""


def test_a_deadlock_is_tried_again(server: str) -> None:
    ours, other = open_engine(server), open_engine(server)
    schema.upgrade(ours)
    record(ours, [delivery(number) for number in range(100)])
    outcomes: list[Outcome] = []
    new = delivery(200)
    thread = threading.Thread(target=lambda: outcomes.extend(record(ours, [new])))
    row = {"attempts": 1, "first_at": NOW, "last_at": NOW, "settled": False, "outcome": "rejected"}
    with other.connect() as connection, connection.begin() as transaction:
        connection.execute(text(HEAVY[other.dialect.name]))
        # The ledger's key first and the report's then, where a writer of ours goes the other way.
        connection.execute(
            tables.delivery.insert().values(pk=-1, item=new.item, part=0, origin="x", digest=new.digest, size=1, **row)
        )
        thread.start()
        with other.connect() as watching:
            while not watching.scalar(text(WAITING[other.dialect.name])):
                watching.rollback()
        report = prepare(new).report
        assert report
        connection.execute(
            tables.report.insert().values(
                pk=-1, identity=report.identity, report_id="x", start_datetime=NOW, end_datetime=NOW,
                document_digest=new.digest, recorded_at=NOW,
            )
        )  # fmt: skip
        transaction.rollback()
    thread.join()
    assert outcomes == [Outcome.RECORDED]
    ours.dispose()
    other.dispose()


def test_connections_that_are_all_taken_are_no_refused_login(server: str) -> None:
    owner = open_engine(server)
    schema.upgrade(owner)
    nobody = owner.url.set(username="root", password="")  # of a server that is reached from this machine only
    root = open_engine(nobody.render_as_string(hide_password=False)) if "maria" in server else owner
    user, make = {
        "postgresql": ("crowd", "CREATE ROLE crowd LOGIN PASSWORD 'x' CONNECTION LIMIT 1"),
        "mariadb": (
            "crowd@'127.0.0.1'",
            "CREATE USER crowd@'127.0.0.1' IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1",
        ),
    }[owner.dialect.name]
    with root.begin() as connection:
        connection.execute(text(make))
        if root is not owner:
            connection.execute(text(f"GRANT SELECT ON *.* TO {user}"))
    url = owner.url.set(username="crowd", password="x").render_as_string(hide_password=False)  # noqa: S106 - of this test
    first, second = open_engine(url), open_engine(url)
    with first.connect(), pytest.raises(Unavailable, match=r"has no connection left for us: .*; try again later"):
        schema.ready(second)
    first.dispose()
    second.dispose()
    with root.begin() as connection:
        connection.execute(text(f"DROP USER {user}"))
    root.dispose()
    owner.dispose()
