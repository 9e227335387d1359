"""`make bench`: everything side by side in one run; prints tables of ratios and writes docs/performance.md.

python -m benchmarks.run --messages 20000 --rounds 5
"""

import argparse
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import corpus
from benchmarks.measure import Contender, Usage, program, side_by_side
from benchmarks.page import Comparison, write

ROOT: Final = Path(__file__).parent.parent
KINDS: Final = (*corpus.KINDS, "mix")
INCUMBENT: Final = "parsedmarc"
LESS: Final = {"big": 100}
"""A big message is worth a hundred others."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="of the whole runs; parsing alone takes a tenth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0, help="which one the runs on one core are pinned to")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tlsrpt-ingest-benchmarks")
    parser.add_argument("--only", choices=("parsing", "mbox"), help="one comparison, and no page")
    asked = parser.parse_args()
    asked.cache.mkdir(parents=True, exist_ok=True)
    incumbent = _incumbent(asked.cache)
    comparisons = []
    if asked.only in (None, "parsing"):
        comparisons.append(_parsing(asked, incumbent))
    if asked.only in (None, "mbox"):
        comparisons.append(_mbox_to_sqlite(asked, incumbent))
    text = write(ROOT / "docs", comparisons, _circumstances(asked, incumbent), page=asked.only is None)
    print(text)


def _parsing(asked: argparse.Namespace, incumbent: Path) -> Comparison:
    comparison = Comparison(
        "Parsing only", "From the octets of a message to a validated report; the CPU time of one core."
    )
    here = ROOT / "benchmarks" / "contenders"
    for kind in KINDS:
        count = max(asked.messages // 10 // LESS.get(kind, 1), 1)
        mbox = _corpus(asked.cache, kind, count)
        contenders = [
            Contender("ours", partial(program, [sys.executable, "-m", "benchmarks.contenders.parse_ours", mbox])),
            Contender(INCUMBENT, partial(program, [incumbent / "bin" / "python", here / "parse_parsedmarc.py", mbox])),
            Contender("floor", partial(program, [sys.executable, "-m", "benchmarks.contenders.parse_floor", mbox])),
        ]
        side_by_side(f"parsing, {kind}", contenders, asked.rounds, asked.core)
        comparison.add(kind, count, contenders)
    return comparison


def _mbox_to_sqlite(asked: argparse.Namespace, incumbent: Path) -> Comparison:
    comparison = Comparison(
        "mbox to SQLite",
        "The whole command from its start to its end, the CPU time of one core. parsedmarc writes JSON files, since it"
        " has no SQLite; the floor keeps none of the promises.",
    )
    database, output = asked.cache / "bench.db", asked.cache / "parsedmarc-output"
    ours = Path(sys.executable).parent / "tlsrpt-ingest"
    for kind in ("small", "mix"):
        mbox = _corpus(asked.cache, kind, asked.messages)
        clear = partial(_remove, database, output)
        commands: dict[str, list[str | Path]] = {
            "ours": [ours, "backfill", "--database", f"sqlite:///{database}", mbox],
            INCUMBENT: [incumbent / "bin" / "parsedmarc", "--offline", "-s", "-o", output, mbox],
            "floor": [sys.executable, "-m", "benchmarks.contenders.mbox_floor", mbox, database],
        }
        contenders = [Contender(name, _command(command, clear)) for name, command in commands.items()]
        side_by_side(f"mbox to SQLite, {kind}", contenders, asked.rounds, asked.core)
        comparison.add(kind, asked.messages, contenders)
    _remove(database, output)
    return comparison


def _command(command: list[str | Path], before: Callable[[], object]) -> Callable[[], Usage]:
    return partial(program, command, before=before)


def _remove(database: Path, output: Path) -> None:
    for path in (database, *(database.with_name(database.name + tail) for tail in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)
    shutil.rmtree(output, ignore_errors=True)


def _corpus(cache: Path, kind: str, count: int) -> Path:
    path = cache / f"{kind}-{count}.mbox"
    if not path.exists():
        part = path.with_suffix(".part")
        corpus.write_mbox(part, corpus.messages(kind, count))
        part.rename(path)
    return path


def _incumbent(cache: Path) -> Path:
    """Make an environment for parsedmarc alone, once."""
    home = cache / "parsedmarc"
    if not (home / "bin" / "parsedmarc").exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "parsedmarc[postgresql]"], check=True)  # noqa: S603 - our own command
    return home


def _circumstances(asked: argparse.Namespace, incumbent: Path) -> str:
    said = subprocess.run(  # noqa: S603 - our own command
        [incumbent / "bin" / "parsedmarc", "--version"], check=True, capture_output=True, text=True
    )
    names = ("pydantic", "SQLAlchemy")
    ours = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"Medians of {asked.rounds} alternating rounds over {asked.messages} messages (a tenth for parsing, a"
        f" thousandth of big ones), one core of {_processor()}; CPython {platform.python_version()}, {ours},"
        f" parsedmarc {said.stdout.strip()}."
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
