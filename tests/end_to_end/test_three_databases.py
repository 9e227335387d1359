"""SQLite, PostgreSQL and MariaDB hold the same rows, and their views say the same, after the same run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from tests import builders
from tests.end_to_end.archives import nasty
from tests.end_to_end.databases import ready, rows
from tests.installed import Program
from tlsrpt_ingest.store import views
from tlsrpt_ingest.store.engine import open_engine


@pytest.fixture
def archive(root: Path, tmp_path: Path) -> Path:
    """The demo's archive, and some that nobody wants."""
    folder = tmp_path / "archive"
    subprocess.run([sys.executable, root / "demo" / "archive.py", folder], check=True)
    mails = [mail for mail, _outcome in nasty()][:50]
    changed = builders.report(2, builders.policy(failures=[builders.failure()]))
    mails += [builders.mail(number=2), builders.mail(builders.gzipped(builders.document(changed)))]
    # The second of these is about the delivery of the first.
    single = [builders.report(number, builders.policy(successful=1)) for number in (400, 401)]
    mails += [builders.mail(builders.gzipped(builders.document(one))) for one in single]
    builders.write_mbox(folder / "nasty.mbox", mails)
    return folder


def seen(database: str, view: Table) -> list[tuple[Any, ...]]:
    engine = open_engine(database)
    columns = [column for column in view.columns if column.name not in ("report_pk", "first_at", "last_at")]
    with engine.connect() as connection:
        found = sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)
    engine.dispose()
    return found


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_the_rows_are_the_same(
    program: Program, sqlite: str, server: str, archive: Path, request: pytest.FixtureRequest
) -> None:
    other = ready(program, request.getfixturevalue(server))
    for database in (sqlite, other):
        assert program("backfill", "--database", database, archive).status == 0
    assert rows(other) == rows(sqlite)
    for view in views.metadata.tables.values():
        assert seen(other, view) == seen(sqlite, view), view.name
        assert seen(sqlite, view), view.name


@pytest.mark.parametrize("command", [["summary"], ["ledger"], ["ledger", "--outcome", "rejected"]])
def test_people_see_the_same(
    program: Program, database: str, command: list[str], archive: Path, tmp_path: Path
) -> None:
    ready(program, database)
    reference = f"sqlite:///{tmp_path / 'reference.db'}"
    for url in (reference, database):
        assert program("backfill", "--database", url, archive).status == 0
    ran = program(*command, "--database", database)
    assert (ran.status, ran.stderr) == (0, "")
    expected = program(*command, "--database", reference).stdout
    if command == ["summary"]:
        assert ran.stdout == expected
    assert len(ran.stdout.splitlines()) == len(expected.splitlines())
