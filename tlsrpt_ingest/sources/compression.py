"""Compressed streams (gzip, bzip2, xz), read forwards as far as they are whole, in bounded memory."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Final, Protocol

from tlsrpt_ingest import limits

_STEP: Final = 32 * 1024
"""Compressed octets fed at once."""

_DICTIONARY: Final = 128 * limits.MIB
"""Memory that an xz stream may ask for: `xz -9` asks for 65 MiB, a forged header for 4 GiB."""

_PADDING: Final = b"\0\r\n"
"""What may stand behind a stream: the padding of tapes and of xz, or the end of a line that a mail gateway added."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gunzip:
    """zlib in the manner of bz2 and lzma: it keeps what it could not take yet."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


GZIP: Final = b"\x1f\x8b"

_MAGIC: Final[dict[bytes, Callable[[], _Decompressor]]] = {
    GZIP: _Gunzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY),
}


def is_compressed(head: bytes) -> bool:
    """Whether a stream that begins like this is one of those that are read here."""
    return head.startswith(tuple(_MAGIC))


class Inflated(io.RawIOBase):
    """What is in a compressed stream that begins with `head`, over all its members.

    Where the stream is damaged or cut off, this one ends, and `damage` says why: what was whole before is not lost.
    """

    damage: Exception | None = None

    def __init__(self, stream: IO[bytes] | io.RawIOBase, head: bytes) -> None:
        self._stream = stream
        self._make = next(make for magic, make in _MAGIC.items() if head.startswith(magic))
        self._member = self._make()
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # typeshed's Buffer protocol
        """Fill the buffer, so that whoever looks at the head sees all of it; less only at the end."""
        filled = 0
        while filled < len(buffer) and not self._ended:
            try:
                octets = self._some(len(buffer) - filled)
            except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
                self.damage = error
                self._ended = True
            else:
                buffer[filled : filled + len(octets)] = octets
                filled += len(octets)
        return filled

    def _some(self, size: int) -> bytes:
        fed = b""
        if self._member.eof:
            fed = self._member.unused_data.lstrip(_PADDING)
            while not fed:
                more = self._read()
                if not more:
                    self._ended = True
                    return b""
                fed = more.lstrip(_PADDING)
            self._member = self._make()
        elif self._member.needs_input:
            fed = self._read()
        octets = self._member.decompress(fed, size)
        if not fed and not octets and self._member.needs_input and not self._member.eof:
            raise EOFError("it ends too soon")
        return octets

    def _read(self) -> bytes:
        return self._stream.read(_STEP) or b""
