"""`make demo` shows what it promises, here with the installed wheel in place of an environment of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program


@pytest.fixture
def demo(program: Program, root: Path, tmp_path: Path) -> str:
    """What `make demo` prints."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    environment = program.script.parents[1]
    (environment / ".program").touch()  # the stamp that says that nothing needs to be installed
    done = subprocess.run(
        [make, "--no-print-directory", "demo", f"VENV={environment}", f"DEMO={tmp_path / 'demo'}"],
        cwd=root,
        env=program.environment({"PATH": "/usr/bin:/bin", "COLUMNS": "160"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_shows_the_failures_and_the_broken_mails(demo: str) -> None:
    for name in ("Google Inc.", "Microsoft Corporation", "Mail.ru", "Company-X"):
        assert name in demo
    assert "broken.mbox" in demo
    assert "truncated-gzip" in demo
    assert "self-signed_certificate" in demo, "the report that it explains"
    assert "Traceback" not in demo


def test_the_archive_has_what_it_is_for(program: Program, sqlite: str, root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, root / "demo" / "archive.py", tmp_path / "archive"], check=True)
    ran = program("backfill", "--json", "--database", sqlite, tmp_path / "archive")
    counts = json.loads(ran.stdout)
    assert {name: counts[name] for name in ("recorded", "duplicate", "conflicting", "rejected", "not_a_report")} == {
        "recorded": 7 + 7 + 3 + 2,
        "duplicate": 1,
        "conflicting": 0,
        "rejected": 4,
        "not_a_report": 14,
    }
    shown = program("show", "--json", tmp_path / "archive" / "every-failure.json.gz").stdout
    assert all(result_type in shown for result_type in builders.RESULT_TYPES)
