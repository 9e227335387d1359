"""The items in a stream of octets: a message, a document, an mbox, or an archive of these; magic octets decide.

Nothing that an archive says is used as a path, and every size that it claims is measured instead.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final, cast

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.sources import mbox, origin
from tlsrpt_ingest.sources.source import Item

_HEAD: Final = 512
"""Octets that tell what a stream is: one block of tar, whose magic stands at 257."""

_COMPRESSED: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_DOCUMENT: Final = (b"{", b"[", b"\xef\xbb\xbf")

_BROKEN: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)
"""What the standard library raises where a stream ends too soon or is damaged."""

_REFUSED: Final = (RuntimeError, NotImplementedError, ValueError)
"""What zipfile raises for an encrypted member, an unknown method, an absurd header."""


def items(stream: IO[bytes], place: str, name: str, depth: int = 0) -> Iterator[Item]:
    """The items in `stream`, which lies at `place` and is called `name`; one with a failure where it is damaged."""
    position = 0
    try:
        for item in _items(stream, place, name, depth):
            yield item
            position = item.position
    except _BROKEN as error:
        yield _failed(place, name, position, "damaged", f"it is damaged or ends too soon: {_said(error)}")
    except _REFUSED as error:
        yield _failed(place, name, position, "refused", f"it cannot be opened: {_said(error)}")


def _items(stream: IO[bytes], place: str, name: str, depth: int) -> Iterator[Item]:
    peeked = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    head = peeked.peek(_HEAD)[:_HEAD]
    if head.startswith(b"From "):
        yield from _mbox(peeked, place)
    elif head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _zip(peeked, place, name, depth)
    elif head[257:262] == b"ustar":
        yield from _tar(peeked, place, name, depth)
    elif opened := next((opener for magic, opener in _COMPRESSED.items() if head.startswith(magic)), None):
        yield from _compressed(peeked, opened, place, name, depth)
    else:
        yield single(peeked, place, name)


def single(stream: IO[bytes], place: str, name: str, position: int = 0) -> Item:
    """The whole stream as one item: a message or a document."""
    octets = stream.read(limits.MESSAGE + 1)
    if len(octets) > limits.MESSAGE:
        return _failed(place, name, position, "too-large", _TOO_LARGE)
    return Item(place, octets, name, position)


def _mbox(stream: IO[bytes], place: str) -> Iterator[Item]:
    for offset, octets in mbox.messages(stream.read):
        here = origin.inside(place, offset)
        if octets is None:
            yield Item(here, b"", position=offset, failure=Unreadable("fetch", "too-large", _TOO_LARGE))
        else:
            yield Item(here, octets, position=offset)


def _compressed(stream: io.BufferedReader, opened: object, place: str, name: str, depth: int) -> Iterator[Item]:
    if depth >= limits.ARCHIVE_DEPTH:
        yield _failed(place, name, 0, "too-deep", _TOO_DEEP)
        return
    kept = _Kept(stream)
    inner = io.BufferedReader(opened(kept), mbox.BLOCK)  # type: ignore[operator] # one of the three in _COMPRESSED
    if inner.peek(_HEAD).lstrip().startswith(_DOCUMENT):
        # A document stays as it came: the ledger keeps the sender's own gzip stream, and mail/ inflates it.
        octets = kept.all()
        if len(octets) > limits.MESSAGE:
            yield _failed(place, name, 0, "too-large", _TOO_LARGE)
        else:
            yield Item(place, octets, name)
        return
    kept.forget()
    yield from _items(inner, place, name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz"), depth + 1)


class _Kept(io.RawIOBase):
    """A stream that remembers what was read from it until it is told to forget."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._read: bytearray | None = bytearray()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's Buffer protocol
        octets = self._stream.read(len(buffer))
        buffer[: len(octets)] = octets
        if self._read is not None:
            self._read += octets
        return len(octets)

    def forget(self) -> None:
        self._read = None

    def all(self) -> bytes:
        """Everything from the start, one octet beyond limits.MESSAGE at most."""
        before = bytes(self._read or b"")
        return before + self._stream.read(max(0, limits.MESSAGE + 1 - len(before)))


def _zip(stream: io.BufferedReader, place: str, name: str, depth: int) -> Iterator[Item]:
    if depth >= limits.ARCHIVE_DEPTH:
        yield _failed(place, name, 0, "too-deep", _TOO_DEEP)
        return
    seekable: IO[bytes] = stream
    if not stream.seekable():
        # A zip is read from its end: one inside another archive is held in memory, as large as a message may be.
        octets = stream.read(limits.MESSAGE + 1)
        if len(octets) > limits.MESSAGE:
            yield _failed(place, name, 0, "too-large", _TOO_LARGE)
            return
        seekable = io.BytesIO(octets)
    with zipfile.ZipFile(seekable) as archive:
        for position, member in enumerate(archive.infolist()):
            if position >= limits.ARCHIVE_MEMBERS:
                yield _failed(place, name, position, "too-many-members", _TOO_MANY)
                return
            if not member.is_dir():
                here = origin.inside(place, member.filename)
                try:
                    with archive.open(member) as opened:
                        yield from _member(opened, here, member.filename, position, depth)
                except (*_BROKEN, *_REFUSED) as error:
                    yield _failed(here, member.filename, position, "refused", f"it cannot be read: {_said(error)}")


def _tar(stream: io.BufferedReader, place: str, name: str, depth: int) -> Iterator[Item]:
    if depth >= limits.ARCHIVE_DEPTH:
        yield _failed(place, name, 0, "too-deep", _TOO_DEEP)
        return
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for position, member in enumerate(archive):
            if position >= limits.ARCHIVE_MEMBERS:
                yield _failed(place, name, position, "too-many-members", _TOO_MANY)
                return
            # tarfile keeps every header it has seen; in a stream nobody asks for them again.
            archive.members = []  # type: ignore[attr-defined] # typeshed leaves it out
            # Links and devices hold nothing, and are not followed anywhere.
            if member.isreg() and (opened := archive.extractfile(member)):
                yield from _member(opened, origin.inside(place, member.name), member.name, position, depth)


def _member(stream: IO[bytes], place: str, path: str, position: int, depth: int) -> Iterator[Item]:
    name = path.rstrip("/").rpartition("/")[2]
    for item in items(stream, place, name, depth + 1):
        # Members stand one after the other; what lies in an mbox among them keeps its offset.
        yield item if item.position else Item(item.origin, item.octets, item.name, position, failure=item.failure)


_TOO_LARGE: Final = f"it is larger than {limits.MESSAGE // limits.MIB} MiB, which no report is"
_TOO_DEEP: Final = f"it is an archive in more than {limits.ARCHIVE_DEPTH} archives"
_TOO_MANY: Final = f"the archive has more than {limits.ARCHIVE_MEMBERS:,} members; unpack it and read the folder"


def _failed(place: str, name: str, position: int, code: str, reason: str) -> Item:
    return Item(place, b"", name, position, failure=Unreadable("fetch", code, reason))


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
