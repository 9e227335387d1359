"""A Dask scheduler and workers for tests: processes of their own, as on machines of their own."""

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import free_port, start, stop, wait

Process = subprocess.Popen[bytes]


@dataclass
class Scheduler:
    """A scheduler that runs, with no worker yet."""

    url: str
    process: Process
    worker: Callable[..., Process]
    """Start a worker of one thread; `worker(preload)` runs the Python program `preload` in it first."""


@pytest.fixture
def dask(script: Path, tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler, and workers with the installed program; without nannies, so that what is killed stays dead."""
    command = [str(script.with_name("python")), "-m", "dask"]
    with ExitStack() as stack:
        url = f"tcp://127.0.0.1:{free_port()}"
        port = url.rpartition(":")[2]
        options = ["--host", "127.0.0.1", "--port", port, "--dashboard-address", "127.0.0.1:0"]
        process = stack.enter_context(
            _running([*command, "scheduler", *options], tmp_path / "scheduler", "Scheduler at:")
        )

        def worker(preload: str | None = None) -> Process:
            folder = tmp_path / f"worker{len(list(tmp_path.glob('worker*')))}"
            options = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
            options += ["--local-directory", str(folder)]
            if preload is not None:
                file = tmp_path / f"{folder.name}_begins.py"
                file.write_text(preload)
                options += ["--preload", str(file)]
            return stack.enter_context(_running([*command, "worker", url, *options], folder, "Registered to:"))

        yield Scheduler(url, process, worker)


@contextmanager
def _running(command: list[str], folder: Path, sign: str) -> Iterator[Process]:
    """A process that has said `sign`, and that does not outlive the block."""
    folder.mkdir()
    process = start(pwd.getpwuid(os.geteuid()), command, folder)
    try:
        wait(process, folder, lambda: _look_for(sign, folder / "log"), LookupError)
        yield process
    finally:
        stop(process, signal.SIGKILL)


def _look_for(sign: str, log: Path) -> None:
    if sign not in log.read_text(errors="replace"):
        raise LookupError
