"""The files in a tar, read forwards in flat memory, whatever its headers claim; where it is damaged it says so."""

import tarfile
from collections.abc import Iterator
from typing import IO, Final, NamedTuple, Self, cast

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable

_END: Final = (tarfile.EOFHeaderError, tarfile.EmptyHeaderError)  # type: ignore[attr-defined] # not in typeshed
"""How tarfile says that there is no further header; its other words for that mean damage."""

_ENDS: Final = 10
"""Reads at the end of the tar; a sound one makes two."""


class Member(NamedTuple):
    """One file in a tar."""

    name: str
    """As the tar has it: a stranger's text, never a path to follow."""
    content: IO[bytes] | None
    """To be read before the next member; None for a sparse file, whose zeros cost nothing and count for terabytes."""


def members(stream: IO[bytes]) -> Iterator[Member]:
    """The files in the tar, in order; folders, links and devices hold nothing and lead nowhere.

    Raises tarfile.TarError where it is damaged or cut off, Unreadable for more than limits.ARCHIVE_MEMBERS.
    """
    metered = _Metered(stream)
    source = cast("IO[bytes]", metered)
    # ignore_zeros: one tar may stand behind the other, as after `cat`. The encoding is not left to the locale, which is
    # another one in cron: origins are made of the names.
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Header, ignore_zeros=True, encoding="utf-8") as archive:
        raw = cast("IO[bytes]", archive.fileobj)
        for position, member in enumerate(archive):
            if position >= limits.ARCHIVE_MEMBERS:
                raise too_many()
            # tarfile keeps every header it has seen; in a stream nobody asks for them again.
            archive.members = []  # type: ignore[attr-defined] # typeshed leaves it out
            archive.pax_headers.clear()  # type: ignore[attr-defined] # the same
            metered.header(reading=False)
            if member.issparse():
                yield Member(member.name, None)
            # A type that nobody knows is a file (POSIX).
            elif member.isreg() or member.type not in tarfile.SUPPORTED_TYPES:
                yield Member(member.name, archive.extractfile(member))
            raw.seek(archive.offset)  # an error where that is backwards: a size may be negative
            metered.header(reading=True)


def too_many() -> Unreadable:
    """Why an archive of more than limits.ARCHIVE_MEMBERS is not read on."""
    said = f"the archive has more than {limits.ARCHIVE_MEMBERS:,} members; unpack it and read the folder"
    return Unreadable("fetch", "too-many-members", said)


class _Header(tarfile.TarInfo):
    """A tar header that is right or an error: tarfile takes a damaged one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        # A block of zeros is the end, and so it is where some of them are missing.
        return super().frombuf(buf if any(buf) else buf and bytes(tarfile.BLOCKSIZE), encoding, errors)

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile, /) -> Self:
        try:
            return super().fromtarfile(archive)
        except _END:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Metered:
    """A tar of which no more than limits.HEADERS is read for one header, which tarfile holds in memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ends = 0
        self.header(reading=True)

    def header(self, *, reading: bool) -> None:
        """Whether a header is read from here on, or the content of a member."""
        self._reading = reading
        self._octets = 0

    def read(self, size: int) -> bytes:
        octets = self._stream.read(size)
        # tarfile skips a member by reading on and on past the end, for as long as the member claims to be.
        self._ends += not octets
        if self._ends > _ENDS:
            raise tarfile.ReadError("a member longer than the archive")
        # Between one tar and the next there may be zeros without end.
        self._octets += len(octets.strip(b"\0")) if self._reading else 0
        if self._octets > limits.HEADERS:
            raise tarfile.ReadError("a header without end")
        return octets
