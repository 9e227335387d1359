"""The fast way through the ordinary message: RFC 8460 section 5.3 to the letter, as the large senders write it.

`multipart/report; report-type=tlsrpt` of two parts, some words for people and one gzip stream in base64, found by
`bytes.find` and without a loop over lines. None is the answer to whatever is not plainly ordinary, and the complete way
(`attachment.open_mail`) decides; where this way has an answer, it is the complete way's
(tests/property/test_ordinary_mail.py).

MEASURED
"""

import binascii
import re
import zlib
from typing import Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.mail.attachment import Document, Mail
from tlsrpt_ingest.rfc8460 import Hints


def open_ordinary(octets: bytes) -> Mail | None:
    """Open an ordinary message; None where the complete way has to look."""
    try:
        return _open(octets)
    except (ValueError, zlib.error):  # binascii.Error and UnicodeDecodeError are ValueErrors
        return None


def _open(octets: bytes) -> Mail:
    """The mail; raises ValueError or zlib.error for whatever is odd."""
    line_end = b"\r\n" if octets.endswith(b"\r", 0, octets.find(b"\n")) else b"\n"
    header, body = _header(octets, 0, len(octets), line_end)
    boundary = _one(_MULTIPART_REPORT, header.raw(b"content-type"))
    delimiter = b"\n--" + boundary
    words = _after_delimiter(octets, delimiter, body - 1, line_end)
    words_end = octets.index(delimiter, words - 1)
    report = _after_delimiter(octets, delimiter, words_end, line_end)
    report_end = octets.index(delimiter, report - 1)
    if not octets.startswith(b"--", report_end + len(delimiter)):
        raise ValueError("a third part")
    _check_words(octets, words, words_end, line_end)
    subject = header.text(b"subject")
    submitter = header.text(b"tls-report-submitter")
    part, begin = _header(octets, report, report_end, line_end)
    _one(_TLSRPT_GZIP, part.raw(b"content-type"))
    _one(_BASE64, part.raw(b"content-transfer-encoding"))
    filename = _one(_FILENAME, part.raw(b"content-disposition"))
    gzip = binascii.a2b_base64(octets[begin:report_end])
    hints = Hints(header.text(b"tls-report-domain"), submitter, subject, filename.decode("ascii"))
    sender = _ADDRESS.fullmatch(header.text(b"from"))
    if sender is None:
        raise ValueError("an odd From")
    return Mail(
        (Document(_inflated(gzip), gzip, hints),),
        claims=True,
        message_id=header.text(b"message-id"),
        sender=sender[1] or sender[2],
        subject=subject,
        submitter=submitter,
    )


class _Header:
    """The header of an entity, with LF line ends; of a field that stands twice, the first one counts."""

    __slots__ = ("_octets", "lowered")

    def __init__(self, octets: bytes) -> None:
        self._octets = b"\n" + octets + b"\n"
        self.lowered = self._octets.lower()

    def raw(self, name: bytes) -> bytes:
        """The value of a field, folded as it is; raises ValueError where there is none, or an odd one."""
        lowered = self.lowered
        start = lowered.index(b"\n" + name) + 1 + len(name)
        if lowered[start] != _COLON:
            raise ValueError("a blank in front of the colon, or a field with a longer name")
        end = lowered.index(b"\n", start)
        while lowered.startswith(_FOLDS, end):
            end = lowered.index(b"\n", end + 1)
        if end - start > limits.NAME:
            raise ValueError("a long field")
        return self._octets[start + 1 : end]

    def text(self, name: bytes) -> str:
        """The value of an unstructured field, unfolded; raises ValueError where it is more than printable ASCII."""
        text = b" ".join(self.raw(name).split()).decode("ascii")
        if not text or not text.isprintable() or "=?" in text:
            raise ValueError("an empty field, control characters or encoded words")
        return text


def _header(octets: bytes, start: int, end: int, line_end: bytes) -> tuple[_Header, int]:
    """The header of the entity in `octets[start:end]`, and where its body begins."""
    header_end = octets.index(line_end + line_end, start, end)
    header = octets[start:header_end]
    if len(header) > limits.HEADERS or not header[:1].isalpha() or header.startswith(b"PK"):
        raise ValueError("a flood, or no header")
    if line_end == b"\r\n":
        lines = header.count(b"\n")
        plain = header.replace(b"\r\n", b"\n")
        if len(header) - len(plain) != lines:
            raise ValueError("mixed line ends")
        header = plain
    if b"\r" in header:
        raise ValueError("mixed line ends")
    return _Header(header), header_end + 2 * len(line_end)


def _after_delimiter(octets: bytes, delimiter: bytes, at: int, line_end: bytes) -> int:
    """Where the part begins whose delimiter is at `at`: the line ends with the boundary, which may begin another."""
    if not octets.startswith(delimiter + line_end, at):
        raise ValueError("no delimiter, or more behind it")
    return at + len(delimiter) + len(line_end)


def _check_words(octets: bytes, start: int, end: int, line_end: bytes) -> None:
    """Make sure that the first part is words for people, in which the complete way would find no document either."""
    header, body = _header(octets, start, end, line_end)
    if not _WORDS_HEADER.fullmatch(header.lowered) or not _PROSE.match(octets, body, end):
        raise ValueError("an odd first part")


def _inflated(gzip: bytes) -> bytes:
    """The document in a gzip stream of one member and nothing behind it, within limits.DOCUMENT."""
    inflater = zlib.decompressobj(31)
    document = inflater.decompress(gzip, limits.DOCUMENT + 1)
    if not inflater.eof or inflater.unused_data or len(document) > limits.DOCUMENT or not _OBJECT.match(document):
        raise ValueError("truncated, too large, more behind it, or no JSON object")
    return document


def _one(pattern: re.Pattern[bytes], value: bytes) -> bytes:
    """The one group of a pattern that has to match the whole value."""
    found = pattern.fullmatch(value)
    if found is None:
        raise ValueError("an odd field")
    return found[found.lastindex or 0]


_COLON: Final = ord(":")
_FOLDS: Final = (b"\n ", b"\n\t")
_REPORT_TYPE: Final = rb'report-type=(?:tlsrpt|"tlsrpt")\s*'
_BOUNDARY: Final = rb"""boundary=(?:"([\w'()+,./:=?-]+)"|([\w'+.-]+))\s*"""
_MULTIPART_REPORT: Final = re.compile(
    rb"\s*multipart/report\s*;\s*(?:"
    + _REPORT_TYPE
    + rb";\s*"
    + _BOUNDARY
    + rb"|"
    + _BOUNDARY
    + rb";\s*"
    + _REPORT_TYPE
    + rb");?\s*",
    re.IGNORECASE,
)
_TLSRPT_GZIP: Final = re.compile(
    rb'\s*application/tlsrpt\+gzip\s*(?:;\s*name=(?:"[^"\\;]*"|[^\s"\\;]+)\s*)?;?\s*', re.IGNORECASE
)
_BASE64: Final = re.compile(rb"\s*base64\s*", re.IGNORECASE)
_FILENAME: Final = re.compile(
    rb"""\s*attachment\s*;\s*filename=(?:"([\w!#$%&'()*+,./:=@^`{|}~-]+)"|([\w!.@+-]+))\s*;?\s*""", re.IGNORECASE
)
_WORDS_HEADER: Final = re.compile(
    rb"""(?:\n(?:content-type:\s*text/(?:plain|html)\s*(?:;\s*(?:charset|format|delsp)=(?:"[^"\\]*"|[^\s"\\;]+)\s*)*;?
    |content-transfer-encoding:\s*(?:7bit|8bit|quoted-printable)|mime-version:\s*1\.0|content-disposition:\s*inline
    )[ \t]*)+\n""",
    re.VERBOSE,
)
_PROSE: Final = re.compile(rb"\s{0,9}<?(?![ACDHIPUWe])[A-Za-z]")
"""The beginning of words for people that are no document by any reading: not even if they were base64, whose first
letter has six bits of the first octet, is that octet a blank, NUL, or the first one of JSON, gzip, zip or UTF-16."""
_OBJECT: Final = re.compile(rb'\{\s{0,99}"')
_ADDRESS: Final = re.compile(r"""[^<>]*<([^<>\s]+)>|([^\s<>()",;:]+@[^\s<>()",;:]+)""")
