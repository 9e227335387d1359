"""What a command does not import: most of the time that a short run takes is importing."""

import subprocess
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program
from tests.servers.dovecot import PASSWORD, User

PROGRAM = """
import sys
from tlsrpt_ingest.cli import main
try:
    main()
finally:
    print(*(name for name in sys.modules if not name.startswith("_")), file=sys.stderr)
"""


def imported(program: Program, *arguments: str | Path) -> set[str]:
    """The modules that are there at the end of a run that goes well."""
    python = program.script.with_name("python")
    command = [python, "-P", "-c", PROGRAM, *arguments]
    environment = program.environment({"IMAP_PASSWORD": PASSWORD})
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {*ran.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_program_itself_imports_no_command(program: Program, option: str) -> None:
    modules = imported(program, option)
    assert modules & {"sqlalchemy", "pydantic", "importlib.metadata"} == set()
    assert {name for name in modules if name.startswith("tlsrpt_ingest")} <= {
        "tlsrpt_ingest",
        "tlsrpt_ingest.cli",
        "tlsrpt_ingest.cli.program",
        "tlsrpt_ingest.cli.words",
        "tlsrpt_ingest.errors",
        "tlsrpt_ingest.output",
        "tlsrpt_ingest.output.text",
    }


def test_backfill_of_a_file_imports_nothing_of_other_sources_and_outputs(program: Program, sqlite: str) -> None:
    path = builders.write_mbox(program.home / "one.mbox", [builders.mail(builders.gzipped(builders.document()))])
    for _ in ("into a new database", "into the same again"):
        modules = imported(program, "backfill", "--jobs", "1", "--database", sqlite, path)
        assert "tlsrpt_ingest.ingest" in modules
        assert modules & {"alembic", "dkim", "dns", "imapclient", "jinja2", "multiprocessing", "rich"} == set()
        assert (
            modules & {f"tlsrpt_ingest.{name}" for name in ("cli.poll", "sources.imap", "store.ask", "processes")}
            == set()
        )


def test_a_poll_that_finds_nothing_imports_nothing_that_reads_mail(
    program: Program, mailbox: User, sqlite: str
) -> None:
    config = program.home / "config.toml"
    config.write_text(mailbox.account(), encoding="utf-8")
    modules = imported(program, "--config", config, "poll", "--database", sqlite)
    assert "imapclient" in modules
    assert modules & {"alembic", "dkim", "dns", "jinja2", "multiprocessing", "rich"} == set()
    assert modules & {f"tlsrpt_ingest.{name}" for name in ("ingest", "mail", "output.site", "rfc8460")} == set()
