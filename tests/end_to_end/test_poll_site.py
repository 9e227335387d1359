"""`poll` and the site: written after a run that changed something, and never in the way of the reports."""

import json
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program, Ran
from tests.servers.dovecot import PASSWORD, User


class Poller:
    """The program with a config that names a database and, if you like, a site."""

    def __init__(self, program: Program, user: User, folder: Path) -> None:
        self.program = program
        self.user = user
        self.site = folder / "site"
        self.config = folder / "config.toml"
        self.database = f"sqlite:///{folder / 'tlsrpt.db'}"
        self.write(f'[site]\ndirectory = "{self.site}"\n')

    def write(self, more: str) -> None:
        text = f'[database]\nurl = "{self.database}"\n\n{self.user.account()}\n\n{more}'
        self.config.write_text(text, encoding="utf-8")

    def __call__(self, *more: str | Path, command: str = "poll") -> Ran:
        return self.program("--config", self.config, command, *more, env={"IMAP_PASSWORD": PASSWORD})

    @property
    def index(self) -> str:
        return (self.site / "index.html").read_text(encoding="utf-8")


@pytest.fixture
def poller(program: Program, mailbox: User, tmp_path: Path) -> Poller:
    return Poller(program, mailbox, tmp_path)


def test_the_site_follows_the_reports(poller: Poller) -> None:
    poller.user.deliver(builders.mail())
    assert poller() == Ran(0, "", "")
    assert "1 report from 1 sender" in poller.index
    (page,) = poller.site.glob("domain-*")
    page.unlink()
    poller.user.deliver(builders.other_mail())
    assert poller() == Ran(0, "", "")
    assert not page.exists(), "nothing that the pages say is new"
    poller.user.deliver(builders.mail(number=1))
    assert poller() == Ran(0, "", "")
    assert "2 reports from 1 sender" in poller.index
    assert page.exists()


def test_a_site_is_of_one_database(poller: Poller, tmp_path: Path) -> None:
    poller.user.deliver(builders.mail())
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert poller("--database", other) == Ran(0, "", "")
    assert not poller.site.exists()
    assert poller("--dry-run").status == 0
    assert not poller.site.exists()
    elsewhere = tmp_path / "elsewhere"
    assert poller("--database", other, "--site", elsewhere) == Ran(0, "", "")
    assert "1 report from" in (elsewhere / "index.html").read_text(encoding="utf-8"), "there was none yet"


def test_reports_are_recorded_where_the_site_cannot_be_written(poller: Poller) -> None:
    poller.site.mkdir()
    (poller.site / "index.html").write_text("<h1>It works!</h1>", encoding="utf-8")
    poller.user.deliver(builders.mail())
    ran = poller()
    assert ran.status == 78
    assert "did not write" in ran.stderr
    assert json.loads(poller("--json", command="summary").stdout)["reports"] == 1
    assert poller.index == "<h1>It works!</h1>"


def test_the_command_takes_the_folder_of_the_config(poller: Poller, tmp_path: Path) -> None:
    poller.user.deliver(builders.mail())
    poller()
    (poller.site / "index.html").unlink()
    assert poller(command="site") == Ran(0, "", "")
    assert "1 report from" in poller.index
    poller.write("")
    ran = poller(command="site")
    assert ran.status == 78
    assert "[site] directory" in ran.stderr
    poller.write("[site]\ndays = 401\n")
    assert "site.days" in poller(command="site").stderr
    poller.write("")
    assert poller("--days", "30", tmp_path / "chosen", command="site") == Ran(0, "", "")
