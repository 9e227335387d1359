"""The folder that a web server serves: each page appears whole, what is not written any more goes away.

Only one writes at a time, and only files with the names of ours are ever touched.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tlsrpt_ingest.errors import Misconfigured, Unavailable

MARK: Final = '<meta name="generator" content="tlsrpt-ingest'
"""What every page of ours has near its top."""

_OURS: Final = re.compile(r"(?:index|domain-[a-z0-9._-]+|report-[0-9]+)\.html")
_TEMPORARY: Final = ".tlsrpt-ingest.tmp"
_NEAR: Final = 1_000


class Folder:
    """A folder of pages, open for one writing of all of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: set[str] = set()
        self.written = 0
        """Pages that are new, or say something else than before."""
        self.removed = 0
        # Whoever may look into the folder may read the pages: the service's own umask is for the database.
        self._mode = path.stat().st_mode & 0o644

    @property
    def pages(self) -> int:
        """Pages of this writing."""
        return len(self._names)

    def put(self, name: str, text: str) -> None:
        """Put a page in its place; one that says the same already is left alone, for the sake of caches."""
        octets = text.encode()
        path = self._path / name
        self._names.add(name)
        if _read(path) == octets:
            return
        temporary = self._path / _TEMPORARY
        with temporary.open("wb") as file:
            os.fchmod(file.fileno(), self._mode)
            file.write(octets)
        temporary.replace(path)
        self.written += 1

    def finish(self) -> None:
        """Remove the pages of former times."""
        for path in self._path.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in self._names:
                path.unlink(missing_ok=True)
                self.removed += 1


@contextmanager
def open_folder(path: Path) -> Iterator[Folder]:
    """The folder, made if need be, to be written by nobody else meanwhile.

    Raises Misconfigured where it has an index.html that is not ours or cannot be written, Unavailable for a full disk.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (before := _read(path / "index.html")) is not None and MARK.encode() not in before[:_NEAR]:
                raise Misconfigured(
                    f"{path} has an index.html that tlsrpt-ingest did not write; name a folder for the site alone"
                )
            yield Folder(path)
        finally:
            os.close(lock)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise Misconfigured(f"cannot write the site into {path}: {error.strerror}; see [site] directory") from error
    except OSError as error:
        raise Unavailable(f"cannot write the site into {path}: {error.strerror}") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
