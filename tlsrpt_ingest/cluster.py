"""Judging by the workers of a Dask cluster (`--cluster`): the executor of `processes` with other machines behind it.

A worker that dies in the middle is Dask's business: the scheduler gives its tasks to others. Needs the extra [cluster].
"""

import logging
import os
import platform
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from importlib.metadata import version
from typing import Any, Final

from distributed import Client
from distributed.scheduler import KilledWorker

from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.processes import Elsewhere
from tlsrpt_ingest.workers import R, T

CONNECT: Final = 10
"""Seconds for the scheduler to answer."""

PACKAGE: Final = "tlsrpt-ingest"


class Cluster(Elsewhere):
    """The workers of the scheduler at `url`, which see the files at `paths` as we see them.

    Raises Unavailable where it does not answer or has no worker, Misconfigured where a worker could not do what it is
    asked for.
    """

    def __init__(self, url: str, paths: Iterable[str]) -> None:
        self._url = url
        # What they write of lost connections, with tracebacks, is said here, and once.
        for name in ("distributed", "distributed.client", "tornado", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        make: Any = Client  # which has no types
        try:
            self._client = make(url, timeout=CONNECT, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"no Dask scheduler answers at {url}: {error}") from error
        except ValueError as error:
            raise Misconfigured(f"--cluster {url!r}: {error}; write tcp://HOST:8786") from error
        try:
            count = self._look(paths)
        except BaseException:
            self._client.close()
            raise
        super().__init__(self._client.get_executor(pure=False), count)

    def each(self, work: Callable[[T], R], tasks: Iterator[T]) -> Generator[tuple[T, R]]:
        """As Workers."""
        try:
            yield from super().each(work, tasks)
        except KilledWorker as killed:
            raise Unavailable(
                f"{killed.allowed_failures + 1} workers of {self._url} died over the same messages, the last one at "
                f"{killed.last_worker.address}; see its log, and whether it has memory enough"
            ) from killed
        except CancelledError as lost:
            raise Unavailable(f"the scheduler at {self._url} went away; run the same command again") from lost

    def close(self) -> None:
        """Part from the scheduler; what the workers still have in hand nobody wants any more."""
        self._executor.shutdown(wait=False)
        self._client.close()

    def _look(self, paths: Iterable[str]) -> int:
        """How many threads the workers have; raises as said above."""
        threads: int = sum(self._client.nthreads().values())
        if not threads:
            raise Unavailable(f"the scheduler at {self._url} has no worker; start some with: dask worker {self._url}")
        for worker, theirs in self._ask(version, PACKAGE):
            if theirs != (ours := version(PACKAGE)):
                said = f"has {PACKAGE} {theirs}" if isinstance(theirs, str) else f"lacks {PACKAGE}"
                raise Misconfigured(f"the worker at {worker} {said}; install {PACKAGE} {ours} there, as it is here")
        for worker, theirs in self._ask(platform.python_version_tuple):
            if tuple(theirs[:2]) != platform.python_version_tuple()[:2]:
                raise Misconfigured(
                    f"the worker at {worker} runs Python {'.'.join(theirs)} and we {platform.python_version()}; "
                    "they have to be of one minor version"
                )
        for path in map(os.path.abspath, paths):
            for worker, there in self._ask(os.path.exists, path):
                if there is not True:
                    raise Misconfigured(
                        f"the worker at {worker} does not see {path}; it has to lie where all of them see it, under "
                        "the same path (NFS, for one)"
                    )
        return threads

    def _ask(self, question: Callable[..., Any], *arguments: object) -> list[tuple[str, Any]]:
        """The answer of each worker, by its address; an exception where that is the answer."""
        return list(self._client.run(question, *arguments, on_error="return").items())
