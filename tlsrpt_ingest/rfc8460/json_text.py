"""From the octets of a document to the one JSON object in it that is a report (RFC 8259, I-JSON RFC 7493)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import At, Notes
from tlsrpt_ingest.rfc8460.refusals import NotAReport, SeveralReports, UnreadableReport
from tlsrpt_ingest.rfc8460.terms import REPORT_MEMBERS

Object = dict[str, Any]


class Repeated(dict[str, Any]):
    """An object with members of the same name: the last of each counts, as for every JSON parser of the senders."""

    __slots__ = ("names",)
    names: tuple[str, ...]


def report_object(document: bytes, notes: Notes) -> Object:
    """The report in a document; raises UnreadableReport, NotAReport or SeveralReports."""
    text = without_poison(_text(document, notes), notes, ())
    start = _opening(text)
    text, value, end = _first(text, start, notes)
    found = [span for span in _spans(text, value, start, end) if span[0] is None or _is_report(span[0])]
    if not found:
        raise NotAReport("no-report", "the document is JSON with no member of a TLS report (RFC 8460 section 4.4)")
    if len(found) > limits.REPORTS_OF_A_DOCUMENT:
        raise UnreadableReport(
            "too-many-reports", f"the document holds more than {limits.REPORTS_OF_A_DOCUMENT} reports"
        )
    if len(found) > 1:
        raise SeveralReports(tuple(_document(text, *span) for span in found), notes.deviations())
    report: Object | None
    report, begin, stop = found[0]
    if report is None:
        raise _unreadable(text, begin)
    if isinstance(value, list):
        notes.add("array-of-reports")
    if begin >= end:
        notes.add("trailing-data")
        return report_object(text[begin:stop].encode(), notes)
    if text[end:].strip():
        notes.add("trailing-data")
    return report


def _document(text: str, value: Any, begin: int, end: int) -> bytes:
    """One of several reports as a document by itself.

    One that breaks off stays refused: on one line, no repair of broken lines can make several reports of it again.
    """
    document = text[begin:end]
    return (document if value is not None else _LINE_BREAK.sub(" ", document)).encode()


def loads(text: str, notes: Notes, at: At) -> Any:
    """The JSON value packed in a string of the document, or None where there is none."""
    try:
        value, end = _STRICT.raw_decode(without_poison(text, notes, at))
    except (ValueError, RecursionError):
        return None
    return value if not text[end:].strip() else None


def without_poison(text: str, notes: Notes, at: At) -> str:
    """The JSON text without NUL and halves of surrogate pairs, which no database takes: U+FFFD stands for each."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd") if at else text.rstrip("\0").replace("\0", "\ufffd")
        notes.add("nul", at)
    if not _POISON.search(text):
        return text
    codes: set[str] = set()

    def replaced(match: re.Match[str]) -> str:
        if match["half"]:
            codes.add("lone-surrogate")
        elif match["nul"]:
            codes.add("nul")
        else:
            return match[0]
        return "\\ufffd"

    text = _ESCAPE.sub(replaced, text)
    for code in sorted(codes):
        notes.add(code, at)
    return text


def _text(document: bytes, notes: Notes) -> str:
    encoding = json.detect_encoding(document)
    if encoding == "utf-8":
        try:
            return document.decode()
        except UnicodeDecodeError:
            notes.add("latin-1")
            return document.decode("latin-1")
    if encoding == "utf-8-sig":
        notes.add("byte-order-mark")
        return _text(_BYTE_ORDER_MARKS.sub(b"", document), notes)
    notes.add(encoding[:6])
    try:
        return document.decode(encoding)
    except UnicodeDecodeError:
        notes.add("lone-surrogate")
        return document.decode(encoding, "replace")


def _opening(text: str) -> int:
    """Where the JSON begins, if it is JSON that can be a report at all."""
    start = _significant(text, 0)
    if start == len(text):
        raise UnreadableReport("empty", "the document is empty")
    if text[start] == "<":
        raise NotAReport("xml", "the document is XML, as DMARC reports are, and no TLS report")
    if text[start] not in "{[":
        raise NotAReport("not-json", "the document is no JSON object")
    # A container takes two characters and more.
    most = limits.JSON_CONTAINERS
    if len(text) > 2 * most and text.count("{") + text.count("[") > most:
        raise UnreadableReport("too-large", f"the document has more than {limits.JSON_CONTAINERS} objects and arrays")
    return start


def _first(text: str, start: int, notes: Notes) -> tuple[str, Any, int]:
    """The first JSON value of a text: the text as it could be read, the value, and where it ends."""
    try:
        return text, *_decode(_STRICT, text, start)
    except JSONDecodeError:
        pass
    # Postfix breaks a line beyond 998 octets by CR LF SPACE, others by CR LF or LF alone: hMailServer's fork sends one
    # long line without a Content-Transfer-Encoding. RFC 8460 appendix B itself wraps a string over two lines.
    joined, poison = _BROKEN_LINE.sub(r"\1", text), Notes()
    if joined != text:
        # A break in the middle of \u0000 has hidden it so far.
        joined = without_poison(joined, poison, ())
    for candidate, decoder, codes in (
        (joined, _STRICT, ("line-broken",)),
        (joined, _LENIENT, ("line-broken", "control-character")),
        (text, _LENIENT, ("control-character",)),
    ):
        if candidate == text and "line-broken" in codes:
            continue
        try:
            value, end = _decode(decoder, candidate, start)
        except JSONDecodeError:
            continue
        for code in codes:
            notes.add(code)
        if candidate is joined:
            for deviation in poison.deviations():
                notes.add(deviation.code)
        return candidate, value, end
    raise _unreadable(text, start)


def _decode(decoder: JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    try:
        try:
            return decoder.raw_decode(text, start)
        except JSONDecodeError:
            raise
        except ValueError:
            # int() refuses numbers of over 4300 digits.
            return _SHORT_NUMBERS.raw_decode(text, start)
    except RecursionError:
        raise UnreadableReport("too-deep", "the document's JSON is nested too deeply for any report") from None


def _unreadable(text: str, start: int) -> UnreadableReport:
    """Where what begins at `start` ends to be JSON."""
    try:
        _decode(_LENIENT, text, start)
    except JSONDecodeError as error:
        rest = text[error.pos :].rstrip()
        if error.msg.startswith("Unterminated string") or any(word.startswith(rest) for word in _WORDS):
            size = len(text.rstrip().encode())
            return UnreadableReport("truncated-json", f"the document breaks off at octet {size}")
        offset = len(text[: error.pos].encode())
        return UnreadableReport("invalid-json", f"the document is no JSON from octet {offset} on: {error.msg}")
    return UnreadableReport("invalid-json", "the document is no JSON")


def _spans(text: str, value: Any, start: int, end: int) -> Iterator[tuple[Any, int, int]]:
    """Every JSON object of the text, one after the other or in an array, with its span.

    In place of the last object stands None when it breaks off: it is refused by itself and costs the others nothing.
    """
    if isinstance(value, list):
        if any(map(_is_report, value)):
            yield from _elements(text, start)
    else:
        yield value, start, end
    while (start := _significant(text, end)) < len(text) and text[start] == "{":
        try:
            value, end = _decode(_LENIENT, text, start)
        except JSONDecodeError:
            yield None, start, len(text)
            return
        yield value, start, end


def _elements(text: str, start: int) -> Iterator[tuple[Any, int, int]]:
    """Every element of the valid array at `start`, with its span."""
    start = _significant(text, start + 1)
    while text[start] != "]":
        value, end = _decode(_LENIENT, text, start)
        yield value, start, end
        start = _significant(text, end)


def _is_report(value: Any) -> bool:
    """Whether an object means to be a report: two members of section 4.4, or policies that look like it."""
    if not isinstance(value, dict):
        return False
    if sum(name in value for name in REPORT_MEMBERS) > 1:
        return True
    policies = value.get("policies")
    return isinstance(policies, list) and any(isinstance(entry, dict) and "policy" in entry for entry in policies)


def _significant(text: str, start: int) -> int:
    """The position of the next character that is neither blank nor a separator of records (RFC 7464) or elements."""
    match = _SEPARATORS.match(text, start)
    return match.end() if match else start


def _object(pairs: list[tuple[str, Any]]) -> Object:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    repeated.names = tuple(name for name, times in Counter(name for name, _value in pairs).items() if times > 1)
    return repeated


def _short(digits: str) -> float | int:
    return int(digits) if len(digits) <= limits.JSON_DIGITS else float("inf")


_STRICT = JSONDecoder(object_pairs_hook=_object)
_LENIENT = JSONDecoder(object_pairs_hook=_object, strict=False)
_SHORT_NUMBERS = JSONDecoder(object_pairs_hook=_object, strict=False, parse_int=_short)
_WORDS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_BYTE_ORDER_MARKS = re.compile(rb"\A(?:\xef\xbb\xbf)+")
_SEPARATORS = re.compile(r"[\s\x1e,]*")
_LINE_BREAK = re.compile(r"[\r\n]")
# From the beginning of a line only, or behind the blank that a break put there: tried from everywhere in a line of a
# mebibyte, it would take hours to find that no break follows.
_BROKEN_LINE = re.compile(r"(?:(?<![^\r\n])|(?<=\n ))([^\r\n]{900,}+)\r?\n ?")
_POISON = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|"
    r"(?P<nul>\\u0000)|\\.",
    re.DOTALL,
)
