"""The values of members: texts, domain names, arrays of texts, counts; each what section 4.4 asks for, or absent."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import At, Notes
from tlsrpt_ingest.rfc8460.json_text import Object, Repeated, loads


class Shape:
    """The members of one kind of object: the bound of each text (0 for other values), and other names for them."""

    __slots__ = ("aliases", "bounds")

    def __init__(self, bounds: Mapping[str, int], aliases: Mapping[str, tuple[str, str]] | None = None) -> None:
        snake = {name.replace("-", "_"): (name, "snake-case-member") for name in bounds if "-" in name}
        self.bounds = bounds
        self.aliases = snake | dict(aliases or {})

    def split(self, raw: Object, notes: Notes, at: At) -> tuple[Object, Object]:
        """The known members by their right names, texts checked and absent ones left out; and the unknown ones.

        null and "" mean absent: Stalwart writes null for every absent member, mox the empty string (catalogue 44).
        """
        if type(raw) is Repeated:
            for name in raw.names:
                notes.add("duplicate-member", (*at, name))
        known: Object = {}
        unknown: Object = {}
        bounds = self.bounds
        for name, value in raw.items():
            bound = bounds.get(name)
            if bound is None:
                unknown[name] = value
            elif value is None or value == "":
                continue
            elif not bound or (type(value) is str and len(value) <= bound):
                known[name] = value
            elif (found := text(value, bound, notes, (*at, name))) is not None:
                known[name] = found
        if unknown:
            self._rename(known, unknown, notes, at)
        return known, unknown

    def _rename(self, known: Object, unknown: Object, notes: Notes, at: At) -> None:
        for name in [name for name in unknown if name in self.aliases]:
            right, code = self.aliases[name]
            if right in known:
                if code == "snake-case-member":
                    # The models know members by both spellings, so the second one cannot be kept as unknown.
                    notes.add("duplicate-member", (*at, name))
                    del unknown[name]
                continue
            value = unknown.pop(name)
            if value is None or value == "":
                continue
            notes.add(code, (*at, name))
            bound = self.bounds[right]
            found = text(value, bound, notes, (*at, name)) if bound else value
            if found is not None:
                known[right] = found


def text(value: Any, bound: int, notes: Notes, at: At) -> str | None:
    """A text of at most `bound` characters; what is no text becomes one, or None (catalogue 16)."""
    if type(value) is list and (first := next((one for one in value if type(one) is str), None)) is not None:
        notes.add("array-for-text", at)
        value = first
    if (type(value) is int and abs(value) < _LARGEST) or (type(value) is float and math.isfinite(value)):
        notes.add("number-for-text", at)
        return json.dumps(value)
    if type(value) is not str:
        notes.add("not-text", at)
        return None
    if len(value) > bound:
        notes.add("text-cut", at)
        value = value[:bound]
    return value or None


def word(value: str | None, notes: Notes, at: At) -> str | None:
    """A policy type or result type: lower-case, without blanks around it (catalogue 34, 49)."""
    if value is None or _WORD.fullmatch(value):
        return value
    return _lowered(_stripped(value, _BLANKS, notes, at), notes, at) or None


def domain(value: str | None, notes: Notes, at: At) -> str | None:
    """A domain name, or a pattern of one: lower-case A-labels without the dot at the end (catalogue 37, 51)."""
    if value is None or _DOMAIN.fullmatch(value):
        return value
    name = _lowered(_stripped(value, _BLANKS, notes, at), notes, at)
    if name.endswith("."):
        notes.add("trailing-dot", at)
        name = name.rstrip(_BLANKS + ".")
    if not name.isascii():
        name = _a_labels(name, notes, at)
    return name or None


def texts(value: Any, bound: int, notes: Notes, at: At) -> tuple[str, ...]:
    """An array of texts; a single text, or an array packed in a text, becomes one (catalogue 20, 25, 26, 33)."""
    if value is None or value == "":
        return ()
    if type(value) is str:
        if not value.lstrip().startswith("["):
            notes.add("string-for-array", at)
        value = [value]
    if type(value) is not list:
        notes.add("strings-set-aside", at)
        return ()
    if len(value) == 1 and type(value[0]) is str and value[0].lstrip().startswith("["):
        value = _unpacked(value[0], notes, at)
    if len(value) > limits.STRINGS:
        notes.add("strings-cut", at)
        value = value[: limits.STRINGS]
    if all(type(one) is str and len(one) <= bound for one in value):
        return tuple(value)
    found = []
    for position, one in enumerate(value):
        if type(one) is str:
            found.append(text(one, bound, notes, (*at, position)) or "")
        else:
            notes.add("strings-set-aside", (*at, position))
    return tuple(found)


def count(value: Any, notes: Notes, at: At) -> int:
    """A session count, 0 to limits.COUNT; 0 for what is none (catalogue 38, 39, 40).

    Too large a count becomes 0 as well: at the bound it would spoil every sum that it is part of.
    """
    if type(value) is int and 0 <= value <= limits.COUNT:
        return value
    if value is None or value == "":
        notes.add("count-missing", at)
        return 0
    found, code = value, ""
    if type(value) is str and _DIGITS.fullmatch(value.strip()):
        found, code = int(value), "count-as-text"
    elif type(value) is float and value.is_integer():
        found, code = int(value), "count-as-float"
    if type(found) is int and 0 <= found <= limits.COUNT:
        notes.add(code, at)
        return found
    notes.add("count-unreadable", at)
    return 0


def kept(unknown: Object, notes: Notes, at: At) -> Object:
    """The members that RFC 8460 does not know, as they came, within limits.TEXT characters of JSON for one object."""
    found: Object = {}
    left = limits.TEXT
    for name, value in unknown.items():
        codes: set[str] = set()
        try:
            plain = _plain(value, 1, codes)
        except _TooDeepError:
            size = left + 1
        else:
            size = len(json.dumps({name: plain}))
        if size > left:
            notes.add("unknown-member-cut", (*at, name))
            continue
        for code in sorted(codes):
            notes.add(code, (*at, name))
        left -= size
        found[name] = plain
    return found


class _TooDeepError(Exception):
    """An unknown member is nested deeper than limits.JSON_DEPTH."""


def _plain(value: Any, depth: int, codes: set[str]) -> Any:
    """A JSON value that every database takes: finite, not too deep, each member once."""
    if depth > limits.JSON_DEPTH + 1:
        raise _TooDeepError
    if isinstance(value, list):
        return [_plain(one, depth + 1, codes) for one in value]
    if isinstance(value, dict):
        if type(value) is Repeated:
            codes.add("duplicate-member")
        return {name: _plain(one, depth + 1, codes) for name, one in value.items()}
    if (type(value) is float and not math.isfinite(value)) or (type(value) is int and abs(value) >= _LARGEST):
        codes.add("not-finite")
        return None
    return value


def _stripped(value: str, blanks: str, notes: Notes, at: At) -> str:
    stripped = value.strip(blanks)
    if stripped != value:
        notes.add("blank", at)
    return stripped


def _lowered(value: str, notes: Notes, at: At) -> str:
    lowered = value.lower()
    if lowered == value:
        return value
    notes.add("upper-case", at)
    # One character may become two in lower case.
    return lowered[: len(value)].strip(_BLANKS)


def _a_labels(name: str, notes: Notes, at: At) -> str:
    """A domain in Unicode as A-labels (RFC 5890), as mox sent it before 62be829; as it is where no label can be had.

    Punycode by itself (RFC 3492) and not Python's codec "idna": that is IDNA 2003, which turns sharp s into ss and so
    makes another domain of it.
    """
    labels = unicodedata.normalize("NFC", name).split(".")
    if any(len(label) > _LONGEST_LABEL for label in labels):
        return name
    encoded = [label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels]
    if any(len(label) > _LONGEST_LABEL for label in encoded):
        return name
    notes.add("u-label", at)
    return ".".join(encoded)


def _unpacked(packed: str, notes: Notes, at: At) -> list[Any]:
    """The array in a text: Microsoft packs the TLSA records so; MailCheck's test has `[name]` without quotes."""
    value = loads(packed, notes, at)
    if type(value) is not list:
        value = [one.strip() for one in packed.strip().strip("[]").split(",")]
    notes.add("array-in-string", at)
    return value


_BLANKS = " \t\r\n\f\v"
_LARGEST = 10**limits.JSON_DIGITS
_LONGEST_LABEL = 63
_DIGITS = re.compile(r"[0-9]{1,20}")
_WORD = re.compile(r"[a-z0-9-]+")
_DOMAIN = re.compile(r"[a-z0-9*_-]+(?:\.[a-z0-9*_-]+)*")
