"""What a command does not import: most of the time that a short run takes is importing."""

import subprocess
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program

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
    ran = subprocess.run(command, env=program.environment(), capture_output=True, text=True, check=False)
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
