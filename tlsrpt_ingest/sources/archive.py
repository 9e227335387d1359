"""The items in a stream of octets: a message, a document, an mbox, or an archive of these; magic octets decide.

Nothing that an archive says is used as a path, and every size that it claims is measured instead. Where a stream is
damaged, what came before is handed out, and then one item that says so.
"""

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, Final, cast

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.sources import mbox, origin, tar
from tlsrpt_ingest.sources.compression import GZIP, Inflated, is_compressed
from tlsrpt_ingest.sources.source import Item

HEAD: Final = 512
"""Octets that tell what a stream is: one block of tar, whose magic stands at 257."""

_DOCUMENT: Final = (b"{", b"[", b"\xef\xbb\xbf")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_TAR: Final = (".tar", ".tgz", ".tbz2", ".txz")
"""Names of tars: those older than POSIX have no magic octets."""
_MBOX: Final = (".mbox", ".mbx")
"""Names of mboxes: one whose head was cut off begins anywhere in a message."""
_NEVER_EMPTY: Final = (".eml", ".json", ".gz", ".gzip", ".bz2", ".xz", ".zip")
"""Names that no mbox has: an empty mbox is read to its end, an empty one of these is broken."""

_FOREIGN: Final = {
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x04\x22\x4d\x18": "lz4",
    b"Dovecot-LZ4": "lz4",
    b"\x1f\x9d": "compress",
    b"\x5d\0\0": "lzma",
    b"LZIP": "lzip",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"!BDN": "PST",
    b"\xd0\xcf\x11\xe0": "MSG",
}
"""What may well hold reports and is not opened here: to say so beats calling it other mail."""


def items(stream: IO[bytes], place: str, name: str, depth: int = 0) -> Iterator[Item]:
    """The items in `stream`, which lies at `place` and is called `name`; one with a failure where it is damaged."""
    return whole(_items(_buffered(stream), place, name, depth), place, name)


def whole(found: Iterator[Item], place: str, name: str) -> Iterator[Item]:
    """What is found in `place`; where that fails, one item more that says so."""
    position = 0
    try:
        for item in found:
            yield item
            position = item.position
    except Exception as error:  # noqa: BLE001 - archives fail in more ways than the libraries say; each is one item's
        yield Item(place, b"", name, position, failure=_failure(error))


def message(stream: io.BufferedReader, place: str, name: str) -> Iterator[Item]:
    """One message of a Maildir: as it stands, or compressed, as Dovecot's mail_compress leaves it."""
    try:
        head = stream.peek(HEAD)
        item = None if is_compressed(head) or _foreign(head) else _whole(stream, place, name)
    except OSError as error:
        item = Item(place, b"", name, failure=_failure(error))
    if item:
        yield item
    else:
        yield from items(stream, place, name)


def _items(stream: "io.BufferedReader[Any]", place: str, name: str, depth: int) -> Iterator[Item]:
    head = stream.peek(HEAD)[:HEAD]
    if is_compressed(head):
        yield from _compressed(stream, head, place, name, depth)
    elif head.startswith(_ZIP) or head[257:262] == b"ustar" or name.lower().endswith(_TAR):
        if depth >= limits.ARCHIVE_DEPTH:
            raise Unreadable("fetch", "too-deep", f"it is an archive in more than {limits.ARCHIVE_DEPTH} archives")
        yield from _zip(stream, place, depth) if head.startswith(_ZIP) else _tar(stream, place, depth)
    elif foreign := _foreign(head):
        said = f"it is a {foreign} file, which is not read here; unpack it, or export what is in it as an mbox"
        raise Unreadable("fetch", "foreign-archive", said)
    elif _is_mbox(head, name):
        yield from mbox_items(mbox.messages(stream.read), place)
    elif head:
        yield _whole(stream, place, name)
    elif name.lower().endswith(_NEVER_EMPTY):
        raise Unreadable("fetch", "empty", "it is empty, as after a download that failed")


def _foreign(head: bytes) -> str | None:
    return next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), None)


def _whole(stream: IO[bytes], place: str, name: str) -> Item:
    """The whole stream as one item: a message or a document."""
    # Python sets aside as much as it is asked for, and hardly any message is as large as it might be.
    octets = stream.read(mbox.BLOCK)
    if len(octets) == mbox.BLOCK:
        octets += stream.read(max(0, limits.MESSAGE + 1 - mbox.BLOCK))
    if len(octets) > limits.MESSAGE:
        return Item(place, b"", name, failure=too_large())
    return Item(place, octets, name)


def mbox_items(messages: Iterator[mbox.Message], place: str) -> Iterator[Item]:
    """The messages of an mbox at `place` as items."""
    here = origin.inside(place, "")
    for offset, octets in messages:
        failure = too_large() if octets is None else None
        yield Item(f"{here}{offset}", octets or b"", position=offset, failure=failure)


def is_bare_mbox(head: bytes, name: str) -> bool:
    """Whether what begins with `head` (HEAD octets) and is called `name` is an mbox, in no archive and as it stands."""
    return _is_mbox(head, name) and not (
        is_compressed(head)
        or head.startswith(_ZIP)
        or head[257:262] == b"ustar"
        or name.lower().endswith(_TAR)
        or _foreign(head)
    )


def _is_mbox(head: bytes, name: str) -> bool:
    return head.lstrip(b"\r\n").startswith(b"From ") or name.lower().endswith(_MBOX)


def _compressed(stream: io.BufferedReader, head: bytes, place: str, name: str, depth: int) -> Iterator[Item]:
    kept = _Kept(stream)
    inflated = Inflated(kept, head)
    inner = io.BufferedReader(inflated, mbox.BLOCK)
    begin = inner.peek(HEAD)
    if inflated.damage and not begin:
        raise inflated.damage
    if head.startswith(GZIP) and begin.lstrip().startswith(_DOCUMENT):
        # A document stays as it came: the ledger keeps the sender's own gzip stream, and mail/ inflates it.
        octets = kept.all()
        yield Item(place, b"", name, failure=too_large()) if octets is None else Item(place, octets, name)
        return
    if depth >= limits.ARCHIVE_DEPTH:
        raise Unreadable("fetch", "too-deep", f"it is compressed in more than {limits.ARCHIVE_DEPTH} archives")
    kept.forget()
    bare = name if name.lower().endswith(_TAR) else name.rpartition(".")[0] or name
    for item in _items(inner, place, bare, depth + 1):
        if inflated.damage and item.origin == place:
            break  # what is one item as a whole is damaged as a whole
        yield item
    if inflated.damage:
        raise inflated.damage


class _Kept(io.RawIOBase):
    """A stream that remembers what was read from it, up to limits.MESSAGE, until it is told to forget."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._kept: bytearray | None = bytearray()

    def read(self, size: int = -1) -> bytes:
        octets = self._stream.read(size)
        if self._kept is not None:
            self._kept += octets
            if len(self._kept) > limits.MESSAGE:
                self.forget()
        return octets

    def forget(self) -> None:
        self._kept = None

    def all(self) -> bytes | None:
        """Everything from the start; None where that is more than limits.MESSAGE."""
        if self._kept is not None:
            self.read(limits.MESSAGE + 1 - len(self._kept))
        return None if self._kept is None else bytes(self._kept)


def _zip(stream: io.BufferedReader, place: str, depth: int) -> Iterator[Item]:
    if depth:
        # A zip is read from its end, which a stream inside an archive does not offer: it is held in memory.
        octets = stream.read(limits.MESSAGE + 1)
        if len(octets) > limits.MESSAGE:
            said = f"it is a zip of more than {limits.MESSAGE // limits.MIB} MiB inside an archive; unpack it first"
            raise Unreadable("fetch", "too-large", said)
        stream = io.BufferedReader(cast("io.RawIOBase", io.BytesIO(octets)))
    size = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(_Directory(cast("io.RawIOBase", stream))) as archive:
        members = archive.infolist()
        if sum(member.compress_size for member in members) > size:
            raise Unreadable("fetch", "refused", "its members overlap, as those of a zip bomb do")
        for position, member in enumerate(members):
            here = origin.inside(place, member.filename)
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                failure = Unreadable("fetch", "encrypted", "it is encrypted; unpack it with its password first")
                yield Item(here, b"", _basename(member.filename), position, failure=failure)
                continue
            try:
                with archive.open(member) as opened:
                    yield from _member(opened, here, member.filename, position, depth)
            except Exception as error:  # noqa: BLE001 - as in `items`
                yield Item(here, b"", _basename(member.filename), position, failure=_failure(error))


class _Directory(io.BufferedReader):
    """A zip whose directory, which zipfile reads at once and keeps, is held to limits.ARCHIVE_MEMBERS.

    The number that the zip claims says nothing: zipfile goes by what it finds.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > limits.MESSAGE + 1:
            raise zipfile.BadZipFile("its directory claims to be larger than any")
        octets = super().read(size)
        if octets.count(b"PK\x01\x02") > limits.ARCHIVE_MEMBERS:
            raise tar.too_many()
        return octets


def _tar(stream: io.BufferedReader, place: str, depth: int) -> Iterator[Item]:
    for position, member in enumerate(tar.members(stream)):
        here = origin.inside(place, member.name)
        if member.content is None:
            failure = Unreadable("fetch", "refused", "it is a sparse file of tar; pack it without --sparse")
            yield Item(here, b"", _basename(member.name), position, failure=failure)
        else:
            yield from _member(member.content, here, member.name, position, depth)


def _member(stream: IO[bytes], place: str, path: str, position: int, depth: int) -> Iterator[Item]:
    for item in items(stream, place, _basename(path), depth + 1):
        # Members stand one after the other; what lies in an mbox among them keeps its offset.
        yield item if item.position else replace(item, position=position)


def _buffered(stream: IO[bytes]) -> io.BufferedReader:
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))


def too_large() -> Unreadable:
    """Why an item larger than limits.MESSAGE is not read."""
    return Unreadable("fetch", "too-large", f"it is larger than {limits.MESSAGE // limits.MIB} MiB, which no report is")


def _failure(error: Exception) -> Unreadable:
    if isinstance(error, Unreadable):
        return error
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, (EOFError, OSError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)):
        return Unreadable("fetch", "damaged", f"it is damaged or ends too soon: {said}")
    return Unreadable("fetch", "refused", f"it cannot be opened: {said}")


def _basename(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
