"""Opening databases: URLs, files, and what people are told when it does not work."""

import builtins
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine, writing
from tlsrpt_ingest.store.speaking import hidden, speaking


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("postgresql://h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg"),
        ("mariadb://h/d", "mariadb+pymysql"),
        ("mysql://h/d", "mariadb+pymysql"),
        ("mysql+mysqldb://h/d", "mariadb+pymysql"),
    ],
)
def test_a_url_needs_no_driver(url: str, driver: str) -> None:
    assert open_engine(url).url.drivername == driver


@pytest.mark.parametrize(
    "url", ["", "hunter2", "oracle://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=ro",
            "postgresql://u:hunter2@h:port/d"]
)  # fmt: skip
def test_a_url_that_will_not_do_is_explained_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured) as error:
        open_engine(url)
    assert "hunter2" not in str(error.value)
    assert "sqlite" in str(error.value)


def test_a_missing_driver_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        # Not SQLAlchemy's own module of that name, which it imports relative to itself.
        if name == "pymysql" and (rest[3:] or [0])[0] == 0:
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Misconfigured, match=r"pip install 'tlsrpt-ingest\[mariadb\]'"):
        open_engine("mysql://u:hunter2@h/d")


def test_a_shown_url_has_neither_password_nor_options() -> None:
    assert hidden("postgresql://u:hunter2@h/d?password=hunter3") == "postgresql://u@h/d"


def test_the_file_and_its_folder_are_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tlsrpt.db"
    engine = open_engine(f"sqlite:///{path}")
    schema.ready(engine)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = sorted(path.parent.iterdir())
    assert [one.name for one in files] == ["tlsrpt.db", "tlsrpt.db-shm", "tlsrpt.db-wal"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    engine.dispose()


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
def test_a_sqlite_connection_keeps_the_promises(tmp_path: Path, *, durable: bool, synchronous: int) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}", durable=durable)
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": synchronous, "busy_timeout": 15_000}
    engine.dispose()


def test_a_writing_transaction_has_the_lock_from_its_start_and_a_reading_one_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlsrpt_ingest.store.engine.BUSY", 0)
    engine, another = (open_engine(f"sqlite:///{tmp_path / 'x.db'}") for _ in range(2))
    with engine.connect() as reading, reading.begin(), writing(another):
        pass
    with (
        writing(engine),
        pytest.raises(Unavailable, match="stayed locked by others"),
        speaking(another),
        writing(another),
    ):
        pass
    engine.dispose()
    another.dispose()


def test_a_failed_transaction_leaves_nothing_not_even_tables(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with suppress(KeyError), writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
        raise KeyError
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM sqlite_master")).scalar() == 0
    engine.dispose()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all, and longer than the hundred octets that SQLite looks at first" * 9)
    with pytest.raises(Misconfigured, match="no SQLite database"):
        schema.ready(open_engine(f"sqlite:///{path}"))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be opened"):
        schema.ready(open_engine(f"sqlite:///{tmp_path / 'file' / 'x.db'}"))


def test_a_full_disk_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    schema.ready(engine)
    with writing(engine) as connection:
        connection.execute(text("PRAGMA max_page_count = 1"))
        with pytest.raises(Unavailable, match="full"), speaking(engine):
            connection.execute(text("CREATE TABLE t AS SELECT zeroblob(10000000) AS a"))
    engine.dispose()


def test_a_database_that_only_may_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    schema.ready(open_engine(f"sqlite:///{path}"))
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA query_only = ON"))
        with pytest.raises(Unavailable, match="readonly"), speaking(engine):
            connection.execute(text("DELETE FROM report"))
    engine.dispose()


def test_what_a_database_says_is_shown_on_one_line_and_without_values() -> None:
    engine = open_engine("sqlite:////nonexistent/x.db")
    with pytest.raises(Unavailable) as error, speaking(engine):
        raise _wrapped(sqlite3.OperationalError("bad \x1b[31m\u202e\nthing " + "x" * 5000))
    assert "bad ?[31m? thing" in str(error.value)
    assert len(str(error.value)) < 500


def _wrapped(error: Exception) -> Exception:
    return OperationalError("INSERT INTO report VALUES (?)", ("secret",), error)
