"""What only servers do: limits of their own, and going away."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select, text

from tests.deliveries import contents, delivery, rejected
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema, tables
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.store.transaction import Transaction

MIB = 1 << 20
LARGE = random.Random(8460).randbytes(MIB)  # noqa: S311 - no secret


@pytest.fixture
def engine(server: str) -> Iterator[Engine]:
    engine = open_engine(server)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def small_packets(mariadb: str) -> Iterator[Engine]:
    """A MariaDB that takes statements of 1 MiB only."""
    engine = open_engine(mariadb)
    schema.upgrade(engine)
    with engine.connect() as connection:
        before = connection.scalar(text("SELECT @@GLOBAL.max_allowed_packet"))
        connection.execute(text(f"SET GLOBAL max_allowed_packet = {MIB}"))
    engine.dispose()  # it holds for new connections
    yield engine
    with engine.connect() as connection:
        connection.execute(text(f"SET GLOBAL max_allowed_packet = {before}"))
    engine.dispose()


def test_a_document_that_mariadb_would_hang_up_at_stands_alone(small_packets: Engine) -> None:
    deliveries = [delivery(number) for number in range(4)]
    deliveries[1] = replace(deliveries[1], document=LARGE)
    deliveries[2] = replace(deliveries[2], document=LARGE[: MIB * 4 // 10])
    outcomes = record(small_packets, [*deliveries, rejected(9, octets=LARGE)])
    assert outcomes == [Outcome.RECORDED, Outcome.REJECTED, Outcome.RECORDED, Outcome.RECORDED, Outcome.REJECTED]
    with small_packets.connect() as connection:
        rows = connection.execute(select(tables.delivery).order_by(tables.delivery.c.item)).all()
    assert (rows[1].stage, rows[1].code, rows[1].octets) == ("store", "too-large", None)
    assert "max_allowed_packet is 1048576" in rows[1].reason
    assert (rows[4].stage, rows[4].code, rows[4].octets) == ("inflate", "truncated-gzip", None)


def test_a_large_document_is_kept_as_it_is(engine: Engine) -> None:
    document = LARGE * 4
    assert record(engine, [replace(delivery(0), document=document)]) == [Outcome.RECORDED]
    with engine.connect() as connection:
        assert connection.scalar(select(tables.document.c.gzip)) == document


def test_a_server_that_goes_away_is_unavailable_and_nothing_is_lost(
    server: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL CONNECTION {}"}
    me = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}
    name = engine.dialect.name
    ledger = Transaction._ledger  # noqa: SLF001 - there is no public moment between two statements
    other = open_engine(server)

    def hang_up(transaction: Transaction, *arguments: object) -> None:
        connection: Connection = transaction._connection  # noqa: SLF001 - the same
        number = connection.scalar(text(me[name]))
        with other.connect() as killer:
            killer.execute(text(kill[name].format(number)))
        ledger(transaction, *arguments)  # type: ignore[arg-type] # handed on

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "_ledger", hang_up)
        with pytest.raises(Unavailable, match="is not available"):
            record(engine, [delivery(0)])
    assert contents(engine)["report"] == []
    assert record(engine, [delivery(0)]) == [Outcome.RECORDED]
    other.dispose()


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(server: str, engine: Engine) -> None:
    record(engine, [delivery(0)])
    other = open_engine(server)
    with other.connect() as killer:
        if engine.dialect.name == "postgresql":
            killer.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        else:
            ids = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()"
            for number in killer.scalars(text(ids)).all():
                killer.execute(text(f"KILL CONNECTION {number}"))
    assert record(engine, [delivery(1)]) == [Outcome.RECORDED]
    other.dispose()


def test_sessions_are_strict_in_utc_and_utf8(mariadb: str) -> None:
    engine = open_engine(mariadb)
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT @@sql_mode, @@time_zone, @@character_set_connection, @@tx_isolation")
        ).one()
    assert "STRICT_ALL_TABLES" in row[0]
    assert tuple(row[1:]) == ("+00:00", "utf8mb4", "READ-COMMITTED")
    engine.dispose()


def test_a_user_without_rights_is_told_so(postgresql: str) -> None:
    engine = open_engine(postgresql)
    schema.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE guest_of_test LOGIN PASSWORD 'x'"))
    url = engine.url.set(username="guest_of_test", password="x")  # noqa: S106 - of this test
    guest = open_engine(url.render_as_string(hide_password=False))
    with pytest.raises(Misconfigured, match="is not ours to use: permission denied"):
        schema.ready(guest)
    guest.dispose()
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE guest_of_test"))
    engine.dispose()
