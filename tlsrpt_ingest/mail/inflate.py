"""Bounded inflating: from the octets of a part to the JSON texts in it (RFC 1952 gzip, 1950 zlib, 1951 deflate, zip).

The magic octets decide. Output is made in small steps and thrown away as soon as it is no JSON text or passes a limit,
so that neither a bomb nor somebody's office documents cost more than one step.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable

_STEP: Final = 64 * 1024
"""Octets fed and octets taken in one step."""

_SNIFF: Final = 4096
"""Octets in which a JSON text has to begin."""

_ZIP_MEMBERS: Final = 10 * limits.PARTS
"""Members of the zip archives of one message: a month of reports in one archive is far below it."""

_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_JSON: Final = re.compile(rb"""\s*(?:\{\s*["'}]|\[\s*[{\]])""")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""A string, with its end or cut off (so that no octet is looked at twice), or a bracket."""

_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    struct.error,
    LookupError,
)
"""What zipfile was seen, or says, to raise over a damaged archive."""

Kind = Literal["json", "gzip", "zip"]


@dataclass(slots=True)
class Allowance:
    """What may still be inflated for one message."""

    octets: int = limits.DOCUMENTS_OF_A_MESSAGE
    zip_members: int = _ZIP_MEMBERS


@dataclass(slots=True)
class Inflated:
    """One JSON text."""

    octets: bytes
    gzip: bytes | None = None
    """The gzip stream it came in, where that is one clean member."""
    codes: list[str] = field(default_factory=list)
    """Deviations met on the way (`MAIL_DEVIATIONS`)."""
    name: str | None = None
    """The name of its member in a zip archive: a hint and nothing else (RFC 8460 section 6.5)."""


@dataclass(slots=True)
class _Gzip:
    """What is known of a gzip stream once its chunks are read."""

    members: int = 0
    complete: bool = False
    """Whether the last member was read to its checksum, and that is right."""
    end: int = 0
    """Where the octets behind the stream begin."""


_Opener = Callable[[bytes, Allowance], Iterator[Inflated | Unreadable]]


def sniff(octets: bytes) -> Kind | None:
    """What the first octets say that it is, behind blanks and a byte order mark; None for anything else."""
    head = octets[:_SNIFF].lstrip()
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    for mark in _BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    return "json" if _JSON.match(head.replace(b"\0", b"")) else None  # without NUL, UTF-16 reads like ASCII


def inflate(
    octets: bytes, allowance: Allowance, *, called_gzip: bool = False, depth: int = limits.ARCHIVE_DEPTH
) -> Iterator[Inflated | Unreadable]:
    """Every JSON text in `octets`, in order, and an Unreadable (stage "inflate") for each that cannot be had.

    `called_gzip` says that labels call it gzip: only then are zlib and raw deflate tried, which have no magic octets.
    """
    match sniff(octets):
        case "json":
            yield Inflated(_gather(iter((octets,)), allowance, "not compressed") or b"")
        case "gzip":
            yield from _inner(_gunzip, octets.lstrip(), allowance, depth)
        case "zip":
            yield from _inner(_unzip, octets.lstrip(), allowance, depth)
        case None if called_gzip:
            yield from _deflate(octets, allowance)


def _inner(opened: _Opener, octets: bytes, allowance: Allowance, depth: int) -> Iterator[Inflated | Unreadable]:
    """What `opened` finds in `octets`, and what is in that where it is compressed once more."""
    if not depth:
        yield Unreadable("inflate", "nested-archive", f"compressed more than {limits.ARCHIVE_DEPTH} times over")
        return
    try:
        for outer in opened(octets, allowance):
            if isinstance(outer, Unreadable) or sniff(outer.octets) == "json":
                yield outer
                continue
            for one in inflate(outer.octets, allowance, depth=depth - 1):
                if isinstance(one, Inflated):
                    code = [] if "zip-archive" in outer.codes else ["compressed-twice"]
                    one.gzip = None
                    one.codes = outer.codes + code + one.codes
                    one.name = one.name or outer.name
                yield one
    except Unreadable as failure:
        yield failure


def _gunzip(octets: bytes, allowance: Allowance) -> Iterator[Inflated]:
    stream = _Gzip()
    text = _gather(_members(octets, stream), allowance, "gzip")
    if text is None:
        return
    codes = []
    if not stream.complete:
        if not _is_whole(text):
            raise Unreadable(
                "inflate", "truncated-gzip", f"the gzip stream stops after {len(text)} octets of text, in the middle"
            )
        codes.append("gzip-without-trailer")
    if stream.end < len(octets):
        codes.append("gzip-trailing-octets")
    if stream.members > 1:
        codes.append("several-gzip-members")
    clean = stream.complete and stream.members == 1
    yield Inflated(text, octets[: stream.end] if clean else None, codes)


def _members(octets: bytes, stream: _Gzip) -> Iterator[bytes]:
    """The text of the gzip members in chunks; `stream` is true once it has run to its end."""
    view = memoryview(octets)
    inflater = zlib.decompressobj(31)
    stream.members, stream.end = 1, len(octets)
    at = 0
    while at < len(view):
        data: bytes | memoryview = view[at : at + _STEP]
        at += len(data)
        yield from _steps(inflater, data, "gzip")
        if inflater.eof:
            at -= len(inflater.unused_data)
            if bytes(view[at : at + 2]) != b"\x1f\x8b":
                stream.complete, stream.end = True, at
                return
            stream.members += 1
            if stream.members > limits.PARTS:
                raise Unreadable("inflate", "too-many-members", f"a gzip stream of more than {limits.PARTS} members")
            inflater = zlib.decompressobj(31)


def _steps(inflater: "zlib._Decompress", data: bytes | memoryview, what: str) -> Iterator[bytes]:
    """Feed `data` and take what comes out, _STEP octets at a time."""
    while True:
        try:
            out = inflater.decompress(data, _STEP)
        except zlib.error as error:
            raise Unreadable("inflate", f"corrupt-{what}", f"the {what} stream is damaged ({error})") from None
        yield out
        data = inflater.unconsumed_tail
        if inflater.eof or (not data and len(out) < _STEP):
            return


def _deflate(octets: bytes, allowance: Allowance) -> Iterator[Inflated]:
    for window_bits in (15, -15):
        inflater = zlib.decompressobj(window_bits)
        pieces = (octets[at : at + _STEP] for at in range(0, len(octets), _STEP))
        chunks = (chunk for piece in pieces if not inflater.eof for chunk in _steps(inflater, piece, "zlib"))
        try:
            text = _gather(chunks, allowance, "zlib")
        except Unreadable:
            continue
        if text and inflater.eof:
            yield Inflated(text, codes=["deflate-without-gzip"])
            return


def _unzip(octets: bytes, allowance: Allowance) -> Iterator[Inflated | Unreadable]:
    # The directory becomes one object a member: count its signatures before zipfile believes it.
    allowance.zip_members -= octets.count(b"PK\x01\x02")
    if allowance.zip_members < 0:
        raise Unreadable("inflate", "too-many-members", f"zip archives of more than {_ZIP_MEMBERS} members")
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield from _member(archive, member, allowance)
    except _ZIP_ERRORS as error:
        raise Unreadable("inflate", "corrupt-zip", f"the zip archive is damaged ({_said(error)})") from None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, allowance: Allowance) -> Iterator[Inflated | Unreadable]:
    named = f"the member {member.filename[:100]!a} of the zip archive"
    if member.flag_bits & 1:
        yield Unreadable("inflate", "encrypted-zip", f"{named} is encrypted")
    elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile inflates the other methods without any bound.
        yield Unreadable("inflate", "zip-method", f"{named} is compressed by method {member.compress_type}, not 8")
    else:
        try:
            with archive.open(member) as opened:
                text = _gather(iter(lambda: opened.read(_STEP), b""), allowance, "zip")
        except Unreadable as failure:
            yield failure
        except _ZIP_ERRORS as error:
            yield Unreadable("inflate", "corrupt-zip", f"{named} is damaged ({_said(error)})")
        else:
            if text is not None:
                yield Inflated(text, codes=["zip-archive"], name=member.filename)


def _gather(chunks: Iterator[bytes], allowance: Allowance, what: str) -> bytes | None:
    """The chunks as one, counted against the allowance; None, early, where they begin like nothing that we read."""
    bound = min(limits.DOCUMENT, allowance.octets)
    gathered: list[bytes] = []
    size = 0
    for chunk in chunks:
        known = size >= _SNIFF
        gathered.append(chunk)
        size += len(chunk)
        if not known and size >= _SNIFF:
            gathered = [b"".join(gathered)]
            if sniff(gathered[0]) is None:
                return None
        if size > bound:
            if bound < limits.DOCUMENT:
                reason = f"the documents of the message inflate to more than {limits.DOCUMENTS_OF_A_MESSAGE} octets"
            else:
                reason = f"the document inflates to more than {limits.DOCUMENT} octets"
            raise Unreadable("inflate", "too-large", f"{reason} ({what}); a report has some hundred")
    allowance.octets -= size
    text = b"".join(gathered)
    return text if size >= _SNIFF or sniff(text) or not text else None


def _is_whole(text: bytes) -> bool:
    """Whether every bracket of a JSON text is closed again."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[0], 0)
    return depth == 0 and text.rstrip().endswith((b"}", b"]"))


def _said(error: Exception) -> str:
    return ascii(str(error)[:100] or type(error).__name__)
