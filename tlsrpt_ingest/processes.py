"""Judging by others: by the workers of any executor, and by processes beside this one.

Few tasks are under way at once. A worker that dies costs time and nothing else: what it had in hand goes to another.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from multiprocessing.context import ForkContext, ForkProcess, SpawnContext, SpawnProcess
from typing import Final

from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.workers import R, T, settle_memory

ATTEMPTS: Final = 3
"""Workers that die, one after the other, over the same task before we give up."""

AHEAD: Final = 2
"""Tasks under way for each worker: one in hand and one that waits for it."""


class Elsewhere:
    """The workers of an executor."""

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor = executor
        self._most = AHEAD * count + 1

    def each(self, work: Callable[[T], R], tasks: Iterator[T]) -> Generator[tuple[T, R]]:
        """As Workers."""
        waiting: deque[T] = deque()  # what was under way when a worker died
        under_way: deque[tuple[T, Future[R]]] = deque()
        deaths = 0
        try:
            while True:
                # After a death one at a time, until it is known over which task.
                while len(under_way) < (1 if deaths else self._most):
                    task = waiting.popleft() if waiting else next(tasks, None)
                    if task is None:
                        break
                    under_way.append((task, self._submit(work, task)))
                    if under_way[0][1].done():  # it is not to wait for a source that is slow
                        break
                if not under_way:
                    return
                task, future = under_way[0]
                try:
                    result = future.result()
                except BrokenExecutor as death:
                    deaths += 1
                    self._revive(task, deaths, death)
                    waiting.extendleft(one for one, _future in reversed(under_way))
                    under_way.clear()
                    continue
                deaths = 0
                under_way.popleft()
                if result.rest is not None:
                    under_way.appendleft((result.rest, self._submit(work, result.rest)))
                yield task, result
        finally:
            for _task, future in under_way:
                future.cancel()

    def _submit(self, work: Callable[[T], R], task: T) -> Future[R]:
        try:
            return self._executor.submit(work, task)
        except BrokenExecutor as death:  # to be met where the result would be
            failed: Future[R] = Future()
            failed.set_exception(death)
            return failed
        except OSError as error:
            raise Unavailable(f"no worker can be started or reached: {error}; try --jobs 1") from error

    def _revive(self, task: object, deaths: int, death: BrokenExecutor) -> None:
        """Have workers again. Raises Unavailable where that is of no use."""
        del task, deaths
        raise Unavailable(f"the workers are gone: {death}") from death

    def close(self) -> None:
        """Let the workers go, once they have finished what they have in hand."""
        self._executor.shutdown(cancel_futures=True)


class Processes(Elsewhere):
    """Processes of this host, as many as `count`; to be made before there are threads and connections."""

    def __init__(self, count: int) -> None:
        self._count = count
        # A fork takes milliseconds, a start from nothing half a second; but a fork would inherit the locks of threads.
        fork = sys.platform == "linux" and threading.active_count() == 1
        try:
            super().__init__(_executor(count, fork=fork), count)
            if fork:  # now, and not with the first task
                self._executor.submit(os.getpid).result()
        except (OSError, NotImplementedError) as error:  # the latter where there are no semaphores
            raise Unavailable(f"no other process can be started: {error}; try --jobs 1") from error

    def _revive(self, task: object, deaths: int, death: BrokenExecutor) -> None:
        if deaths >= ATTEMPTS:
            raise Unavailable(
                f"{deaths} worker processes died over {task}; if the kernel ended them for want of memory (see its "
                "log), try again with --jobs 1"
            ) from death
        self._executor.shutdown()
        self._executor = _executor(self._count, fork=False)


class _Forked(ForkProcess):
    def terminate(self) -> None:
        """Not by SIGTERM, which a worker does not heed."""
        self.kill()


class _Spawned(SpawnProcess):
    def terminate(self) -> None:
        """As above."""
        self.kill()


class _Forking(ForkContext):
    Process = _Forked


class _Spawning(SpawnContext):
    Process = _Spawned


def _executor(count: int, *, fork: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, _Forking() if fork else _Spawning(), _begin)


def _begin() -> None:
    """Begin as a worker: the end is the writer's to say, and his own end too."""
    # Ctrl-C and systemd's SIGTERM come to all processes at once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    settle_memory()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
