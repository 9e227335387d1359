"""One poller at a time on a host: a second one leaves at once. The database keeps two hosts apart."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlsrpt_ingest.errors import Misconfigured, Unavailable


@contextmanager
def only_one(state: Path) -> Iterator[None]:
    """Hold `poll.lock` in the state folder; raises Unavailable when another process does.

    The file stays: a lock file that is removed is not the one that the next process waits for.
    """
    place = state / "poll.lock"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {place}: {error.strerror}; see $STATE_DIRECTORY and XDG_STATE_HOME"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = file.read(20).strip() or "unknown"
            raise Unavailable(
                f"another poll is running (process {holder} holds {place}); it does this one's work"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
