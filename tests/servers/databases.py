"""PostgreSQL and MariaDB for tests: temporary servers of the session's own, and a fresh database for each test.

As root each server runs as an ordinary user, since both refuse root. Where a server program is not installed, its tests
are skipped aloud; in CI they fail instead.
"""

import itertools
import pwd
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.servers.process import folder_for, free_port, program, run, start, stop, wait

PASSWORD = "p@ss/w:rd"  # noqa: S105 - of a server that lives for one test run; it needs percent-encoding, as real ones do
QUOTED = "p%40ss%2Fw%3Ard"
_numbers = itertools.count(1)


class Postgresql:
    """A PostgreSQL of its own, to be stopped and started again; `url` is without a database."""

    def __init__(self, settings: Mapping[str, object], folder: Path, user: pwd.struct_passwd) -> None:
        initdb = program("initdb", "/usr/lib/postgresql/*/bin/initdb", package="postgresql")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, user.pw_uid)
        data = folder / "data"
        run(
            user,
            [
                *[initdb, "--no-sync", f"--pgdata={data}", "--no-locale", "--encoding=UTF8"],
                *["--username=ingest", f"--pwfile={secret}", "--auth=scram-sha-256"],
            ],
        )
        self.port = free_port()
        self.url = f"postgresql://ingest:{QUOTED}@127.0.0.1:{self.port}"
        place = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": folder}
        options = [word for name, value in {**place, **settings}.items() for word in ("-c", f"{name}={value}")]
        self._command = [str(Path(initdb).resolve().with_name("postgres")), "-D", str(data), *options]
        self._folder = folder
        self._user = user
        self.start()

    def start(self) -> None:
        self._process = start(self._user, self._command, self._folder)
        wait(self._process, self._folder, lambda: psycopg.connect(_dsn(self.port)).close(), psycopg.OperationalError)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGINT is the orderly "fast" way, SIGQUIT at once and with a recovery at the next start."""
        stop(self._process, how)


@contextmanager
def postgresql_of_its_own(settings: Mapping[str, object]) -> Iterator[Postgresql]:
    """A PostgreSQL with these settings that lives as long as the block."""
    with folder_for("postgres") as (folder, user):
        server = Postgresql(settings, folder, user)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgresql_running(settings: Mapping[str, object]) -> Iterator[str]:
    """The same; its URL, without a database."""
    with postgresql_of_its_own(settings) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL of this test session; the URL of the server, without a database."""
    # Nothing here is about power cuts; on a slow disk this makes the difference between seconds and minutes.
    with postgresql_running({"fsync": "off", "full_page_writes": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """A MariaDB of this test session; the URL of the server, without a database."""
    install = program("mariadb-install-db", "/usr/bin/mariadb-install-db", package="mariadb-server")
    mariadbd = program("mariadbd", "/usr/sbin/mariadbd", package="mariadb-server")
    with folder_for("mysql") as (folder, user):
        data = folder / "data"
        run(
            user,
            [
                *[install, "--no-defaults", f"--datadir={data}", "--skip-test-db"],
                *["--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"],
            ],
        )
        port = free_port()
        options = [
            f"--datadir={data}",
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 'mariadb.sock'}",
            f"--pid-file={folder / 'mariadb.pid'}",
            "--innodb-flush-log-at-trx-commit=0",  # as fsync=off above
            "--innodb-log-file-size=8M",
            "--skip-name-resolve",
            "--log-warnings=0",
            # What Debian ships, and what we have to be independent of.
            "--character-set-server=latin1",
            "--default-time-zone=+05:30",
            "--sql-mode=",
        ]
        server = start(user, [mariadbd, "--no-defaults", *options], folder)
        root: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "root"}
        try:
            wait(server, folder, lambda: pymysql.connect(**root).close(), pymysql.OperationalError)
            with pymysql.connect(**root) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE USER 'ingest'@'127.0.0.1' IDENTIFIED BY %s", [PASSWORD])
                cursor.execute("GRANT ALL ON *.* TO 'ingest'@'127.0.0.1'")
            yield f"mariadb://ingest:{QUOTED}@127.0.0.1:{port}"
        finally:
            stop(server, signal.SIGKILL)


@pytest.fixture
def postgresql(postgresql_server: str) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    port = int(postgresql_server.rpartition(":")[2])
    name = f"test_{next(_numbers)}"
    with psycopg.connect(_dsn(port), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"{postgresql_server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def mariadb(mariadb_server: str) -> Iterator[str]:
    """The URL of a fresh, empty MariaDB database."""
    port = int(mariadb_server.rpartition(":")[2])
    name = f"test_{next(_numbers)}"
    login: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "ingest", "password": PASSWORD}
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield f"{mariadb_server}/{name}"
        cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The URL of a SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path / 'state' / 'tlsrpt.db'}"


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, on each of the two servers."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, on each of the three."""
    url: str = request.getfixturevalue(request.param)
    return url


def _dsn(port: int) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user="ingest", password=PASSWORD, dbname="postgres"
    )
