"""What the TXT records of RFC 8460 and RFC 8461 have in common: a version, then fields with semicolons between."""

import re
from collections.abc import Iterable
from typing import Final

Fields = tuple[tuple[str, str], ...]
"""Names and values, in the order of the record."""


class InvalidRecord(ValueError):
    """A record that its grammar does not know; `code` is a fixed word, `str(error)` says what is wrong for people."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def select(texts: Iterable[str], version: str) -> list[str]:
    """The records among the TXT at a name: those that begin with the version and a semicolon (RFC 8460 section 3)."""
    return [text for text in texts if text.startswith(f"{version};")]


def split(text: str, version: str) -> Fields:
    """The fields behind the version, names checked and values not; raises InvalidRecord.

    The code is "version" where the record would not even be selected, else "field".
    """
    if not text.startswith(f"{version};"):
        raise InvalidRecord("version", f"it begins with {text[: len(version) + 2]!r} and not with {version + ';'!r}")
    pieces = text[len(version) + 1 :].split(";")
    if len(pieces) > 1 and not pieces[-1].strip(_WSP):
        del pieces[-1]
    elif pieces[-1] != pieces[-1].rstrip(_WSP):
        raise InvalidRecord("field", "it has a blank at its end, where only a field or a semicolon may stand")
    return tuple(_field(piece.strip(_WSP)) for piece in pieces)


def extension(name: str, value: str) -> tuple[str, str]:
    """A field that the RFC does not know; raises InvalidRecord where not even an extension may look so."""
    if not _VALUE.fullmatch(value):
        raise InvalidRecord(
            "field",
            f"the value of field {name!r} is empty, or has a blank or another character that "
            f"may not stand there: {value[:80]!r}",
        )
    return name, value


def once(fields: Fields, name: str) -> str | None:
    """The value of a field that has to be there once; raises InvalidRecord where it stands twice."""
    values = [value for found, value in fields if found == name]
    if len(values) > 1:
        raise InvalidRecord(f"{name}-twice", f"it has {len(values)} fields {name}=; senders differ in which they take")
    return values[0] if values else None


def misspelt(fields: Fields, name: str) -> str:
    """A hint for a missing field: one that differs only in its case."""
    near = next((found for found, _ in fields if found.lower() == name), None)
    return f" ({near}= is there, but names are case-sensitive)" if near else ""


def _field(text: str) -> tuple[str, str]:
    if not text:
        raise InvalidRecord("field", "it has two semicolons with no field between them, or no field at all")
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise InvalidRecord("field", f"{text[:80]!r} is no field: it should look like name=value")
    return name, value


_WSP: Final = " \t"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_VALUE: Final = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")
