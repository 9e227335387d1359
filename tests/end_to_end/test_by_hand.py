"""`poll --watch`, `doctor`, and reading an IMAP folder by hand, with the installed program."""

import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests import builders
from tests.end_to_end.test_poll import Poller
from tests.installed import PATIENCE, Program
from tests.servers.dovecot import User
from tests.servers.proxy import Proxy
from tlsrpt_ingest import limits
from tlsrpt_ingest.store.engine import open_engine


@pytest.fixture
def poller(program: Program, mailbox: User, sqlite: str) -> Poller:
    return Poller(program, mailbox, sqlite)


class Systemd:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(PATIENCE)

    def until(self, wanted: Callable[[str], bool]) -> list[str]:
        """What it was told until `wanted` was among it."""
        told: list[str] = []
        while not told or not wanted(told[-1]):
            told.append(self._socket.recv(4096).decode())
        return told

    def close(self) -> None:
        self._socket.close()


def reports(url: str) -> int:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.scalar(text("SELECT count(*) FROM report")) or 0)
    except OperationalError:  # not made yet
        return 0
    finally:
        engine.dispose()


def test_watch(poller: Poller, tmp_path: Path) -> None:
    """It drains, says that it is ready, takes what comes, survives a lost connection, and ends when it is told to."""
    systemd = Systemd(tmp_path)
    poller.user.deliver(builders.mail(number=0))
    with Proxy(poller.user.server.port) as proxy:
        poller.write(poller.user.account(port=proxy.port))
        environment = {**poller.environment(), "NOTIFY_SOCKET": str(systemd.path)}
        with poller.program.started(*poller.words("--watch"), env=environment) as process:
            systemd.until(lambda state: state == "READY=1")
            assert reports(poller.url) == 1
            # It listens from here on, and has looked for what came before it did.
            systemd.until(lambda state: "last poll: 0 items" in state)
            poller.user.deliver(builders.mail(number=1))
            systemd.until(lambda state: "last poll: 1 items" in state)
            assert reports(poller.url) == 2
            poller.user.server.kill_sessions()
            poller.user.deliver(builders.mail(number=2))
            told = systemd.until(lambda state: "last poll: 1 items" in state)
            assert "WATCHDOG=1" in told
            assert reports(poller.url) == 3
            process.send_signal(signal.SIGTERM)
            _out, err = process.communicate(timeout=PATIENCE)
    systemd.close()
    assert process.returncode == 0
    assert b"Traceback" not in err


def test_watch_ends_when_only_the_operator_can_help(poller: Poller) -> None:
    ran = poller("--watch", password="wrong")  # noqa: S106 - what is tested
    assert ran.status == 77
    assert "refused the login" in ran.stderr


def test_sigterm_finishes_the_batch_in_hand(poller: Poller) -> None:
    count = 4000
    for number in range(count):
        poller.user.deliver(builders.mail(number=number))
    with poller.program.started(*poller.words(), env=poller.environment()) as process:
        while reports(poller.url) == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _out, err = process.communicate(timeout=PATIENCE)
    done = reports(poller.url)
    if done < count:
        assert process.returncode == 128 + signal.SIGTERM
        assert b"stopped after the batch in hand" in err
        assert done % limits.BATCH_ITEMS == 0
    assert poller().status == 0
    assert reports(poller.url) == count


def test_backfill_of_an_imap_folder(poller: Poller) -> None:
    for number in range(3):
        poller.user.deliver(builders.mail(number=number), "Archive/2024")
    poller.write(poller.user.account(after='recorded = "delete"'))
    words = ["--config", str(poller.config), "backfill", "--database", poller.url]
    by_url = poller.program(*words, "imap://127.0.0.1/Archive/2024", env=poller.environment())
    assert (by_url.status, by_url.stderr) == (0, "")
    assert reports(poller.url) == 3
    assert len(poller.user.files("Archive/2024")) == 3, "an archive is only read"
    by_name = poller.program(*words, poller.user.name, "--folder", "Archive/*", "--json", env=poller.environment())
    assert '"items": 0' in by_name.stdout
    unknown = poller.program(*words, "imap://elsewhere.example/INBOX", env=poller.environment())
    assert unknown.status == 78
    assert "no [[imap]] account" in unknown.stderr


def test_reprocess_reads_rejected_messages_again(poller: Poller) -> None:
    broken = poller.user.deliver(builders.mail(b"\x1f\x8bno gzip at all"))
    poller.write(poller.user.account(more="attempts = 1"))
    assert poller().status == 0
    assert poller.ask("SELECT outcome, attempts FROM delivery") == [("rejected", 1)]
    assert poller().stderr == "", "it is not tried again by polls"
    words = ["--config", str(poller.config), "reprocess", "--database", poller.url, "--strict"]
    assert poller.program(*words, env=poller.environment()).status == 65
    assert poller.ask("SELECT outcome, attempts FROM delivery") == [("rejected", 2)]
    assert broken.name


def test_doctor(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    words = ["--config", str(poller.config), "doctor", "--database", poller.url]
    well = poller.program(*words, env=poller.environment())
    assert well.status == 0
    assert "folder 'INBOX': 1 messages" in well.stdout
    assert "wrong" not in well.stdout
    ill = poller.program(*words, env=poller.environment("wr0ng-secret"))
    assert ill.status == 77
    assert "password of [[imap]]" in " ".join(ill.stdout.split())
    assert "wr0ng-secret" not in ill.stdout + ill.stderr
    assert not Path(poller.url.removeprefix("sqlite:///")).exists()
    config = subprocess.run(
        [poller.program.script, "--config", poller.config, "config", "show"], capture_output=True, text=True, check=True
    )
    assert '"environment": "IMAP_PASSWORD"' in config.stdout
