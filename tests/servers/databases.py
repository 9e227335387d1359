"""PostgreSQL and MariaDB for tests: temporary servers of the session's own, and a fresh database for each test.

As root each server runs as an ordinary user, since both refuse root. Where a server program is not installed, its tests
are skipped aloud; in CI they fail instead.
"""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

PASSWORD = "p@ss/w:rd"  # noqa: S105 - of a server that lives for one test run; it needs percent-encoding, as real ones do
QUOTED = "p%40ss%2Fw%3Ard"
STARTING = 60
"""Seconds for a server to come up."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL of this test session; the URL of the server, without a database."""
    initdb = _program("initdb", "/usr/lib/postgresql/*/bin/initdb", package="postgresql")
    with _folder("postgres") as (folder, user):
        secret = folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, user.pw_uid)
        data = folder / "data"
        _run(
            user,
            [
                *[initdb, "--no-sync", f"--pgdata={data}", "--no-locale", "--encoding=UTF8"],
                *["--username=ingest", f"--pwfile={secret}", "--auth=scram-sha-256"],
            ],
        )
        port = _free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            # Nothing here is about power cuts; on a slow disk this makes the difference between seconds and minutes.
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = _start(user, [str(Path(initdb).resolve().with_name("postgres")), "-D", str(data), *options], folder)
        try:
            _wait(server, folder, lambda: psycopg.connect(_dsn(port)).close(), psycopg.OperationalError)
            yield f"postgresql://ingest:{QUOTED}@127.0.0.1:{port}"
        finally:
            _stop(server, signal.SIGQUIT)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """A MariaDB of this test session; the URL of the server, without a database."""
    install = _program("mariadb-install-db", "/usr/bin/mariadb-install-db", package="mariadb-server")
    mariadbd = _program("mariadbd", "/usr/sbin/mariadbd", package="mariadb-server")
    with _folder("mysql") as (folder, user):
        data = folder / "data"
        _run(
            user,
            [
                *[install, "--no-defaults", f"--datadir={data}", "--skip-test-db"],
                *["--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"],
            ],
        )
        port = _free_port()
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
        server = _start(user, [mariadbd, "--no-defaults", *options], folder)
        root: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "root"}
        try:
            _wait(server, folder, lambda: pymysql.connect(**root).close(), pymysql.OperationalError)
            with pymysql.connect(**root) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE USER 'ingest'@'127.0.0.1' IDENTIFIED BY %s", [PASSWORD])
                cursor.execute("GRANT ALL ON *.* TO 'ingest'@'127.0.0.1'")
            yield f"mariadb://ingest:{QUOTED}@127.0.0.1:{port}"
        finally:
            _stop(server, signal.SIGKILL)


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


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, on each of the three."""
    url: str = request.getfixturevalue(request.param)
    return url


def _dsn(port: int) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=port, user="ingest", password=PASSWORD, dbname="postgres"
    )


def _program(name: str, pattern: str, package: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/").glob(pattern[1:]), reverse=True)), None)
    if found is None:
        words = f"{name} is not installed; type: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found


@contextmanager
def _folder(preferred: str) -> Iterator[tuple[Path, pwd.struct_passwd]]:
    """A folder with a short path (a socket's has 107 octets), and the user that it and the server belong to."""
    me = pwd.getpwuid(os.geteuid())
    user = me
    if me.pw_uid == 0:
        users = {one.pw_name: one for one in pwd.getpwall()}
        user = users.get(preferred) or users["nobody"]
    folder = Path(tempfile.mkdtemp(prefix="tlsrpt-", dir="/tmp"))
    try:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as(user: pwd.struct_passwd) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(user: pwd.struct_passwd, command: list[str]) -> None:
    done = subprocess.run(
        command, **_as(user), cwd="/", env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def _start(user: pwd.struct_passwd, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None)
    end = signal.SIGQUIT if command[0].endswith("postgres") else signal.SIGKILL

    def die_with_us() -> None:
        libc.prctl(1, end)  # PR_SET_PDEATHSIG: even where pytest is killed, no server stays behind

    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            **_as(user),
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_us,  # noqa: PLW1509 - one prctl, and the session has no other threads yet
        )


def _stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    server.send_signal(how)
    server.wait()


def _wait(server: subprocess.Popen[bytes], folder: Path, connect: Callable[[], None], refused: type[Exception]) -> None:
    deadline = time.monotonic() + STARTING
    while True:
        try:
            connect()
        except refused:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server does not come up: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent"}
