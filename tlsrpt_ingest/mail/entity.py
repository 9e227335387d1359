"""One MIME entity at a time: its header fields, its body, its parts (RFC 5322, 2045, 2046).

Python's `email` takes a whole message apart at once, one nested generator for each level of it, so that ten thousand
nested multiparts end in RecursionError and a hundred thousand parts in as many objects. Here an entity is a range of
the message's octets, nothing is copied until a body is wanted, and whoever walks decides how far.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import field

_FIELD: Final = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_BEGINS_LIKE_MAIL: Final = re.compile(rb"From |[A-Za-z][A-Za-z0-9-]*[ \t]*:")
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_LEADING_BLANK_LINE: Final = re.compile(rb"\r?\n")
_WANTED: Final = frozenset(
    {
        b"content-disposition",
        b"content-transfer-encoding",
        b"content-type",
        b"contenttype",
        b"from",
        b"message-id",
        b"subject",
        b"tls-report-domain",
        b"tls-report-submitter",
    }
)
_INNER_DELIMITERS: Final = 10 * limits.PARTS
_BASE64_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64_LETTERS))


@dataclass(frozen=True, slots=True)
class Entity:
    """A message or a part: the range of `octets` that its body takes, and what its header says."""

    octets: bytes
    start: int
    """Where the body begins."""
    end: int
    fields: dict[bytes, bytes]
    """The first field of each name that we read, name in lower case, value raw, cut to limits.HEADER."""
    media_type: str
    """In lower case; "text/plain" where none, or none that makes sense, is given (RFC 2045 section 5.2)."""
    parameters: dict[str, str]
    filename: str | None
    flooded: bool
    """Whether a header, and not a file of something else, goes on beyond limits.HEADERS."""

    @property
    def labelled(self) -> bool:
        """Whether a field gives a media type at all."""
        return b"content-type" in self.fields or b"contenttype" in self.fields

    @property
    def misspelled(self) -> bool:
        """Whether the media type came from a field called ContentType."""
        return b"contenttype" in self.fields and b"content-type" not in self.fields

    @property
    def transfer_encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case, without comments; "" where there is none."""
        raw = self.fields.get(b"content-transfer-encoding", b"")
        return raw[: limits.NAME].decode("latin-1").partition(";")[0].partition("(")[0].strip().lower()

    def head(self, size: int) -> bytes:
        """The first octets of the body behind blanks, as they stand."""
        return self.octets[self.start : min(self.end, self.start + size)].lstrip()

    def body(self) -> bytes:
        """The body as it stands."""
        return self.octets[self.start : self.end]


def entity(octets: bytes, start: int, end: int) -> Entity:
    """Read the header of the entity that takes `octets[start:end]`. Lines that are no field are passed over."""
    leading = _LEADING_BLANK_LINE.match(octets, start, end)
    if leading:
        header_end, body = start, leading.end()
    else:
        blank = _BLANK_LINE.search(octets, start, end)
        header_end, body = (blank.start() + 1, blank.end()) if blank else (end, end)
    fields: dict[bytes, bytes] = {}
    for found in _FIELD.finditer(octets, start, min(header_end, start + limits.HEADERS)):
        name = found[1].lower()
        if name in _WANTED and name not in fields:
            fields[name] = found[2][: limits.HEADER].strip()
    media_type, parameters = field.parameters(fields.get(b"content-type") or fields.get(b"contenttype"))
    if media_type.count("/") != 1:
        media_type = "text/plain"
    _disposition, more = field.parameters(fields.get(b"content-disposition"))
    return Entity(
        octets=octets,
        start=body,
        end=end,
        fields=fields,
        media_type=media_type,
        parameters=parameters,
        filename=field.filename(more, parameters),
        flooded=header_end - start > limits.HEADERS and bool(_BEGINS_LIKE_MAIL.match(octets, start)),
    )


def fields(octets: bytes, names: frozenset[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Every field of the message's header with one of these names (lower case), from the top: name, raw value.

    Of a header of more than limits.HEADERS the beginning; a value is cut to limits.HEADER.
    """
    blank = _BLANK_LINE.search(octets, 0, limits.HEADERS)
    header = b"\n" + octets[: blank.start() + 1 if blank else limits.HEADERS]
    for found in _named(names).finditer(header):
        yield found[1].lower(), found[2][: limits.HEADER].strip()


@cache
def _named(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """Fields with these names. The line end in front is what the engine looks for: half of the time of `^`."""
    return re.compile(rb"\n(%b)[ \t]*:(.*(?:\n[ \t].*)*)" % b"|".join(map(re.escape, names)), re.IGNORECASE)


def bare_part(octets: bytes, start: int, end: int) -> Entity:
    """A part without any header, not even the blank line behind it."""
    return Entity(octets, start, end, {}, "text/plain", {}, filename=None, flooded=False)


def parts(multipart: Entity) -> Iterator[tuple[int, int, bool]]:
    """The ranges of a multipart's parts, lazily, and whether a delimiter follows (RFC 2046 section 5.1.1).

    Nothing where the boundary is not to be found. A line that only begins with the delimiter is none; it belongs to
    an inner multipart, mostly. Raises Unreadable where there are more such lines than parts can be.
    """
    boundary = multipart.parameters.get("boundary", "").rstrip()
    if not boundary:
        return
    octets, end = multipart.octets, multipart.end
    delimiter = b"\n--" + boundary.encode("latin-1", "replace")
    part: int | None = None
    others = 0
    at = octets.find(delimiter, max(multipart.start - 1, 0), end)
    while at >= 0:
        behind = at + len(delimiter)
        line_end = octets.find(b"\n", behind, end)
        line_end = end if line_end < 0 else line_end
        closes = octets.startswith(b"--", behind, end)
        if closes or not octets[behind : min(line_end, behind + limits.NAME)].strip():
            if part is not None:
                # The line end before a delimiter belongs to the delimiter.
                yield part, max(part, at - 1 if octets.endswith(b"\r", part, at) else at), True
            if closes:
                return
            part = min(line_end + 1, end)
        else:
            others += 1
            if others > _INNER_DELIMITERS:
                raise Unreadable(
                    "mail", "too-many-parts", f"more than {_INNER_DELIMITERS} lines begin like the delimiter of a part"
                )
        at = octets.find(delimiter, line_end, end)
    if part is not None:
        yield part, end, False


def decode(raw: bytes, transfer_encoding: str) -> tuple[bytes, bool]:
    """Undo a Content-Transfer-Encoding; the flag says whether it was damaged. An unknown one changes nothing."""
    match transfer_encoding:
        case "base64":
            try:
                return binascii.a2b_base64(raw), False
            except binascii.Error:
                # A footer of a mailing list behind it, or its end lost: whole groups of four still mean what they mean.
                letters = raw.partition(b"=")[0].translate(None, _NOT_BASE64)
                return binascii.a2b_base64(letters[: len(letters) // 4 * 4]), True
        case "quoted-printable":
            return binascii.a2b_qp(raw), False
        case "x-uuencode" | "uuencode" | "x-uue" | "uue":
            return _uudecode(raw)
        case _:
            return raw, False


def _uudecode(raw: bytes) -> tuple[bytes, bool]:
    decoded: list[bytes] = []
    lines = iter(raw.splitlines())
    for line in lines:
        if line.startswith(b"begin "):
            break
    for line in lines:
        if line.startswith(b"end"):
            return b"".join(decoded), False
        try:
            decoded.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
    return b"".join(decoded), True
