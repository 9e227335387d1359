"""From a sender's SMTP to a row: Postfix into a mailbox that is polled, and Postfix into the program itself."""

import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import builders
from tests.installed import Program
from tests.servers.dovecot import PASSWORD, User
from tests.servers.postfix import Postfix
from tests.servers.process import folder_for
from tlsrpt_ingest.store.engine import open_engine

DEPLOY = Path(__file__).parents[2] / "deploy"


def reachable(script: Path, home: Path, user: pwd.struct_passwd) -> Path:
    """The program for `user`, who may neither enter pytest's folders nor, perhaps, the place of our Python."""
    (packages,) = script.parents[1].glob("lib/python3*/site-packages")
    shutil.copytree(packages, home / "packages")
    path = f"{home / 'packages'}:{(packages / 'dependencies.pth').read_text(encoding='utf-8').strip()}"
    made = home / "tlsrpt-ingest"
    for python in (Path(sys.executable).resolve(), Path("/usr/bin/python3")):
        made.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {python} -m tlsrpt_ingest "$@"\n', encoding="utf-8")
        made.chmod(0o755)
        tried = subprocess.run([made, "--version"], user=user.pw_uid, cwd="/", capture_output=True, check=False)
        if tried.returncode == 0:
            return made
    pytest.skip(f"no Python of this version that {user.pw_name} may run")


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for("root") as (made, _owner):
        made.chmod(0o755)
        yield made


def organizations(url: str) -> list[str]:
    engine = open_engine(url)
    with engine.connect() as connection:
        found = [row[0] for row in connection.execute(text("SELECT organization_name FROM report"))]
    engine.dispose()
    return found


def test_by_smtp_into_a_mailbox_that_the_timer_polls(
    program: Program, mailbox: User, folder: Path, sqlite: str
) -> None:
    owner = mailbox.maildir.stat()
    postfix = Postfix(
        folder,
        f"virtual_mailbox_domains = example.com\nvirtual_mailbox_base = {mailbox.maildir.parent}\n"
        f"virtual_mailbox_maps = static:{mailbox.name}/\nvirtual_minimum_uid = 1\n"
        f"virtual_uid_maps = static:{owner.st_uid}\nvirtual_gid_maps = static:{owner.st_gid}",
    )
    postfix.start()
    try:
        postfix.send(builders.mail(), "tls-reports@example.com")
        postfix.wait("tls-reports@example.com", "sent")
    finally:
        postfix.stop()
    # The command of the unit, with the paths of this test.
    unit = (DEPLOY / "tlsrpt-ingest.service").read_text(encoding="utf-8")
    words = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0].split()
    config = program.home / "config.toml"
    config.write_text(f'[database]\nurl = "{sqlite}"\n{mailbox.account()}', encoding="utf-8")
    words = [str(config) if word == "/etc/tlsrpt-ingest/config.toml" else word for word in words[1:]]
    ran = program(*words, env={"IMAP_PASSWORD": PASSWORD})
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    assert len(organizations(sqlite)) == 1


def test_by_smtp_into_the_pipe(script: Path, folder: Path) -> None:
    """The pipe of deploy/, with this test's program; while the database is away the mail waits in the queue."""
    with folder_for("nobody") as (home, owner):
        installed = reachable(script, home, owner)
        database = home / "state" / "tlsrpt.db"
        (home / "config.toml").write_text(f'[database]\nurl = "sqlite:///{database}"\n', encoding="utf-8")
        (home / "state").write_text("a file where the folder should be", encoding="utf-8")
        service = (DEPLOY / "postfix-master.cf").read_text(encoding="utf-8")
        service = service.replace("/usr/bin/tlsrpt-ingest", str(installed))
        service = service.replace("/etc/tlsrpt-ingest/config.toml", str(home / "config.toml"))
        service = service.replace("user=tlsrpt", f"user={owner.pw_name}")
        postfix = Postfix(folder, "relay_domains = example.com\nrelay_transport = tlsrpt:", service)
        postfix.start()
        try:
            postfix.send(builders.mail(), "tls-reports@example.com")
            postfix.wait("tls-reports@example.com", "deferred")
            (home / "state").unlink()
            (home / "state").mkdir()
            shutil.chown(home / "state", owner.pw_uid)
            postfix.wait("tls-reports@example.com", "sent")
        finally:
            postfix.stop()
        assert len(organizations(f"sqlite:///{database}")) == 1
