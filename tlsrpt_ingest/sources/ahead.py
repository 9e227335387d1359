"""Let an iterator work one step ahead in a thread: the next batch is fetched while this one is parsed and written."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(work: Callable[[], Iterator[T]], interrupt: Callable[[], None]) -> Generator[T]:
    """What `work()` yields, made in a thread that is at most one step ahead.

    An exception in the thread is raised here, in its place. When this generator is closed before its end, `interrupt`
    is called to wake the thread out of whatever it waits for, and the thread is awaited.
    """
    made: queue.Queue[tuple[T] | BaseException | None] = queue.Queue(maxsize=1)
    closed = threading.Event()

    def run() -> None:
        end: BaseException | None = None
        try:
            for value in work():
                made.put((value,))
                if closed.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - raised again in the other thread
            end = error
        made.put(end)

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while got := made.get():
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    finally:
        closed.set()
        _await(thread, made, interrupt)


def _await(thread: threading.Thread, made: "queue.Queue[T]", interrupt: Callable[[], None]) -> None:
    """Wait for the thread, emptying the queue, in which it may wait for a place."""
    if thread.is_alive():
        interrupt()
    while thread.is_alive():
        try:
            made.get(timeout=0.01)
        except queue.Empty:
            thread.join(0.01)
