"""The installed wheel runs with nothing in its environment but HOME, and without the checkout."""

import subprocess
from pathlib import Path

from tests.installed import Program


def test_the_wheel_runs_and_not_the_checkout(program: Program, root: Path) -> None:
    python = program.script.with_name("python")
    where = subprocess.run(
        [python, "-c", "import tlsrpt_ingest.migrations as it; print(it.__file__)"],
        env=program.environment(),
        capture_output=True,
        text=True,
        check=True,
        cwd=program.home,
    ).stdout
    assert not Path(where.strip()).is_relative_to(root)


def test_it_says_its_version(program: Program) -> None:
    ran = program("--version")
    assert (ran.status, ran.stderr) == (0, "")
    assert ran.stdout.startswith("tlsrpt-ingest ")


def test_python_m_is_the_console_script(program: Program) -> None:
    module = Program(program.script.with_name("python"), program.home)
    assert module("-m", "tlsrpt_ingest", "--help") == program("--help")
