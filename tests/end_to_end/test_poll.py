"""`poll` as cron runs it: the installed program against a real Dovecot and each database."""

import os
import random
import resource
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import builders
from tests.installed import Program, Ran
from tests.servers.dovecot import PASSWORD, User
from tests.servers.proxy import Proxy
from tlsrpt_ingest.store.engine import open_engine

RUNS = int(os.environ.get("POLL_RUNS", "16"))
"""Runs that are killed or cut; 100 over POLL_MESSAGES=2000 is the large test."""
MESSAGES = int(os.environ.get("POLL_MESSAGES", "300"))


class Poller:
    """The program with a config for one user."""

    def __init__(self, program: Program, user: User, url: str, after: str = "", port: int | None = None) -> None:
        self.program = program
        self.user = user
        self.url = url
        self.config = program.home / "config.toml"
        self.write(user.account(after=after, port=port))

    def write(self, text_: str) -> None:
        self.config.write_text(text_, encoding="utf-8")

    def words(self, *more: str) -> list[str]:
        return ["--config", str(self.config), "poll", "--database", self.url, *more]

    def environment(self, password: str = PASSWORD) -> dict[str, str]:
        return {"IMAP_PASSWORD": password}

    def __call__(self, *more: str, password: str = PASSWORD) -> Ran:
        return self.program(*self.words(*more), env=self.environment(password))

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        engine = open_engine(self.url)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(sql))]
        engine.dispose()
        return rows


@pytest.fixture
def poller(program: Program, mailbox: User, sqlite: str) -> Poller:
    return Poller(program, mailbox, sqlite)


def fill(user: User, count: int) -> tuple[int, int]:
    """Reports, one in ten twice, other mail, and one in fifty rotten; how many reports and messages these are."""
    reports = messages = 0
    for number in range(count):
        if number % 50 == 7:
            user.deliver(builders.mail(b"\x1f\x8bno gzip at all", number=number))
        elif number % 10 == 3:
            user.deliver(builders.other_mail(number))
        elif number % 10 == 5:
            user.deliver(builders.mail(number=number - 1))
        else:
            user.deliver(builders.mail(number=number))
            reports += 1
        messages += 1
    return reports, messages


def test_a_run_that_went_well_is_silent(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    assert poller() == Ran(0, "", "")
    assert poller.ask("SELECT count(*) FROM report") == [(1,)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert poller() == Ran(0, "", "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Not timed: a bound far above what it takes, against work that grows with the mailbox's past.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10


def test_a_wrong_password(poller: Poller) -> None:
    for verbosity in ((), ("-v",), ("-v", "-v")):
        ran = poller.program(*verbosity, *poller.words(), env=poller.environment("wr0ng-secret"))
        assert ran.status == 77
        line = ran.stderr.splitlines()[-1]
        assert poller.user.name in line
        assert "password of [[imap]]" in line
        assert "wr0ng-secret" not in ran.stderr
        if not verbosity:
            assert "Traceback" not in ran.stderr
            assert len(ran.stderr.splitlines()) == 1


def test_poison_ahead_of_thirty(poller: Poller) -> None:
    poller.user.deliver(builders.mail(number=99), claimed=100_000)
    for number in range(30):
        poller.user.deliver(builders.mail(number=number))
    ran = poller("--strict")
    assert ran.status == 65
    assert "UID=1: the server cannot hand it out" in ran.stderr
    assert poller.ask("SELECT count(*) FROM report") == [(30,)]
    assert poller.ask("SELECT uid, code FROM delivery WHERE outcome = 'rejected'") == [(1, "unfetchable")]


def test_one_account_that_fails_keeps_no_other_waiting(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    with socket.socket() as taken:  # bound and not listening
        taken.bind(("127.0.0.1", 0))
        away = poller.user.account(port=taken.getsockname()[1]).replace(f'name = "{poller.user.name}"', 'name = "away"')
        poller.write(away + poller.user.account())
        ran = poller()
    assert ran.status == 75
    assert "account 'away'" in ran.stderr
    assert poller.ask("SELECT count(*) FROM report") == [(1,)]


def test_a_second_poller_leaves_at_once(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    with Proxy(poller.user.server.port) as proxy:
        proxy.stall_after = 0
        poller.write(poller.user.account(port=proxy.port))
        with poller.program.started(*poller.words(), env=poller.environment()) as first:
            while not proxy.connections:
                pass
            ran = poller()
            first.send_signal(signal.SIGKILL)
    assert ran.status == 75
    assert "another poll is running" in ran.stderr


def test_dry_run_writes_nothing(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    poller.write(poller.user.account(after='recorded = "delete"'))
    ran = poller("--dry-run", "--json")
    assert ran.status == 0
    assert '"recorded": 1' in ran.stdout
    assert len(poller.user.files()) == 1
    assert not Path(poller.url.removeprefix("sqlite:///")).exists()
    assert [path.name for path in poller.program.home.iterdir()] == ["config.toml"]


def test_killed_and_cut_at_random_moments(program: Program, mailbox: User, database: str) -> None:
    """Whatever happens, each report is recorded once, each message has one outcome, and none is gone."""
    if not database.startswith("sqlite"):
        assert program("db", "upgrade", "--database", database).status == 0
    reports, messages = fill(mailbox, MESSAGES)
    chance = random.Random(8460)  # noqa: S311 - a seed for a test
    after = 'recorded = "move:Done"\nduplicate = "move:Done"'
    with Proxy(mailbox.server.port) as proxy:
        poller = Poller(program, mailbox, database, port=proxy.port, after=after)
        for run in range(RUNS):
            if run % 2:
                proxy.cut_after = int(chance.triangular(0, 3_000 * messages, 0))
                assert poller().status in (0, 75)
                continue
            proxy.cut_after = None
            with poller.program.started(*poller.words(), env=poller.environment()) as process:
                # A moment of its life, whose length is about a second.
                try:
                    process.wait(chance.uniform(0.2, 1.5))
                except TimeoutError:
                    pass
                except Exception as late:  # noqa: BLE001 - subprocess.TimeoutExpired is no TimeoutError
                    assert type(late).__name__ == "TimeoutExpired"  # noqa: PT017 - the moment has come
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
    poller.write(mailbox.account(after=after))
    assert poller().status == 0
    assert poller.ask("SELECT count(*) FROM report") == [(reports,)]
    outcomes = poller.ask("SELECT uid, count(*) FROM delivery GROUP BY mailbox_pk, uid")
    assert len(outcomes) == messages
    assert {count for _uid, count in outcomes} == {1}
    rejected = poller.ask("SELECT count(*) FROM delivery WHERE outcome = 'rejected'")
    other = poller.ask("SELECT count(*) FROM delivery WHERE outcome = 'not_a_report'")
    kept = int(str(rejected[0][0])) + int(str(other[0][0]))
    assert len(mailbox.files()) == kept
    # MOVE is not atomic: a folder may hold a message twice, and never not at all.
    assert len({path.read_bytes() for path in mailbox.files("Done")}) == reports
    assert len(mailbox.files("Done")) >= messages - kept


def test_two_pollers_at_once(program: Program, mailbox: User, database: str) -> None:
    """As on two hosts: the lock of one host does not keep them apart, the database does."""
    if not database.startswith("sqlite"):
        assert program("db", "upgrade", "--database", database).status == 0
    total = 0
    poller = Poller(program, mailbox, database)
    for _round in range(10):
        total += fill_new(mailbox, total, 20)
        with ExitStack() as both:
            processes = [
                both.enter_context(
                    program.started(
                        *poller.words(),
                        env={**poller.environment(), "STATE_DIRECTORY": str(program.home / f"host{host}")},
                    )
                )
                for host in range(2)
            ]
            for process in processes:
                out, err = process.communicate(timeout=120)
                assert (process.returncode, out, err) == (0, b"", b"")
        assert poller.ask("SELECT count(*) FROM report") == [(total,)]
        assert poller.ask("SELECT count(*), count(DISTINCT uid) FROM delivery") == [(total, total)]


def fill_new(user: User, start: int, count: int) -> int:
    for number in range(start, start + count):
        user.deliver(builders.mail(number=number))
    return count
