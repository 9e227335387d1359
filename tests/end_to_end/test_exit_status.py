"""The exit status tells the truth, and the words beside it say what to do."""

import socket
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return builders.write_mbox(tmp_path / "archive.mbox", [builders.mail()])


@pytest.mark.parametrize(
    "args",
    [["backfill"], ["backfill", "--no-such-option", "x"], ["no-such-command"], ["prune", "--older-than", "soon"]],
)
def test_2_usage(program: Program, args: list[str]) -> None:
    ran = program(*args)
    assert ran.status == 2
    assert "Usage:" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("url", ["nonsense", "oracle://x/y", "sqlite://", "postgresql://[::1/x"])
def test_78_a_database_url_that_is_none(program: Program, archive: Path, url: str) -> None:
    ran = program("backfill", "--database", url, archive)
    assert ran.status == 78
    assert "sqlite" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_78_a_path_that_is_not_there(program: Program, sqlite: str, tmp_path: Path) -> None:
    ran = program("backfill", "--database", sqlite, tmp_path / "not-there.mbox")
    assert ran.status == 78
    assert "not-there.mbox" in ran.stderr


@pytest.mark.parametrize("text", ["[databse]\n", "[database]\nurl = 5\n", "not toml at all ["])
def test_78_a_config_file_that_cannot_be_used(program: Program, archive: Path, tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    ran = program("--config", config, "backfill", archive)
    assert ran.status == 78
    assert str(config) in ran.stderr


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_78_a_server_without_tables_and_the_command_to_type(
    program: Program, archive: Path, server: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(server)
    ran = program("backfill", "--database", url, archive)
    assert ran.status == 78
    assert "tlsrpt-ingest db upgrade" in ran.stderr
    assert "p%40ss" not in ran.stderr, "the password is nobody's business"


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_77_a_refused_login(program: Program, archive: Path, server: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(server).replace("p%40ss%2Fw%3Ard", "wrong")
    ran = program("backfill", "--database", url, archive)
    assert ran.status == 77
    assert "wrong" not in ran.stderr


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb"])
def test_75_nobody_listens(program: Program, archive: Path, scheme: str) -> None:
    with socket.socket() as taken:  # bound and not listening: connections to it are refused
        taken.bind(("127.0.0.1", 0))
        url = f"{scheme}://user@127.0.0.1:{taken.getsockname()[1]}/reports"
        ran = program("backfill", "--database", url, archive)
    assert ran.status == 75
    assert "Traceback" not in ran.stderr


def test_a_reader_that_has_seen_enough_is_no_failure_of_ours(program: Program, sqlite: str, archive: Path) -> None:
    program("backfill", "--database", sqlite, archive)
    with program.started("ledger", "--database", sqlite) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)
