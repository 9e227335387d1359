"""Split an mbox (RFC 4155) into its messages: streaming, by blocks, without an index.

Blocks of 1 MiB and `find` read 300,000 messages in 1.9 s, where `mailbox.mbox` takes 16 s for its table of contents.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tlsrpt_ingest import limits

BLOCK: Final = limits.MIB

_LINE: Final = 1_100
"""Octets of the longest From_ line looked at: an address of 998 and a date."""

_FROM: Final = re.compile(
    # "From alice@example.org Tue Nov 24 09:00:00 2026", "From - ..." (Thunderbird), "From  Tue, 24 Nov ..." alike. The
    # date tells it from a line of text that begins with "From " and that no writer quoted.
    rb"From [^\r\n]{0,900}?\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b[^\r\n]{1,80}?\d\d?:\d\d"
)
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)


class Message(NamedTuple):
    """One message of an mbox."""

    offset: int
    """Octets from the start of the (uncompressed) mbox to its From_ line."""
    octets: bytes | None
    """The message without its From_ line, unquoted (mboxrd); None where it is larger than limits.MESSAGE."""


def messages(read: Callable[[int], bytes], block: int = BLOCK) -> Iterator[Message]:
    """The messages of the mbox that `read(size)` reads, in order; memory for one message and one block.

    A From_ line stands at the very start or after an empty line, and has a date in it. Content-Length is not believed:
    where it is wrong it swallows mail. Lines may end in LF or CRLF.
    """
    buffer = bytearray()
    base = 0  # where the buffer begins in the mbox
    start = 0  # where the message begins in the buffer
    offset = 0  # where it begins in the mbox
    scan = 0
    large = False
    while True:
        chunk = read(block)
        buffer += chunk
        while (found := buffer.find(b"\nFrom ", scan)) >= 0:
            if chunk and len(buffer) < found + _LINE and buffer.find(b"\n", found + 1) < 0:
                break  # the rest of this line is in the next block
            scan = found + 1
            if _after_empty_line(buffer, found) and _FROM.match(buffer, found + 1):
                yield Message(offset, None if large else _message(buffer, start, found + 1))
                start, offset, large = found + 1, base + found + 1, False
        scan = found if found >= 0 else max(scan, len(buffer) - 5)
        if not chunk:
            if len(buffer) > start:
                yield Message(offset, None if large else _message(buffer, start, len(buffer)))
            return
        large = large or len(buffer) - start > limits.MESSAGE
        # What is behind us goes; of a message too large to keep, all but what the next separator is told by.
        gone = max(start, scan - 4) if large else start
        del buffer[:gone]
        base, start, scan = base + gone, max(0, start - gone), scan - gone


def _after_empty_line(buffer: bytearray, newline: int) -> bool:
    before = buffer[max(0, newline - 2) : newline]
    return before.endswith(b"\n") or before == b"\n\r"


def _message(buffer: bytearray, start: int, end: int) -> bytes | None:
    first = buffer.find(b"\n", start, end) + 1 if buffer.startswith(b"From ", start) else start
    if first == 0:  # a From_ line and nothing else
        return b""
    # The empty line before the next From_ line is the mbox's, not the message's.
    if buffer.endswith(b"\r\n\r\n", first, end):
        end -= 2
    elif buffer.endswith(b"\n\n", first, end):
        end -= 1
    octets = bytes(buffer[first:end])
    if len(octets) > limits.MESSAGE:
        return None
    return _QUOTED.sub(rb"\1", octets) if b">From " in octets else octets
