"""Read an mbox into a list and time a function over it; imports nothing of anybody's, for all interpreters alike."""

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def messages(path: str) -> list[bytes]:
    """The messages of an mbox that `corpus.py` wrote."""
    parts = Path(path).read_bytes().split(b"\nFrom sender@")
    return [part.partition(b"\n")[2] for part in parts]


def timed(parse: Callable[[bytes], object], *, warm: int = 20) -> None:
    """Parse every message of the mbox named on the command line and print the CPU seconds as one JSON object."""
    mails = messages(sys.argv[1])
    for mail in mails[:warm]:
        parse(mail)
    gc.collect()
    began = time.process_time()
    for mail in mails:
        parse(mail)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({"messages": len(mails), "cpu": seconds, "wall": seconds, "peak_kib": peak}, sys.stdout)
