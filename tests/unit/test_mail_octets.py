"""A document comes out of a mail octet by octet as it went in."""

import gzip

import pytest

from tests.builders import document, gzipped, mail
from tlsrpt_ingest.mail import Document, open_mail

STEP = 64 * 1024
"""What is inflated at once."""


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_the_line_end_before_a_delimiter_is_not_the_documents(line_end: bytes) -> None:
    head = (
        b"Content-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n"
        b"--b\nContent-Type: application/tlsrpt+json\n\n"
    )
    octets = head.replace(b"\n", line_end) + document() + b"\n" + line_end + b"--b--" + line_end
    assert only(octets).octets == document() + b"\n"


@pytest.mark.parametrize("size", [n * STEP + more for n in (1, 3) for more in (-1, 0, 1, 2, 258, 259)])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_size_around_a_step(size: int, layers: int) -> None:
    text = document().ljust(size)
    packed = text
    for _ in range(layers):
        packed = gzipped(packed)
    assert only(packed).octets == text
    assert only(mail(packed + b"\r\n")).octets == text


@pytest.mark.parametrize("more", [*range(-3, 4), *range(250, 266), 1000])
def test_no_octet_waits_behind_a_stream_without_its_trailer(more: int) -> None:
    text = document().ljust(3 * STEP + more - 1) + b" "
    assert only(gzipped(text)[:-8]).octets == text


def test_the_kept_stream_is_the_senders() -> None:
    packed = gzip.compress(document(), 1, mtime=123)
    assert only(mail(packed)).gzip == packed
    assert only(mail(packed + b"\r\n")).gzip == packed


def only(octets: bytes) -> Document:
    (document,) = open_mail(octets).documents
    assert isinstance(document, Document)
    return document
