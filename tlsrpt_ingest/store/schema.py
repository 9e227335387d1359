"""The schema's revision: created, checked, brought up to date; the only module that knows Alembic.

SQLite is migrated on first use. A server's schema is changed by one command that a person types, since others may be
reading it.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.speaking import hidden, speaking

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0007"
"""The revision that this version reads and writes; a test compares it with migrations/."""

WAIT: Final = 60
"""Seconds to wait for another process that is upgrading the schema."""

_LOCKS: Final = {
    "postgresql": (
        "SELECT pg_advisory_lock(hashtextextended(:name, 0)) FROM set_config('lock_timeout', :seconds || 's', true)",
        "SELECT pg_advisory_unlock(hashtextextended(:name, 0))",
    ),
    "mariadb": ("SELECT GET_LOCK(:name, :seconds)", "SELECT RELEASE_LOCK(:name)"),
}
"""How to take and to give back the lock that makes upgrades of one database go one after the other."""


def head() -> str:
    """The revision that this version needs."""
    return HEAD


def current(engine: Engine) -> str | None:
    """The revision of the schema that is there; None where there is none."""
    with speaking(engine), engine.connect() as connection:
        return _current(connection)


def ready(engine: Engine) -> None:
    """Make sure that the schema is this version's: SQLite is created and migrated, a server's is only looked at.

    Raises Misconfigured with the command to type.
    """
    revision = current(engine)
    if revision == HEAD:
        return
    if engine.dialect.name == "sqlite":
        if not _made(engine):
            upgrade(engine)
        return
    if revision is not None and revision not in _known():
        raise _unknown(engine, revision)
    state = f"has the schema of an earlier version ({revision})" if revision else "has no tables yet"
    raise Misconfigured(f"the database {hidden(engine)} {state}; type: {_command(engine)}")


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Bring the schema up to this version's; the revisions before and after. Safe for two processes at once."""
    with speaking(engine), _one_at_a_time(engine), writing(engine) as connection:
        before = _current(connection)
        if before == HEAD:
            return before, HEAD
        if before is not None and before not in _known():
            raise _unknown(engine, before)
        if before is None and (strangers := _strangers(connection)):
            raise Misconfigured(
                f"the database {hidden(engine)} already holds {', '.join(strangers)} and no revision of ours: another "
                "program's, or left by an upgrade that was cut short; give tlsrpt-ingest a database of its own"
            )
        from alembic import command  # noqa: PLC0415 - it costs as much as all the rest, and is seldom needed

        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes its time
        command.upgrade(alembic_config(connection), HEAD)
        return before, HEAD


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration: no ini file, the history out of the package, on the connection that is handed over."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "tlsrpt_ingest.migrations:")
    config.attributes["connection"] = connection
    return config


def _made(engine: Engine) -> bool:
    """Make the schema in an empty SQLite file at once: importing Alembic takes as long as recording a thousand reports.

    False where the file has something in it, which is Alembic's business.
    """
    with speaking(engine), writing(engine) as connection:
        if connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first():
            return False
        statements = files("tlsrpt_ingest.migrations").joinpath("sqlite.sql").read_text(encoding="utf-8")
        for statement in statements.split(";\n"):
            connection.exec_driver_sql(statement)
        return True


def _known() -> set[str]:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if revision is None else str(revision)


def _strangers(connection: Connection) -> list[str]:
    return sorted({*inspect(connection).get_table_names()} & {*tables.metadata.tables})


def _unknown(engine: Engine, revision: str) -> Misconfigured:
    return Misconfigured(
        f"the database {hidden(engine)} has revision {revision!r}, which this version does not know (it needs "
        f"{HEAD}): a newer tlsrpt-ingest made it; upgrade this one"
    )


def _command(engine: Engine) -> str:
    return f"tlsrpt-ingest db upgrade --database {shlex.quote(hidden(engine))}"


@contextmanager
def _one_at_a_time(engine: Engine) -> Iterator[None]:
    """Hold the lock that upgrades wait for, on a connection of its own: MariaDB commits at each CREATE TABLE."""
    if engine.dialect.name == "sqlite":  # whose write lock is one
        yield
        return
    take, release = _LOCKS[engine.dialect.name]
    lock = {"name": f"tlsrpt-ingest {engine.url.database}"[:64], "seconds": WAIT}
    with engine.connect() as connection:
        if connection.scalar(text(take), lock) == 0:
            raise Unavailable(f"another process is upgrading {hidden(engine)}; try again later")
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text(release), lock)
