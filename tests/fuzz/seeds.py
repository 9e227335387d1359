"""What fuzzing starts from: every document and mail that the tests have of what senders do, and words to put in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests import builders
from tests.property import test_ordinary_document, test_ordinary_mail
from tests.wild.mail.mails import CASES

DOCUMENTS: Final = Path(__file__).parent.parent / "wild" / "documents"
FOUND: Final = Path(__file__).parent / "found"
"""Inputs that once were findings, a folder for each target: `document/`, `message/`."""


def seeds(target: str) -> Iterator[bytes]:
    """The seeds of a target."""
    if target == "document":
        yield builders.document()
        yield builders.document(test_ordinary_document.BODY)
        yield from (path.read_bytes() for path in sorted(DOCUMENTS.iterdir()) if path.suffix != ".toml")
    else:
        yield from test_ordinary_mail.MAILS
        yield from (case.octets for case in CASES.values())


def found(target: str) -> Iterator[tuple[str, bytes]]:
    """The findings of earlier runs, by file name."""
    for path in sorted((FOUND / target).glob("*")):
        yield path.name, path.read_bytes()


WORDS: Final[Mapping[str, list[bytes]]] = {
    "document": [*test_ordinary_document.FRAGMENTS, b'"failure-details":[', b'"session-count"', b'"mx-host":"'],
    "message": [*test_ordinary_mail.FRAGMENTS, b"application/tlsrpt+json", b"multipart/mixed", b"quoted-printable"],
}
"""Pieces that a mutation puts in."""
