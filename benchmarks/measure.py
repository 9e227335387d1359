"""Run programs side by side: alternating, pinned to one core, the median of the rounds."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    cpu: float
    """Seconds of the processor, of the program and its children."""
    wall: float
    peak: float
    """MiB of memory at its highest."""
    messages: int | None = None


@dataclass(slots=True)
class Contender:
    """A program in a comparison, and what its runs took."""

    name: str
    run: Callable[[], Usage]
    usages: list[Usage] = field(default_factory=list)

    def seconds(self, *, wall: bool = False) -> float:
        """The median over the rounds."""
        return statistics.median(usage.wall if wall else usage.cpu for usage in self.usages)

    def peak(self) -> float:
        """The largest peak over the rounds."""
        return max(usage.peak for usage in self.usages)


def side_by_side(title: str, contenders: Sequence[Contender], rounds: int, core: int | None) -> None:
    """Run each contender once a round, in turn, on `core` alone, or on all."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if core is not None else everywhere)
    try:
        for number in range(rounds):
            for contender in contenders:
                contender.usages.append(contender.run())
                seconds = contender.usages[-1].cpu
                print(f"{title}, round {number + 1}: {contender.name} {seconds:.2f} s", file=sys.stderr)
    finally:
        os.sched_setaffinity(0, everywhere)


def program(command: Sequence[str | Path], *, before: Callable[[], object] = lambda: None) -> Usage:
    """Run a program to its end, `before` being no part of it; raises where it fails.

    One that prints a JSON object with `cpu` (`contenders.messages`) has measured itself, without its start.
    """
    before()
    began = time.monotonic()
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE) as child:  # noqa: S603 - our own commands
        output = child.stdout.read() if child.stdout else b""
        _pid, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    wall = time.monotonic() - began
    peak = usage.ru_maxrss / 1024
    said = json.loads(output) if output.startswith(b'{"messages"') else {}
    if "cpu" in said:
        return Usage(said["cpu"], said["wall"], peak, said["messages"])
    return Usage(usage.ru_utime + usage.ru_stime, wall, peak)
