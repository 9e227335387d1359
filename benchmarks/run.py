"""`make bench`: everything side by side; prints tables of ratios and writes docs/performance.md.

python -m benchmarks.run                     everything: half an hour on a machine with nothing else to do
python -m benchmarks.run --only imap         one comparison; the page keeps the others as they were last measured
python -m benchmarks.run --smoke             everything in a few minutes, to see that it works; writes no page
"""

import argparse
import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import comparisons
from benchmarks.measure import Comparison
from benchmarks.memory import growth
from benchmarks.page import table, write
from benchmarks.setting import Setting

ROOT: Final = Path(__file__).parent.parent
SMOKE: Final = 200


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="of the whole runs; parsing alone takes a tenth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0, help="which one the runs on one core are pinned to")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tlsrpt-ingest-benchmarks")
    parser.add_argument("--only", choices=comparisons.ALL, action="append", help="one comparison (may be repeated)")
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} messages, one round, no page")
    asked = parser.parse_args()
    if asked.smoke:
        asked.messages, asked.rounds = SMOKE, 1
    setting = Setting(ROOT, asked.cache, asked.messages, asked.rounds, asked.core)
    kept = asked.cache / "results"
    for name in asked.only or comparisons.ALL:
        comparison = comparisons.ALL[name](setting)
        if not asked.smoke:
            comparison.save(kept, _circumstances(setting))
        print(table(comparison))
    if not asked.smoke:
        found = [kept / f"{name}.json" for name in comparisons.ALL]
        write(ROOT / "docs", [Comparison.load(path) for path in found if path.exists()], growth(kept))


def _circumstances(setting: Setting) -> str:
    said = subprocess.run(  # noqa: S603 - our own command
        [setting.incumbent / "bin" / "parsedmarc", "--version"], check=True, capture_output=True, text=True
    )
    ours = ", ".join(f"{name} {version(name)}" for name in ("pydantic", "SQLAlchemy", "psycopg"))
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, medians of {setting.rounds} alternating rounds, on"
        f" {_processor()} with {os.cpu_count()} cores; CPython {platform.python_version()}, {ours}, SQLite"
        f" {sqlite3.sqlite_version}, parsedmarc {said.stdout.strip()}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
