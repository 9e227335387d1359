"""Who judges: this process, or others (`processes`, `cluster`); whoever writes sees no difference.

Results come in the order of the tasks. Imports next to nothing, since a poll with nothing to do passes here.
"""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from itertools import chain, islice
from typing import Any, Final, Protocol, TypeVar

LITTLE: Final = 20
"""Tasks that are judged before other processes would have begun."""


class Result(Protocol):
    """What a call gives back."""

    @property
    def rest(self) -> Any:
        """The task that is left, where the whole was more than should be held in memory at once; or None."""
        ...


T = TypeVar("T")
R = TypeVar("R", bound=Result)


class Workers(Protocol):
    """Those who judge."""

    def each(self, work: Callable[[T], R], tasks: Iterator[T]) -> Generator[tuple[T, R]]:
        """The tasks, each with what `work` makes of it. Raises Unavailable when the workers are out of reach."""
        ...

    def close(self) -> None:
        """Let them go, once they have finished what they have in hand."""
        ...


class Here:
    """This process: what `--jobs 1` means, and enough for whatever is small."""

    def each(self, work: Callable[[T], R], tasks: Iterator[T]) -> Generator[tuple[T, R]]:
        """As Workers."""
        for task in tasks:
            left: T | None = task
            while left is not None:
                result = work(left)
                yield left, result
                left = result.rest

    def close(self) -> None:
        """Nobody has to be let go."""


class WhenMuch:
    """This process, and processes beside it once there is more than a little to judge: nothing is started for less."""

    def __init__(self, start: Callable[[], Workers]) -> None:
        self._start = start
        self._others: Workers | None = None

    def each(self, work: Callable[[T], R], tasks: Iterator[T]) -> Generator[tuple[T, R]]:
        """As Workers."""
        yield from Here().each(work, islice(tasks, 0 if self._others else LITTLE))
        for task in tasks:
            self._others = self._others or self._start()
            yield from self._others.each(work, chain([task], tasks))

    def close(self) -> None:
        """Let the others go."""
        if self._others:
            self._others.close()


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle_memory() -> None:
    """Spare the garbage collector what is there for good, and most of its visits: a third of the time of large reports.

    For programs only: a library has no say in this.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
