"""Files, folders and standard input as sources; all of them only read."""

import io
import logging
import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Misconfigured, Unavailable, Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import archive, maildir, mbox, origin
from tlsrpt_ingest.sources.shard import OCTETS, Shard, opened, shards
from tlsrpt_ingest.sources.source import Item, Source

log = logging.getLogger(__name__)


def open_path(path: str, stdin: IO[bytes] | None = None) -> Source:
    """The source for a path: a file, a folder, or standard input for `-`.

    Raises Misconfigured for a path that is not there or that cannot be read.
    """
    if path == "-":
        if stdin is None and sys.stdin is None:
            raise Misconfigured("cannot read -: standard input is closed")
        return StdinSource(stdin or sys.stdin.buffer)
    place = Path(path)
    try:
        mode = place.stat().st_mode
        if stat.S_ISDIR(mode):
            with os.scandir(place):
                return FolderSource(place)
        if not stat.S_ISREG(mode):
            raise Misconfigured(f"{path} is neither a file nor a folder; for standard input write -")
        with opened(place, follow=True):
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

    def items(self) -> Iterator[Item]:
        """The items of each file."""
        for piece in self.pieces():
            if isinstance(piece, Shard):
                yield from piece.items()
            else:
                yield piece

    def pieces(self) -> Iterator[Item | Shard]:
        """The same, with the messages of a large mbox left in shards that somebody else may read."""
        raise NotImplementedError

    def _file(self, path: Path, *, follow: bool = False) -> Iterator[Item | Shard]:
        """The items of one file, whatever it is."""
        place = origin.of_path(str(path))
        try:
            raw = opened(path, follow=follow)
        except OSError as error:
            yield _unreadable(place, path.name, "file", error)
            return
        before = self.octets_read
        with raw:
            stream = _measured(raw, self)
            if _length(raw) <= OCTETS or not archive.is_bare_mbox(stream.peek()[: archive.HEAD], path.name):
                yield from archive.items(stream, place, path.name)
                return
            for shard in shards(raw, path, place, follow=follow):
                yield shard
                self.octets_read = before + shard.end


class _Measured(io.RawIOBase):
    """A file as long as it was when it was opened, which tells its source how much of it has been read.

    What is appended while it is read is left for the next reading. If the last message was being written just then,
    its first part is read now, and all of it the next time: with other octets it is another item.
    """

    def __init__(self, raw: io.FileIO, size: int, source: _ReadOnly) -> None:
        self._raw = raw
        self._size = size
        self._source = source
        self._before = source.octets_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            return self._raw.seek(self._size + offset)
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's Buffer protocol
        left = max(0, self._size - self._raw.tell())
        count = self._raw.readinto(memoryview(buffer)[:left]) or 0
        # The furthest place: a zip is read from its end, and its members after that.
        self._source.octets_read = max(self._source.octets_read, self._before + self._raw.tell())
        return count


def _length(raw: io.FileIO) -> int:
    return os.fstat(raw.fileno()).st_size


def _measured(raw: io.FileIO, source: _ReadOnly) -> io.BufferedReader:
    size = _length(raw)
    return io.BufferedReader(_Measured(raw, size, source), min(mbox.BLOCK, max(size, io.DEFAULT_BUFFER_SIZE)))


class FileSource(_ReadOnly):
    """One file: an mbox, an archive, a message or a document."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.origin = origin.of_path(str(path))
        self.octets_total = path.stat().st_size

    def pieces(self) -> Iterator[Item | Shard]:
        """Its items, in the order in which they lie there."""
        return self._file(self._path, follow=True)


class FolderSource(_ReadOnly):
    """A folder and what is below it, Maildirs among it; by name, so that the order is the same each time.

    Links in it are not followed. Hidden files are read like others: Maildir++ hides its folders, and whoever hides
    mail does not mean to lose it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.origin = origin.of_path(str(path))

    def pieces(self) -> Iterator[Item | Shard]:
        """The items of each file; what is neither a file nor a folder is passed over."""
        self.octets_total = _size(self._path)
        # Folders are nested as deep as somebody likes, and Python's calls are not.
        waiting = [self._folder(self._path)]
        while waiting:
            for found in waiting[-1]:
                if isinstance(found, Path):
                    waiting.append(self._folder(found))
                    break
                yield found
            else:
                waiting.pop()

    def _folder(self, folder: Path) -> Iterator[Item | Shard | Path]:
        """The items of one folder, and the folders in it."""
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - a Path for each of a million files would be held at once
            mail = maildir.is_maildir(folder)
            messages = maildir.messages(folder) if mail else iter(())
        except OSError as error:
            yield _unreadable(origin.of_path(str(folder)), folder.name, "folder", error)
            return
        yield from self._messages(folder, messages)
        for path in map(folder.joinpath, names):
            if not (mail and path.name in maildir.FOLDERS):
                yield from self._entry(path, mail=mail)

    def _entry(self, path: Path, *, mail: bool) -> Iterator[Item | Shard | Path]:
        """What stands in a folder under one name."""
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            yield _unreadable(origin.of_path(str(path)), path.name, "file", error)
            return
        if stat.S_ISDIR(mode):
            yield path
        elif not stat.S_ISREG(mode):
            log.info("passed over %s: it is a link or no file", origin.of_path(str(path)))
        elif mail:
            log.info("passed over %s: it lies beside the messages of a Maildir", origin.of_path(str(path)))
        else:
            yield from self._file(path)

    def _messages(self, folder: Path, listed: Iterable[Path]) -> Iterator[Item]:
        """The messages of a Maildir, those too that a mail reader renames meanwhile; what is gone is gone.

        The renamed are looked for all at once, when the listing has been read to its end: that somebody marks a whole
        folder as read costs one more listing, not one for each message.
        """
        here = origin.of_path(str(folder))
        missing: set[str] = set()
        before: set[str] | None = None
        while missing != before:
            before = set(missing)
            for path in listed:
                unique = maildir.unique_name(path)
                place = origin.inside(here, unique)
                try:
                    raw = opened(path)
                except FileNotFoundError:
                    missing.add(unique)
                    continue
                except OSError as error:
                    yield _unreadable(place, unique, "file", error)
                else:
                    with raw:
                        yield from archive.message(_measured(raw, self), place, unique)
                missing.discard(unique)
            listed = _still_there(folder, missing)
        for unique in sorted(missing):
            log.info("%s is gone since it was listed", origin.inside(here, unique))


class StdinSource(_ReadOnly):
    """One message, or one document, on standard input: what a pipe of Postfix or procmail hands over."""

    origin = origin.STDIN

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def pieces(self) -> Iterator[Item | Shard]:
        """The one item; an empty input has one too, since somebody meant to hand one over. Raises Unavailable.

        With a From_ line in front (pipe(8), flags=F) it is an mbox: by hand it may even be one of several messages.
        """
        try:
            octets = self._stream.read(limits.MESSAGE + 1)
        except OSError as error:
            raise Unavailable(f"standard input cannot be read: {error.strerror}") from error
        self.octets_read = len(octets)
        if len(octets) > limits.MESSAGE:
            yield Item(self.origin, b"", repeatable=False, failure=archive.too_large())
        elif octets.startswith(b"From "):
            for offset, message in mbox.messages(io.BytesIO(octets).read):
                yield Item(self.origin, message or b"", position=offset, repeatable=False)
        else:
            yield Item(self.origin, octets, repeatable=False)


def _still_there(folder: Path, missing: Collection[str]) -> Iterator[Path]:
    """Where those of the missing messages are now that a Maildir still has."""
    try:
        listed = maildir.messages(folder) if missing else iter(())
    except OSError:
        return iter(())
    return (path for path in listed if maildir.unique_name(path) in missing)


def _unreadable(place: str, name: str, kind: str, error: OSError) -> Item:
    reason = f"the {kind} cannot be read: {error.strerror}"
    return Item(place, b"", name, failure=Unreadable("fetch", f"unreadable-{kind}", reason))


def _size(folder: Path) -> int:
    """Octets of the files below a folder, as far as it can be looked into; for a progress bar."""
    total = 0
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
