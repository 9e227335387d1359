"""A secret is where the config says that it is: in no log, no process list, no traceback and no `config show`."""

import os
import re
import stat
from pathlib import Path

import pytest

from tests import builders
from tests.end_to_end.databases import outcomes, ready
from tests.installed import Program
from tests.servers.databases import PASSWORD, QUOTED


class Site:
    """A host whose config names a database with a password in a file."""

    def __init__(self, program: Program, server: str, folder: Path) -> None:
        self.program = program
        self.url = ready(program, server)
        self.password = PASSWORD
        self.secret = folder / "database-password"
        self.secret.write_text(self.password + "\n", encoding="utf-8")
        self.config = folder / "config.toml"
        plain = server.replace(f":{QUOTED}@", "@")
        self.config.write_text(f'[database]\nurl = "{plain}"\npassword = {{ file = "{self.secret}" }}\n', "utf-8")
        self.archive = builders.write_mbox(folder / "archive.mbox", [builders.mail(number=n) for n in range(200)])

    def words(self, *args: str) -> list[str]:
        return ["--config", str(self.config), "-vv", *args]


@pytest.fixture
def site(program: Program, server: str, tmp_path: Path) -> Site:
    return Site(program, server, tmp_path)


def test_the_password_of_a_database_comes_from_where_the_config_says(site: Site) -> None:
    with site.program.started(*site.words("backfill", str(site.archive))) as process:
        seen = set()
        while process.poll() is None:
            seen.add(Path(f"/proc/{process.pid}/cmdline").read_bytes())
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert outcomes(site.url) == {"recorded": 200}
    assert b"200 recorded" in err
    assert all(site.password.encode() not in text for text in (*seen, out, err))
    for words in (["config", "show"], ["doctor"], ["db", "current"]):
        ran = site.program(*site.words(*words))
        assert ran.status == 0, ran.stderr
        assert site.password not in ran.stdout + ran.stderr


def test_nor_is_it_told_when_it_is_refused(site: Site) -> None:
    site.secret.write_text("wr0ng-secret\n", encoding="utf-8")
    ran = site.program(*site.words("backfill", str(site.archive)))
    assert ran.status == 77
    assert "refused the login" in ran.stderr
    assert "wr0ng-secret" not in ran.stderr


def test_one_that_is_not_there_is_named_by_its_key(site: Site) -> None:
    site.secret.unlink()
    ran = site.program(*site.words("backfill", str(site.archive)))
    assert ran.status == 78
    assert "[database] password" in ran.stderr


@pytest.mark.parametrize("url", ["tlsrpt:s3cret@db.example.org/tlsrpt", "tlsrpt@db.example.org/tlsrpt?password=s3cret"])
def test_a_password_in_the_config_s_url_is_refused(program: Program, tmp_path: Path, url: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\nurl = "postgresql://{url}"\n', encoding="utf-8")
    ran = program("--config", config, "summary")
    assert ran.status == 78
    assert "[database] password" in ran.stderr
    assert "s3cret" not in ran.stderr


def test_the_program_s_own_files_are_for_the_owner_alone(program: Program, tmp_path: Path) -> None:
    builders.write_mbox(tmp_path / "archive.mbox", [builders.mail()])
    before = os.umask(0)
    try:
        assert program("backfill", tmp_path / "archive.mbox").status == 0
    finally:
        os.umask(before)
    files = [path for path in program.home.rglob("*") if path.is_file()]
    assert any(re.fullmatch(r"tlsrpt\.db.*", path.name) for path in files)
    assert [path.name for path in files if stat.S_IMODE(path.stat().st_mode) != 0o600] == []
