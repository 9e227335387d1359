"""Judging by others: by the workers of any executor, and by processes beside this one.

Few tasks are under way at once. A worker that dies costs time and nothing else: what it had in hand goes to another.
"""

import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from multiprocessing.context import ForkProcess, SpawnProcess
from typing import Any, Final

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
        under_way: deque[tuple[T, Future[R]]] = deque()
        deaths = 0
        try:
            while True:
                while len(under_way) < self._most and (task := next(tasks, None)) is not None:
                    under_way.append((task, self._executor.submit(work, task)))
                    if under_way[0][1].done():  # it is not to wait for a source that is slow
                        break
                if not under_way:
                    return
                task, future = under_way.popleft()
                try:
                    result = future.result()
                except BrokenExecutor as death:
                    deaths += 1
                    if deaths >= ATTEMPTS:
                        raise Unavailable(
                            f"{deaths} workers died over {task}; if the kernel ended them for want of memory (see its "
                            "log), try again with --jobs 1"
                        ) from death
                    under_way.appendleft((task, self._executor.submit(work, task)))
                    continue
                deaths = 0
                if result.rest is not None:
                    under_way.appendleft((result.rest, self._executor.submit(work, result.rest)))
                yield task, result
        finally:
            for _task, future in under_way:
                future.cancel()

    def close(self) -> None:
        """Let the workers go, once they have finished what they have in hand."""
        self._executor.shutdown(cancel_futures=True)


class Processes(Elsewhere):
    """Processes of this host, as many as `count`; to be made before there are threads and connections.

    Each has a pipe of its own and a thread that waits at it: one that is killed in the middle of a word takes no lock
    and no pipe of the others with it, as in `ProcessPoolExecutor`.
    """

    def __init__(self, count: int) -> None:
        # A fork takes milliseconds, a start from nothing half a second; but a fork would inherit the locks of threads.
        fork = sys.platform == "linux" and threading.active_count() == 1
        self._workers = [_Worker(fork=fork) for _ in range(count)]
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        super().__init__(_Threads(count, self._idle), count)

    def close(self) -> None:
        """As Elsewhere."""
        super().close()
        for worker in self._workers:
            worker.close()


class _Threads(ThreadPoolExecutor):
    """Threads that hand each call to an idle worker."""

    def __init__(self, count: int, idle: "queue.SimpleQueue[_Worker]") -> None:
        super().__init__(count)
        self._idle = idle

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As Executor; BrokenExecutor is the result of a call over which the worker died."""
        return super().submit(self._call, fn, *args, **kwargs)

    def _call(self, work: Callable[..., Any], *arguments: Any) -> Any:
        worker = self._idle.get()
        try:
            return worker.call(work, arguments)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, and the next one when it has died."""

    def __init__(self, *, fork: bool) -> None:
        self._start(_Forked if fork else _Spawned)

    def _start(self, kind: "type[_Forked | _Spawned]") -> None:
        self._connection, theirs = Pipe()
        try:
            # A fork has our end too, and would never see it closed.
            ours = self._connection if kind is _Forked else None
            self._process = kind(target=_serve, args=(theirs, ours), daemon=True)
            self._process.start()
        except OSError as error:
            raise Unavailable(f"no other process can be started: {error}; try --jobs 1") from error
        finally:
            theirs.close()

    def call(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """What the call gives back or raises; BrokenExecutor when the process dies over it."""
        try:
            self._connection.send((work, arguments))
            result, error = self._connection.recv()
        except (EOFError, OSError) as death:
            self._connection.close()
            self._process.join()
            self._start(_Spawned)
            raise BrokenExecutor(f"a worker ended with {death}") from death
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Let the process go."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, inherited: Connection | None) -> None:
    """Be a worker, until the writer goes."""
    if inherited is not None:
        inherited.close()
    # Ctrl-C and systemd's SIGTERM come to all processes at once; the end is the writer's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settle_memory()
    try:
        while True:
            work, arguments = connection.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = (work(*arguments), None)
            except Exception as error:  # noqa: BLE001 - raised again at the writer's
                answer = (None, error)
            connection.send(answer)
    except (EOFError, OSError):
        os._exit(0)  # nothing of the writer's is to be cleaned up here


class _Forked(ForkProcess):
    def terminate(self) -> None:
        """Not by SIGTERM, which a worker does not heed."""
        self.kill()


class _Spawned(SpawnProcess):
    def terminate(self) -> None:
        """As above."""
        self.kill()
