"""Files, folders and standard input as sources; all of them only read."""

import io
import logging
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Misconfigured, Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import archive, maildir, mbox, origin
from tlsrpt_ingest.sources.source import Item, Source

log = logging.getLogger(__name__)


def open_path(path: str, stdin: IO[bytes] | None = None) -> Source:
    """The source for a path: a file, a folder, or standard input for `-`.

    Raises Misconfigured for a path that is not there or that cannot be read.
    """
    if path == "-":
        return StdinSource(stdin or sys.stdin.buffer)
    place = Path(path)
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            with os.scandir(place):
                return FolderSource(place)
        if not stat.S_ISREG(mode):
            raise Misconfigured(f"{path} is neither a file nor a folder; for standard input write -")
        with place.open("rb"):
            return FileSource(place)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise Misconfigured(f"{path!r} is no path: {error}") from error


class _ReadOnly:
    """What the sources here have in common: progress, and that nothing is done to what was read."""

    origin: str
    octets_total: int | None = None
    octets_read: int = 0

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Nothing: what lies in files stays as it is."""

    def _file(self, path: Path) -> Iterator[Item]:
        """The items of one file, whatever it is."""
        place = origin.of_path(str(path))
        try:
            with path.open("rb", buffering=0) as raw:
                yield from archive.items(io.BufferedReader(_Measured(raw, self), mbox.BLOCK), place, path.name)
        except OSError as error:
            reason = f"it cannot be read: {error.strerror}"
            yield Item(place, b"", path.name, failure=Unreadable("fetch", "unreadable-file", reason))


class _Measured(io.RawIOBase):
    """A file that tells its source how much of it has been read."""

    def __init__(self, raw: io.FileIO, source: _ReadOnly) -> None:
        self._raw = raw
        self._source = source
        self._before = source.octets_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's Buffer protocol
        count = self._raw.readinto(buffer) or 0
        # The furthest place: a zip is read from its end, and its members after that.
        self._source.octets_read = max(self._source.octets_read, self._before + self._raw.tell())
        return count


class FileSource(_ReadOnly):
    """One file: an mbox, an archive, a message or a document."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.origin = origin.of_path(str(path))
        self.octets_total = path.stat().st_size

    def items(self) -> Iterator[Item]:
        """Its items, in the order in which they lie there."""
        return self._file(self._path)


class FolderSource(_ReadOnly):
    """A folder and what is below it, Maildirs among it; by name, so that the order is the same each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.origin = origin.of_path(str(path))

    def items(self) -> Iterator[Item]:
        """The items of each file; links are not followed, and what is no file is passed over."""
        self.octets_total = _size(self._path)
        return self._folder(self._path)

    def _folder(self, folder: Path) -> Iterator[Item]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            mail = maildir.is_maildir(folder)
            messages = maildir.messages(folder) if mail else []
        except OSError as error:
            place = origin.of_path(str(folder))
            reason = f"the folder cannot be read: {error.strerror}"
            yield Item(place, b"", folder.name, failure=Unreadable("fetch", "unreadable-folder", reason))
            return
        for path in messages:
            yield from self._message(path)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not (mail and entry.name in ("cur", "new", "tmp")):
                    yield from self._folder(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                # Beside the messages lie only the server's own files: indexes, uid lists, locks.
                if not mail:
                    yield from self._file(Path(entry.path))
            else:
                log.info("passed over %s: it is a link or no file", origin.of_path(entry.path))

    def _message(self, path: Path) -> Iterator[Item]:
        """One message of a Maildir; it may have been renamed since it was listed, and what is gone is gone."""
        unique = maildir.unique_name(path)
        place = origin.inside(origin.of_path(str(path.parent.parent)), unique)
        here: Path | None = path
        while here is not None:
            try:
                with here.open("rb", buffering=0) as raw:
                    item = archive.single(io.BufferedReader(_Measured(raw, self)), place, unique)
            except FileNotFoundError:
                here = maildir.find_again(here)
            except OSError as error:
                reason = f"it cannot be read: {error.strerror}"
                yield Item(place, b"", unique, failure=Unreadable("fetch", "unreadable-file", reason))
                return
            else:
                yield item
                return


class StdinSource(_ReadOnly):
    """One message, or one document, on standard input: what a pipe of Postfix or procmail hands over."""

    origin = origin.STDIN

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def items(self) -> Iterator[Item]:
        """The one item; an empty input has one too, since somebody meant to hand one over."""
        octets = self._stream.read(limits.MESSAGE + 1)
        self.octets_read = len(octets)
        if len(octets) > limits.MESSAGE:
            reason = f"it is larger than {limits.MESSAGE // limits.MIB} MiB, which no report is"
            yield Item(self.origin, b"", repeatable=False, failure=Unreadable("fetch", "too-large", reason))
            return
        if octets.startswith(b"From "):  # pipe(8), flags=F
            octets = octets.partition(b"\n")[2]
        yield Item(self.origin, octets, repeatable=False)


def _size(folder: Path) -> int:
    """Octets of the files below a folder, as far as it can be looked into; for a progress bar."""
    total = 0
    for path, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(path) / name).lstat().st_size
            except OSError:
                continue
    return total
