"""`poll --metrics` and `alerts` after it, as cron runs them: the installed program against a real Dovecot."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import builders
from tests.end_to_end.test_poll import Poller
from tests.installed import Program, Ran
from tests.servers.dovecot import User


@pytest.fixture
def poller(program: Program, mailbox: User, sqlite: str) -> Poller:
    return Poller(program, mailbox, sqlite)


def alerts(poller: Poller, *more: str) -> Ran:
    return poller.program("--config", str(poller.config), "alerts", "--database", poller.url, *more)


def test_metrics_tell_of_the_run_that_wrote_them_whether_or_not_it_went_well(poller: Poller, tmp_path: Path) -> None:
    file = tmp_path / "tlsrpt.prom"
    poller.user.deliver(builders.mail())
    assert poller("--metrics", str(file)) == Ran(0, "", "")
    good = file.read_text(encoding="utf-8")
    assert 'tlsrpt_last_run_exit_status{command="poll"} 0.0' in good
    assert 'tlsrpt_last_run_deliveries{command="poll",outcome="recorded"} 1.0' in good
    assert poller("--metrics", str(file), password="wrong").status == 77  # noqa: S106 - wrong on purpose
    bad = file.read_text(encoding="utf-8")
    assert 'tlsrpt_last_run_exit_status{command="poll"} 77.0' in bad
    (line,) = (line for line in good.splitlines() if line.startswith("tlsrpt_last_good_run_timestamp_seconds{"))
    assert line in bad


def test_alerts_know_whether_a_poll_went_well(poller: Poller) -> None:
    assert alerts(poller, "--dry-run").stdout.startswith("NEW: no poll went well\n")
    assert poller().status == 0
    assert alerts(poller) == Ran(0, "", "")


def test_a_dry_poll_is_no_poll(poller: Poller) -> None:
    assert poller("--dry-run").status == 0
    assert "None ever did." in alerts(poller, "--dry-run").stdout


def test_what_nobody_could_read_is_told_the_next_time(program: Program, sqlite: str, tmp_path: Path) -> None:
    archive = builders.write_mbox(tmp_path / "a.mbox", [builders.mail()])
    assert program("backfill", "--database", sqlite, archive).status == 0
    reading, writing = os.pipe()
    os.close(reading)
    command: list[str | Path] = [program.script, "alerts", "--database", sqlite]
    gone = subprocess.run(command, env=program.environment(), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (gone.returncode, gone.stderr) == (141, b"")
    closed = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&-', "sh", *command], env=program.environment(), stderr=subprocess.PIPE, check=False
    )
    assert closed.returncode == 75
    assert b"standard output is closed" in closed.stderr
    told = program("alerts", "--database", sqlite)
    assert told.stdout.startswith("NEW: no report of anybody\n")
    assert program("alerts", "--database", sqlite) == Ran(0, "", "")
