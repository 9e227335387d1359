"""What disks, clocks and databases do to a run: a plain word, the right status, nothing lost, the next run goes on.

Servers that vanish between two statements, refuse a packet or close an idle connection are in
tests/servers/test_store_servers.py; locks, deadlocks and connections all taken in tests/servers/test_store_faults.py.
"""

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests import builders
from tests.end_to_end.archives import small_mboxes
from tests.end_to_end.databases import outcomes, ready, rows
from tests.installed import PATIENCE, Program, Ran
from tests.servers.databases import postgresql_of_its_own
from tests.servers.process import program as server_program

FILES, MAILS = 20, 30


@pytest.fixture
def archive(tmp_path: Path) -> list[Path]:
    return small_mboxes(tmp_path / "archive", FILES, MAILS)


def undisturbed(program: Program, archive: list[Path], folder: Path) -> dict[str, list[tuple[object, ...]]]:
    database = f"sqlite:///{folder / 'undisturbed.db'}"
    assert program("backfill", "--database", database, *archive).status == 0
    return rows(database)


def says(ran: Ran, status: int, *words: str) -> None:
    """It ended with that status, in one line for people with these words."""
    assert ran.status == status, ran.stderr
    assert "Traceback" not in ran.stderr
    for word in words:
        assert word in ran.stderr


class Mounts:
    """A shell in a mount namespace of its own, where a test may mount what it likes."""

    def __init__(self, program: Program) -> None:
        if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
            pytest.skip("no mount namespaces here (unshare -rm)")
        self._program = program

    def __call__(self, script: str, *args: str | Path) -> Ran:
        """Run a script, in which $P is the program and $1 and so on are `args`."""
        environment = self._program.environment({"PATH": os.environ["PATH"], "P": str(self._program.script)})
        command = ["unshare", "-rm", "sh", "-c", script, "sh", *map(str, args)]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=False)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def mounts(program: Program) -> Mounts:
    return Mounts(program)


def test_a_full_disk(program: Program, mounts: Mounts, archive: list[Path], tmp_path: Path) -> None:
    disk, copy = tmp_path / "disk", tmp_path / "copy.db"
    disk.mkdir()
    full = mounts(
        'disk=$1 copy=$2; shift 2; mount -t tmpfs -o size=700k tmpfs "$disk" || exit 99\n'
        'set -- backfill --database "sqlite:///$disk/x.db" "$@"\n'
        '"$P" "$@"; echo "first $?"; "$P" "$@"; echo "again $?"\n'
        'mount -o remount,size=50m "$disk"; "$P" "$@"; echo "room $?"\n'
        'cp "$disk"/x.db* "$(dirname "$copy")"; mv "$(dirname "$copy")/x.db" "$copy"\n',
        disk,
        copy,
        *archive,
    )
    assert full.stdout.split("\n")[:3] == ["first 75", "again 75", "room 0"], full.stderr
    assert "Traceback" not in full.stderr
    assert "full" in full.stderr
    assert rows(f"sqlite:///{copy}") == undisturbed(program, archive, tmp_path)


def test_a_database_on_a_read_only_file_system(
    program: Program, mounts: Mounts, archive: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    database = f"sqlite:///{folder / 'x.db'}"
    assert program("backfill", "--database", database, archive[0]).status == 0
    ran = mounts(
        'folder=$1; shift; mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder" || exit 99\n'
        'exec "$P" "$@"\n',
        folder,
        "backfill",
        "--database",
        database,
        *archive,
    )
    says(ran, 75, "x.db", "read")
    assert program("backfill", "--database", database, *archive).status == 0
    assert rows(database) == undisturbed(program, archive, tmp_path)


def test_a_page_of_the_database_is_corrupt(program: Program, archive: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    database = f"sqlite:///{file}"
    assert program("backfill", "--database", database, *archive).status == 0
    whole = file.read_bytes()
    octets = bytearray(whole)
    size = int.from_bytes(octets[16:18])
    for page in range(2 * size, len(octets), size):
        octets[page : page + 8] = b"\xff" * 8
    file.write_bytes(octets)
    says(program("backfill", "--database", database, builders.write_mbox(tmp_path / "new.mbox", [builders.mail()])), 78,
         "damaged", "backup")  # fmt: skip
    file.write_bytes(whole)
    assert program("backfill", "--database", database, *archive).status == 0
    assert rows(database) == undisturbed(program, archive, tmp_path)


def test_a_clock_that_was_set_back(program: Program, archive: list[Path], tmp_path: Path) -> None:
    faketime = server_program("faketime", "/usr/bin/faketime", package="faketime")
    database = f"sqlite:///{tmp_path / 'x.db'}"
    assert program("backfill", "--database", database, *archive[:10]).status == 0
    command: list[str | Path] = [
        faketime,
        "2019-01-01 00:00:00",
        program.script,
        "backfill",
        "--database",
        database,
        *archive,
    ]
    environment = program.environment({"PATH": os.environ["PATH"]})
    back = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (back.returncode, back.stdout, back.stderr) == (0, "", "")
    assert outcomes(database) == {"recorded": FILES * MAILS}
    assert rows(database) == undisturbed(program, archive, tmp_path)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        years = connection.execute("SELECT substr(recorded_at, 1, 4), count(*) FROM report GROUP BY 1").fetchall()
    assert dict(years)["2019"] == FILES * MAILS // 2
    assert program("summary", "--database", database).status == 0


@pytest.mark.parametrize("words", [["backfill", "x.mbox"], ["summary"], ["ledger"], ["reprocess"]])
def test_a_database_of_a_newer_version(program: Program, tmp_path: Path, words: list[str]) -> None:
    database = f"sqlite:///{tmp_path / 'x.db'}"
    builders.write_mbox(program.home / "x.mbox", [builders.mail()])
    assert program("backfill", "--database", database, "x.mbox").status == 0
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    says(program(*words, "--database", database), 78, "newer", "upgrade")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_postgresql_is_restarted_in_the_middle(
    program: Program, archive: list[Path], tmp_path: Path, how: signal.Signals
) -> None:
    with postgresql_of_its_own({"fsync": "off"}) as server:
        database = ready(program, f"{server.url}/postgres")
        with program.started("backfill", "--database", database, *archive) as process:
            while process.poll() is None and outcomes(database).total() < MAILS:
                pass
            server.stop(how)
            _out, err = process.communicate(timeout=PATIENCE)
        says(Ran(process.returncode, "", err.decode()), 75, "is not available")
        away = program("backfill", "--database", database, *archive)
        says(away, 75, "is not available")
        server.start()
        assert 0 < outcomes(database).total() < FILES * MAILS
        assert program("backfill", "--database", database, *archive).status == 0
        assert rows(database) == undisturbed(program, archive, tmp_path)
