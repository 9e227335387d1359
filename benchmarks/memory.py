"""Backfill mailboxes of growing size: neither the memory nor the time of a message may grow with them.

    python -m benchmarks.memory 20000 1000000

Prints for each how long a message took, the peak resident set and the size of the database, table by table for the
last; exits with 1 where memory is more than 10 %, or the time of a message more than 30 %, above the first. What was
measured is kept for the page of `make bench`. A million small messages take 5 GB of disk and some minutes.
"""

import argparse
import json
import sqlite3
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.corpus import messages, write_mbox
from benchmarks.measure import program

MORE_MEMORY: Final = 1.10
MORE_TIME: Final = 1.30
KEPT: Final = "growth.json"


@dataclass(frozen=True, slots=True)
class Size:
    """What the backfill of so many messages took."""

    count: int
    cpu: float
    """Seconds of the processor."""
    wall: float
    peak: float
    """MiB of the largest process."""
    octets: int
    """Of the database."""

    @property
    def microseconds(self) -> float:
        """Of the processor, a message."""
        return self.cpu / self.count * 1_000_000


def backfill(count: int, kind: str, jobs: int, folder: Path) -> Size:
    """Write an mbox, read it, and remove it."""
    mbox, database = folder / f"{count}.mbox", folder / f"{count}.db"
    write_mbox(mbox, messages(kind, count))
    url = f"sqlite:///{database}"
    command = [sys.executable, "-m", "tlsrpt_ingest", "backfill", "--jobs", str(jobs), "--database", url, mbox]
    usage = program(command)
    mbox.unlink()
    return Size(count, usage.cpu, usage.wall, usage.peak, database.stat().st_size)


def growth(folder: Path) -> str:
    """The Markdown table of what was kept in a folder; nothing where nothing was."""
    path = folder / KEPT
    if not path.exists():
        return ""
    kept = json.loads(path.read_text())
    lines = [
        "| messages | µs of CPU each | seconds | peak memory | database, octets each |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in (Size(**size) for size in kept["sizes"]):
        cells = (
            f"{one.count:,}",
            f"{one.microseconds:.0f}",
            f"{one.wall:,.0f}",
            f"{one.peak:.0f} MiB",
            f"{one.octets / one.count:,.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    words = f"`python -m benchmarks.memory`: {kept['kind']} messages from an mbox to SQLite, --jobs {kept['jobs']}."
    return "\n".join(["### Growth", "", words, "", *lines, ""])


def tables(database: Path) -> list[tuple[str, int]]:
    """Octets of each table and index, the largest first; nothing where SQLite was built without dbstat."""
    with sqlite3.connect(database) as connection:
        try:
            return connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC").fetchall()
        except sqlite3.OperationalError:
            return []


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=int, nargs="*", default=[20_000, 1_000_000])
    parser.add_argument("--kind", default="small")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tlsrpt-ingest-benchmarks")
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    sizes: list[Size] = []
    with TemporaryDirectory(dir=asked.cache) as folder:
        for count in asked.counts:
            one = backfill(count, asked.kind, asked.jobs, Path(folder))
            sizes.append(one)
            print(
                f"{one.count:>9,} messages  {one.microseconds:>6.1f} µs of CPU each  {one.wall:>7.1f} s"
                f"  {one.peak:>6.1f} MiB at most  {one.octets / one.count:>7,.0f} octets each in the database",
                flush=True,
            )
        for name, octets in tables(Path(folder) / f"{asked.counts[-1]}.db"):
            print(f"{octets / asked.counts[-1]:>9,.1f} octets a message  {name}")
    results = asked.cache / "results"
    results.mkdir(exist_ok=True)
    kept = {"kind": asked.kind, "jobs": asked.jobs, "sizes": [asdict(one) for one in sizes]}
    (results / KEPT).write_text(json.dumps(kept, indent=1))
    first = sizes[0]
    memory = max(one.peak for one in sizes) > MORE_MEMORY * first.peak
    sys.exit(memory or max(one.microseconds for one in sizes) > MORE_TIME * first.microseconds)


if __name__ == "__main__":
    main()
