"""Server programs for tests: found, started as an ordinary user, and gone with the test session.

Where a program is not installed its tests are skipped aloud; in CI they fail instead.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

STARTING = 60
"""Seconds for a server to come up."""


def program(name: str, pattern: str, package: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/").glob(pattern[1:]), reverse=True)), None)
    if found is None:
        words = f"{name} is not installed; type: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found


@contextmanager
def folder_for(preferred: str) -> Iterator[tuple[Path, pwd.struct_passwd]]:
    """A folder with a short path (a socket's has 107 octets), and the user that it and the server belong to."""
    me = pwd.getpwuid(os.geteuid())
    user = me
    if me.pw_uid == 0:
        users = {one.pw_name: one for one in pwd.getpwall()}
        user = users.get(preferred) or users["nobody"]
    folder = Path(tempfile.mkdtemp(prefix="tlsrpt-", dir="/tmp"))
    try:
        shutil.chown(folder, user.pw_uid, user.pw_gid)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as(user: pwd.struct_passwd) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def run(user: pwd.struct_passwd, command: list[str]) -> None:
    done = subprocess.run(command, **_as(user), cwd="/", env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"


def start(user: pwd.struct_passwd, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    libc = ctypes.CDLL(None)
    end = signal.SIGQUIT if command[0].endswith("postgres") else signal.SIGKILL

    def die_with_us() -> None:
        libc.prctl(1, end)  # PR_SET_PDEATHSIG: even where pytest is killed, no server stays behind

    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            **_as(user),
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_us,  # noqa: PLW1509 - one prctl, and the session has no other threads yet
        )


def stop(server: subprocess.Popen[bytes], how: signal.Signals) -> None:
    server.send_signal(how)
    server.wait()


def wait(server: subprocess.Popen[bytes], folder: Path, connect: Callable[[], None], refused: type[Exception]) -> None:
    deadline = time.monotonic() + STARTING
    while True:
        try:
            connect()
        except refused:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server does not come up: {(folder / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """A port that nobody has, below those that connections are given: who is restarted finds it free again."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent"}
