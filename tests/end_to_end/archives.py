"""Archives for end-to-end tests: good mails, and five hundred nasty ones with the outcome that each must have."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests import builders
from tlsrpt_ingest.outcome import Outcome

MIB: Final = 1 << 20
GOOD: Final = 500
VARIANTS: Final = 20

Nasty = tuple[bytes, Outcome]


def good(count: int, first: int = 0) -> Iterator[bytes]:
    """Mails with one report each, no two of the same."""
    return (builders.mail(number=number) for number in range(first, first + count))


def small_mboxes(folder: Path, count: int, each: int) -> list[Path]:
    """`count` mboxes of `each` good mails: given as that many PATHs, they are committed one by one."""
    folder.mkdir()
    return [
        builders.write_mbox(folder / f"{number:03}.mbox", good(each, first=number * each)) for number in range(count)
    ]


def nasty() -> Iterator[Nasty]:
    """Five hundred of them: twenty-five kinds in twenty variants, which differ in report and Message-ID."""
    for number in range(10_000, 10_000 + VARIANTS):
        for kind, (make, outcome) in enumerate(_KINDS):
            yield make(number + 100 * kind), outcome


def interleaved(first: Iterable[bytes], second: Iterable[bytes]) -> Iterator[bytes]:
    """One of the first, one of the second, and so on."""
    for one, other in zip(first, second, strict=True):
        yield one
        yield other


def _packed(number: int, octets: bytes) -> bytes:
    return builders.mail(octets, number=number)


def _document(number: int, text: bytes) -> bytes:
    return _packed(number, builders.gzipped(text))


def _report(number: int, **members: Any) -> bytes:
    return _document(number, builders.document(builders.report(number, **members)))


def _count(number: int, literal: bytes) -> bytes:
    """A report whose count of successful sessions is this JSON literal."""
    return _document(number, builders.document(builders.report(number)).replace(b":100,", b":" + literal + b","))


def _zip(octets: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/passwd", octets)
    return file.getvalue()


def _cut(number: int) -> bytes:
    octets = builders.gzipped(builders.document(builders.report(number)))
    return _packed(number, octets[: len(octets) // 2])


def _flipped(number: int) -> bytes:
    """The first deflate block has a type that does not exist (RFC 1951 section 3.2.3)."""
    octets = bytearray(builders.gzipped(builders.document(builders.report(number))))
    octets[10] = 0x07
    return _packed(number, bytes(octets))


def _bad_base64(number: int) -> bytes:
    head, body = builders.mail(number=number).split(b"base64\n\n")
    return head + b"base64\n\n" + b"*" * 200 + b"\n" + body[:8] + b"\n--=_tlsrpt--\n"


def _without_attachment(number: int) -> bytes:
    return builders.mail(number=number).partition(b"--=_tlsrpt\nContent-Type: application")[0] + b"--=_tlsrpt--\n"


def _nested_mime(number: int) -> bytes:
    """Five hundred multiparts, one in the other."""
    head = f"Message-ID: <{number}.nested@example.com>\nSubject: layers\n"
    layers = [f'Content-Type: multipart/mixed; boundary="b{layer}"\n\n--b{layer}\n' for layer in range(500)]
    return (head + "".join(layers) + "Content-Type: text/plain\n\nthe core\n").encode()


_BOMB: Final = builders.bomb(200 * MIB)
_ENDLESS: Final = builders.bomb(64 * MIB, head=b'{"report-id":"', fill=b"a")
_ZIP: Final = _zip(b'{"report-id":"' + b"a" * 32 * MIB)

_KINDS: Final[tuple[tuple[Callable[[int], bytes], Outcome], ...]] = (
    # Bombs.
    (lambda number: _packed(number, _BOMB), Outcome.REJECTED),
    (lambda number: _packed(number, _ENDLESS), Outcome.REJECTED),
    (lambda number: _packed(number, builders.gzipped(_ENDLESS)), Outcome.REJECTED),
    (lambda number: builders.mail(_ZIP, number=number, part_type="application/zip"), Outcome.REJECTED),
    (lambda number: _document(number, b"[" * 100_000), Outcome.REJECTED),
    # Broken on the way.
    (_cut, Outcome.REJECTED),
    (_flipped, Outcome.REJECTED),
    (_bad_base64, Outcome.REJECTED),
    (_without_attachment, Outcome.REJECTED),
    (lambda number: _packed(number, b""), Outcome.REJECTED),
    # No report by any reading, though they say so.
    (lambda number: _document(number, b"<html>Sorry</html>"), Outcome.REJECTED),
    (lambda number: _document(number, b"null"), Outcome.REJECTED),
    (lambda number: _document(number, b"{}"), Outcome.REJECTED),
    (lambda number: _document(number, b'{"report-id": "x", "policies": [' + b"\xff\xfe" * 50), Outcome.REJECTED),
    # Poison that is set aside or repaired: the rest of the report counts.
    (lambda number: _report(number, organization_name="Reporter\0Example\ud800"), Outcome.RECORDED),
    (
        lambda number: _report(number, organization_name="\x1b]0;owned\x07\u202e'; DROP TABLE report; --"),
        Outcome.RECORDED,
    ),
    (lambda number: _report(number, report_id="i" * 100_000), Outcome.RECORDED),
    (lambda number: _report(number, unknown=json.loads("[" * 40 + "]" * 40)), Outcome.RECORDED),
    (lambda number: _count(number, b"-1"), Outcome.RECORDED),
    (lambda number: _count(number, b"9223372036854775808"), Outcome.RECORDED),
    (lambda number: _count(number, b"NaN"), Outcome.RECORDED),
    (lambda number: _count(number, b"1" * 5_000), Outcome.RECORDED),
    (lambda number: _document(number, b"\xef\xbb\xbf" + builders.document(builders.report(number))), Outcome.RECORDED),
    # Other mail.
    (builders.other_mail, Outcome.NOT_A_REPORT),
    (_nested_mime, Outcome.NOT_A_REPORT),
)
