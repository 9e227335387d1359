"""From a database URL to an engine whose connections keep the store's promises, on each of the three databases."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.store.speaking import hidden, speaking

__all__ = ["open_engine", "speaking", "writing"]

BUSY: Final = 15
"""Seconds that a statement waits for a lock. A batch of another writer takes well under one."""

CONNECT: Final = 10
"""Seconds for a server to answer a connection."""

STATEMENT: Final = 600
"""Seconds for one statement, or for one answer of the server: no batch takes as long, a dead server takes for ever."""

PAGE: Final = 8_192
"""Octets of a page of a new SQLite file: the log is written page by page, and half as many cost a backfill 5 % less."""

SYNCHRONOUS: Final = {False: "NORMAL", True: "FULL"}

_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mariadb+pymysql",
}

_SQL_MODE: Final = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


def open_engine(url: str, *, durable: bool = False, password: str | None = None) -> Engine:
    """An engine for `sqlite:///FILE`, `postgresql://...` or `mariadb://...` (also `mysql://`, spoken to a MariaDB).

    `durable` makes SQLite commit with synchronous=FULL, for whoever deletes or moves a mail once it is committed:
    NORMAL may lose the last commits to a power cut, never the database. Servers are durable as they are configured.
    `password` is one that the URL does not have. Opens no connection. Raises Misconfigured for a URL that is none, or
    that needs a driver which is not installed.
    """
    target = _normalised(url)
    if password is not None:
        target = target.set(password=password)
    options: dict[str, Any] = {"hide_parameters": True}  # a stranger's text has no place in error messages
    if target.get_backend_name() != "sqlite":
        options |= {"isolation_level": "READ COMMITTED", "pool_pre_ping": True, "connect_args": _connect_args(target)}
    try:
        engine = create_engine(target, **options)
    except ModuleNotFoundError as missing:
        extra = target.get_backend_name()
        raise Misconfigured(
            f"{hidden(target)} needs a driver that is not installed; type: pip install 'tlsrpt-ingest[{extra}]'"
        ) from missing
    _SET_UP[target.get_backend_name()](engine, durable=durable)
    return engine


def write_much(engine: Engine) -> None:
    """Let SQLite move the log into the database seldom, and keep more of it in memory; servers see to that themselves.

    For a backfill, and only there: the log grows to 64 MiB, which a reader pays for.
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _record: Any) -> None:
        dbapi.execute("PRAGMA wal_autocheckpoint=8000")  # pages
        dbapi.execute("PRAGMA cache_size=-16000")  # KiB

    engine.dispose()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that will write, committed at the end.

    On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that starts by reading and only then
    asks for the lock fails when another writer was faster, however long it is ready to wait.
    """
    with engine.connect() as connection:
        connection.execution_options(tlsrpt_writes=True)
        with connection.begin():
            yield connection


def _normalised(url: str) -> URL:
    try:
        target = make_url(url)
    except (ArgumentError, ValueError) as error:
        # Not the URL itself: what cannot be parsed may have the password anywhere.
        raise Misconfigured(
            "the database URL cannot be read; it should look like sqlite:////var/lib/tlsrpt/tlsrpt.db, "
            "postgresql://user@host/name or mariadb://user@host/name, with special characters percent-encoded"
        ) from error
    driver = _DRIVERS.get(target.get_backend_name())
    if driver is None:
        raise Misconfigured(
            f"{hidden(target)}: there is no support for {target.get_backend_name()!r}; "
            "use sqlite, postgresql or mariadb"
        )
    if driver.startswith("sqlite") and (not target.database or target.database.startswith((":memory:", "file:"))):
        raise Misconfigured(f"{hidden(target)} names no file; write sqlite:///FILE, with four slashes from the root")
    return target.set(drivername=driver)


def _connect_args(target: URL) -> dict[str, Any]:
    if target.get_backend_name() == "postgresql":
        keep_alive = {"keepalives_idle": 60, "tcp_user_timeout": STATEMENT * 1000}
        named = {"connect_timeout": CONNECT, "fallback_application_name": "tlsrpt-ingest"} | keep_alive
    else:
        named = {
            "charset": "utf8mb4",
            "connect_timeout": CONNECT,
            "read_timeout": STATEMENT + BUSY,
            "write_timeout": STATEMENT,
        }
    return {name: value for name, value in named.items() if name not in target.query}


def _set_up_sqlite(engine: Engine, *, durable: bool) -> None:
    # Before Python 3.13 sqlite3 asks around for each None how to adapt it, which makes a quarter of all inserting.
    sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type] # it answers None, as it should

    @event.listens_for(engine, "do_connect")
    def create(_dialect: Any, _record: Any, _args: Any, _parameters: Any) -> None:
        # Reports name people's mail servers and addresses: for the owner's eyes, as is whatever SQLite puts beside it.
        path = Path(str(engine.url.database))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _record: Any) -> None:
        # SQLAlchemy's own way to let it, and not the driver, say BEGIN: see "begin" below.
        dbapi.isolation_level = None
        for pragma in (f"busy_timeout={BUSY * 1000}", "foreign_keys=ON", f"synchronous={SYNCHRONOUS[durable]}"):
            dbapi.execute(f"PRAGMA {pragma}")
        # Once in the file's life, so that readers and the writer do not wait for each other. Where it cannot be (a
        # network mount, read-only, another process doing it just now), the rollback journal is as safe and slower.
        if dbapi.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            dbapi.execute(f"PRAGMA page_size={PAGE}")
            with suppress(sqlite3.OperationalError):
                dbapi.execute("PRAGMA journal_mode=WAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("tlsrpt_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(engine: Engine, *, durable: bool) -> None:
    del durable

    @event.listens_for(engine, "do_executemany")
    def copy(cursor: Any, statement: str, rows: Any, _context: Any) -> bool:
        # SQLAlchemy knows no COPY (see store.writer).
        if not statement.startswith("COPY "):
            return False
        with cursor.copy(statement) as stream:
            for row in rows:
                stream.write_row(row)
        return True

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _record: Any) -> None:
        # Statements and not start-up options, which connection poolers refuse.
        with dbapi.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(f"SET statement_timeout = '{STATEMENT}s'")
            cursor.execute(f"SET lock_timeout = '{BUSY}s'")
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{STATEMENT}s'")
            # Compiling what sums a month takes a second, and running it half of one.
            cursor.execute("SET jit = off")
        dbapi.commit()


def _set_up_mariadb(engine: Engine, *, durable: bool) -> None:
    del durable

    @event.listens_for(engine, "connect")
    def configure(dbapi: Any, _record: Any) -> None:
        with dbapi.cursor() as cursor:
            # Strict: what does not fit is refused and never cut; a text cut at a quiet place would be another text.
            cursor.execute(f"SET SESSION sql_mode = '{_SQL_MODE}', time_zone = '+00:00'")
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {BUSY}, lock_wait_timeout = {BUSY}")


_SET_UP: Final = {"sqlite": _set_up_sqlite, "postgresql": _set_up_postgresql, "mariadb": _set_up_mariadb}
