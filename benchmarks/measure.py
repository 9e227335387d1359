"""Run programs side by side: alternating, the median of the rounds."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    cpu: float
    """Seconds of the processor, of the program and its children."""
    wall: float
    peak: float
    """MiB of memory at its highest, of the largest process."""


@dataclass(slots=True)
class Contender:
    """A program in a comparison."""

    name: str
    count: int
    """Messages that it reads."""
    run: Callable[[], Usage]
    core: int | None = None
    """The one core that it runs on; None for all."""


@dataclass(frozen=True, slots=True)
class Result:
    """The medians of what a contender's runs took, and the largest peak."""

    name: str
    count: int
    seconds: float
    peak: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.count / self.seconds


@dataclass(slots=True)
class Comparison:
    """What ran side by side, for each kind of message. The first contender is what the others are compared with."""

    name: str
    title: str
    about: str
    wall: bool = False
    """Whether seconds are those of the clock on the wall, and not of the processor."""
    rows: list[tuple[str, list[Result]]] = field(default_factory=list)

    def add(self, kind: str, contenders: Sequence[Contender], rounds: int) -> None:
        """Run them side by side over a kind of message."""
        usages = side_by_side(f"{self.title}, {kind}", contenders, rounds)
        self.rows.append(
            (
                kind,
                [
                    Result(
                        one.name,
                        one.count,
                        statistics.median(usage.wall if self.wall else usage.cpu for usage in usages[one.name]),
                        max(usage.peak for usage in usages[one.name]),
                    )
                    for one in contenders
                ],
            )
        )

    def save(self, folder: Path, circumstances: str) -> None:
        """Keep the results for the page."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self) | {"circumstances": circumstances}, indent=1)
        (folder / f"{self.name}.json").write_text(text)

    @classmethod
    def load(cls, path: Path) -> tuple[Self, str]:
        """What was kept, and under which circumstances."""
        kept: dict[str, Any] = json.loads(path.read_text())
        circumstances = kept.pop("circumstances")
        rows = [(kind, [Result(**one) for one in results]) for kind, results in kept.pop("rows")]
        return cls(**kept, rows=rows), circumstances


def side_by_side(title: str, contenders: Sequence[Contender], rounds: int) -> dict[str, list[Usage]]:
    """Run each contender once a round, in turn; what its runs took."""
    everywhere = os.sched_getaffinity(0)
    usages: dict[str, list[Usage]] = {one.name: [] for one in contenders}
    try:
        for number in range(rounds):
            for contender in contenders:
                os.sched_setaffinity(0, everywhere if contender.core is None else {contender.core})
                usage = contender.run()
                usages[contender.name].append(usage)
                words = f"{usage.cpu:.2f} s of CPU, {usage.wall:.2f} s, {usage.peak:.0f} MiB"
                print(f"{title}, round {number + 1}: {contender.name} {words}", file=sys.stderr)
    finally:
        os.sched_setaffinity(0, everywhere)
    return usages


def program(
    command: Sequence[object],
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> Usage:
    """Run a program to its end, `before` and `after` being no part of it; raises where it fails.

    One that prints a JSON object with `cpu` (`contenders.messages`) has measured itself, without its start.
    """
    before()
    began = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - our own commands
        [*map(str, command)], stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}
    ) as child:
        output = child.stdout.read() if child.stdout else b""
        _pid, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    after()
    peak = usage.ru_maxrss / 1024
    if output.startswith(b'{"messages"'):
        said = json.loads(output)
        return Usage(said["cpu"], said["wall"], peak)
    return Usage(usage.ru_utime + usage.ru_stime, wall, peak)
