"""A stretch of an mbox on disk, cut without looking: whoever is handed one reads it by himself."""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Final, Protocol, Self, runtime_checkable

from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.limits import MIB
from tlsrpt_ingest.sources.source import Item, Source

OCTETS: Final = 2 * MIB
"""Of one shard: 250 to 500 messages of the common senders. Half as much costs a tenth more, for less to wait for."""

BLOCK: Final = 64 * 1024
"""Octets read at once: so few that malloc hands out the same memory again, and asks the kernel for none."""

_NOATIME: Final[int] = getattr(os, "O_NOATIME", 0)
"""Linux: reading does not count as a look. Mail readers tell new mail in an mbox by its time of access."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The messages of an mbox whose From_ lines stand at octets `begin` to `end`, `end` excluded."""

    path: str
    origin: str
    """Of the mbox."""
    begin: int
    end: int
    size: int
    """Of the mbox, when it was opened: what is appended meanwhile is left for the next reading."""
    inode: int
    follow: bool
    """Whether `path` may be a link."""

    def items(self) -> Iterator[Item]:
        """The messages, as `FileSource.items` has them. Raises Unavailable where the mbox is not there any more."""
        # Not at the top: a poll with nothing to do would pay for it.
        from tlsrpt_ingest.sources import archive, mbox  # noqa: PLC0415 - as said

        try:
            raw = opened(Path(self.path), follow=self.follow)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}") from error
        with raw:
            status = os.fstat(raw.fileno())
            if status.st_size < self.size or status.st_ino != self.inode:
                raise Unavailable(f"{self.path} is another file than it was; run the same command again")
            left = self.size - raw.seek(mbox.lead(self.begin))

            def read(size: int) -> bytes:
                nonlocal left
                octets = raw.read(min(size, left)) or b""
                left -= len(octets)
                return octets

            found = mbox.messages(read, BLOCK, self.begin, self.end)
            yield from archive.whole(archive.mbox_items(found, self.origin), self.origin, Path(self.path).name)

    def behind(self, item: Item) -> Self:
        """What is left of it behind one of its items."""
        return replace(self, begin=item.position + 1)


def shards(raw: FileIO, path: Path, origin: str, *, follow: bool) -> Iterator[Shard]:
    """An mbox that is open, cut into shards."""
    status = os.fstat(raw.fileno())
    for begin in range(0, status.st_size, OCTETS):
        end = min(begin + OCTETS, status.st_size)
        yield Shard(os.path.abspath(path), origin, begin, end, status.st_size, status.st_ino, follow)  # noqa: PTH100 - as in origin


def opened(path: Path, *, follow: bool = False) -> FileIO:
    """A regular file and nothing else: never waits for the other end of a FIFO, nor follows a link if not told to.

    Raises OSError.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        raw = FileIO(os.open(path, flags | _NOATIME))
    except PermissionError:  # only a file's owner may ask for that
        raw = FileIO(os.open(path, flags))
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise OSError(errno.EINVAL, "it is no regular file any more")
    return raw


@runtime_checkable
class Divisible(Source, Protocol):
    """A source that leaves large mboxes to be read by others; what it has is not settled."""

    def pieces(self) -> Iterator[Item | Shard]:
        """What `items` has, in the same order, the messages of large mboxes as shards."""
        ...
