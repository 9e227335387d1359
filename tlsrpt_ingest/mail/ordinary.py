"""The fast way through the ordinary message: RFC 8460 section 5.3 to the letter, as the large senders write it.

`multipart/report; report-type=tlsrpt` of two parts, some words for people and one gzip stream in base64, found by
`bytes.find` and two regular expressions, without a loop over lines. None is the answer to whatever is not plainly
ordinary, and the complete way (`attachment`) decides; where this way has an answer, it is the complete way's
(tests/property/test_ordinary_mail.py).
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
    except (ValueError, KeyError, zlib.error):  # binascii.Error and UnicodeDecodeError are ValueErrors
        return None


def _open(octets: bytes) -> Mail:
    """The mail; raises for whatever is odd."""
    fields, body = _header(octets, 0, len(octets))
    delimiter = b"\n--" + _one(_MULTIPART_REPORT, fields[b"content-type"])
    words = _behind(octets, delimiter, body - 1)
    words_end = octets.index(delimiter, words - 1)
    part = _behind(octets, delimiter, words_end)
    part_end = octets.index(delimiter, part - 1)
    if not octets.startswith(b"--", part_end + len(delimiter)):
        raise ValueError("a third part, or a line that only begins like a delimiter")
    if not _WORDS.match(octets, words, words_end):
        raise ValueError("a first part that is not plainly words for people")
    part_fields, begin = _header(octets, part, part_end)
    _one(_TLSRPT_GZIP, part_fields[b"content-type"])
    _one(_BASE64, part_fields[b"content-transfer-encoding"])
    filename = _one(_ATTACHMENT, part_fields[b"content-disposition"]).decode("ascii")
    gzip = binascii.a2b_base64(octets[begin:part_end])
    subject = _text(fields[b"subject"])
    submitter = _text(fields[b"tls-report-submitter"])
    sender = _ADDRESS.fullmatch(_text(fields[b"from"]))
    if sender is None:
        raise ValueError("From has several addresses, or a comment, or quotes")
    hints = Hints(_text(fields[b"tls-report-domain"]), submitter, subject, filename)
    return Mail(
        (Document(_inflated(gzip), gzip, hints),),
        claims=True,
        message_id=_text(fields[b"message-id"]),
        sender=sender[1] or sender[2],
        subject=subject,
        submitter=submitter,
    )


def _header(octets: bytes, start: int, end: int) -> tuple[dict[bytes, bytes], int]:
    """The first field of each name that we read, by name in lower case; and where the body begins."""
    blank_line = _BLANK_LINE.search(octets, start, end)
    if blank_line is None or blank_line.start() - start > limits.HEADERS:
        raise ValueError("no body, or a flood")
    if not octets[start : start + 1].isalpha() or octets.startswith(b"PK", start):
        raise ValueError("no header: a bare document, or a body right away")
    fields: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(b"\n" + octets[start : blank_line.start() + 1]):
        fields.setdefault(name.lower(), value.strip())
    return fields, blank_line.end()


def _behind(octets: bytes, delimiter: bytes, at: int) -> int:
    """Where the part begins whose delimiter is at `at`; the line ends there, or the boundary is a longer one."""
    if octets.startswith(delimiter + b"\n", at):
        return at + len(delimiter) + 1
    if octets.startswith(delimiter + b"\r\n", at):
        return at + len(delimiter) + 2
    raise ValueError("no delimiter, or something behind it")


def _one(pattern: re.Pattern[bytes], value: bytes) -> bytes:
    """The last group of a pattern that has to match the whole value."""
    found = pattern.fullmatch(value)
    if found is None or len(value) > limits.NAME:
        raise ValueError("a field that is not plainly ordinary")
    return found[found.lastindex or 0]


def _text(value: bytes) -> str:
    """The value of an unstructured field, unfolded, where it is nothing but printable ASCII."""
    text = b" ".join(value.split()).decode("ascii")
    if not text.isprintable() or "=?" in text or not 0 < len(value) <= limits.NAME:
        raise ValueError("an empty field, a long one, control characters or encoded words")
    return text


def _inflated(gzip: bytes) -> bytes:
    """The document in a gzip stream of one member and nothing behind it, within limits.DOCUMENT."""
    inflater = zlib.decompressobj(31)
    document = inflater.decompress(gzip, limits.DOCUMENT + 1)
    if not inflater.eof or inflater.unused_data or len(document) > limits.DOCUMENT or not _OBJECT.match(document):
        raise ValueError("truncated, too large, something behind it, or no JSON object")
    return document


_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_FIELD: Final = re.compile(
    # Content-..., From, Message-ID, Subject, TLS-Report-...: the first two letters let few others in.
    rb"\n([CFMSTcfmst][ELORSUelorsu][A-Za-z-]{2,23})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)"
)
_FWS: Final = rb"[ \t]*(?:\r?\n[ \t]+)?"
_REPORT_TYPE: Final = rb'report-type=(?:tlsrpt|"tlsrpt")' + _FWS
_BOUNDARY: Final = rb"""boundary=(?:"([\w'()+,./:=?-]+)"|([\w'+.-]+))""" + _FWS
_MULTIPART_REPORT: Final = re.compile(
    rb"multipart/report;%(w)s(?:%(r)s;%(w)s%(b)s|%(b)s;%(w)s%(r)s);?"
    % {b"w": _FWS, b"r": _REPORT_TYPE, b"b": _BOUNDARY},
    re.IGNORECASE,
)
_TLSRPT_GZIP: Final = re.compile(
    rb'application/tlsrpt\+gzip(?:;%(w)sname=(?:"[^"\\;]*"|[^\s"\\;]+))?;?' % {b"w": _FWS}, re.IGNORECASE
)
_BASE64: Final = re.compile(rb"base64", re.IGNORECASE)
_ATTACHMENT: Final = re.compile(
    rb"""attachment;%(w)sfilename=(?:"([\w!#$%%&'()*+,./:=@^`{|}~-]+)"|([\w!.@+-]+));?""" % {b"w": _FWS}, re.IGNORECASE
)
_WORDS: Final = re.compile(
    rb"""(?i:(?:Content-Type:[ ]text/(?:plain|html)(?:;%(w)s(?:charset|format|delsp)=(?:"[^"\\]*"|[^\s"\\;]+))*
    |Content-Transfer-Encoding:[ ](?:7bit|8bit|quoted-printable)|MIME-Version:[ ]1\.0|Content-Disposition:[ ]inline
    )\r?\n)+\r?\n\s{0,9}<?(?![ACDHIPUWe])[A-Za-z]"""
    % {b"w": _FWS.replace(b" ", rb"\x20")},
    re.VERBOSE,
)
"""A part of words for people that is no document by any reading: not even if the words were base64, whose first letter
has six bits of the first octet, could that be a blank, NUL, or what JSON, gzip, zip or UTF-16 begins with."""
_OBJECT: Final = re.compile(rb'\{\s{0,99}"')
_ADDRESS: Final = re.compile(r"""[^<>]*<([^<>\s]+)>|([^\s<>()",;:]+@[^\s<>()",;:]+)""")
