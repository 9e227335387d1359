"""`make demo`, run with the installed wheel in place of an environment of its own."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installed import Program


@dataclass(frozen=True)
class Demo:
    """What `make demo` printed, and the folder that it filled."""

    output: str
    folder: Path

    @property
    def site(self) -> Path:
        """The pages."""
        return self.folder / "site"


def make_demo(program: Program, root: Path, folder: Path) -> Demo:
    """Run `make demo` into a folder that is not there yet."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    environment = program.script.parents[1]
    (environment / ".program").touch()  # the stamp that says that nothing needs to be installed
    done = subprocess.run(
        [make, "--no-print-directory", "demo", f"VENV={environment}", f"DEMO={folder}"],
        cwd=root,
        env=program.environment({"PATH": "/usr/bin:/bin", "COLUMNS": "160"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Demo(done.stdout + done.stderr, folder)
