"""`make demo` shows what it promises."""

import json
import subprocess
import sys
from pathlib import Path

from tests import builders
from tests.end_to_end.demonstration import make_demo
from tests.installed import Program


def test_it_shows_the_failures_and_the_broken_mails(program: Program, root: Path, tmp_path: Path) -> None:
    demo = make_demo(program, root, tmp_path / "demo")
    for name in ("Google Inc.", "Microsoft Corporation", "Mail.ru", "Company-X"):
        assert name in demo.output
    assert "broken.mbox" in demo.output
    assert "truncated-gzip" in demo.output
    assert "self-signed_certificate" in demo.output, "the report that it explains"
    assert f"{demo.site}/index.html" in demo.output, "the page to open"
    assert (demo.site / "index.html").exists()
    assert "Traceback" not in demo.output


def test_the_archive_has_what_it_is_for(program: Program, sqlite: str, root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, root / "demo" / "archive.py", tmp_path / "archive"], check=True)
    ran = program("backfill", "--json", "--database", sqlite, tmp_path / "archive")
    counts = json.loads(ran.stdout)
    assert {name: counts[name] for name in ("recorded", "duplicate", "conflicting", "rejected", "not_a_report")} == {
        "recorded": 3 * 56 + 37 + 2 * 8 + 2,
        "duplicate": 1,
        "conflicting": 0,
        "rejected": 4,
        "not_a_report": 2 * 56,
    }
    shown = program("show", "--json", tmp_path / "archive" / "every-failure.json.gz").stdout
    assert all(result_type in shown for result_type in builders.RESULT_TYPES)
