"""Compare the peak memory of backfills over mailboxes of growing size: it must not grow with them.

    python -m benchmarks.memory 20000 200000

Prints messages, octets and the peak resident set of each, and exits with 1 where one is more than 10 % above the first.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.corpus import messages, write_mbox

ALLOWED: Final = 1.10


def peak(count: int, kind: str, folder: Path) -> tuple[int, int]:
    """Octets of an mbox of `count` messages, and of the largest resident set while it is read."""
    mbox = folder / f"{count}.mbox"
    write_mbox(mbox, messages(kind, count, seed=8460))
    url = f"sqlite:///{folder / f'{count}.db'}"
    command = [sys.executable, "-m", "tlsrpt_ingest", "backfill", "--database", url, str(mbox)]
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the backfill failed with {process.returncode}")
    size = mbox.stat().st_size
    mbox.unlink()
    return size, usage.ru_maxrss * 1024


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--kind", default="small")
    asked = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for count in asked.counts:
            size, most = peak(count, asked.kind, Path(folder))
            peaks.append(most)
            print(f"{count:>9,} messages  {size / 2**20:>8,.1f} MiB of mbox  {most / 2**20:>7.1f} MiB at most")
    sys.exit(max(peaks) > ALLOWED * peaks[0])


if __name__ == "__main__":
    main()
