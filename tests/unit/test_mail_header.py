"""What headers say reaches the ledger and the hints as text that is safe to keep."""

import pytest

from tests.builders import mail
from tlsrpt_ingest import limits
from tlsrpt_ingest.mail import Document, open_mail


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("tls@a.example", "tls@a.example"),
        ("Reports <tls@a.example>", "tls@a.example"),
        ('"x@y.example" <tls@a.example>', "tls@a.example"),
        ("tls@a.example (Reports)", "tls@a.example"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?= <tls@a.example>", "tls@a.example"),
        ("undisclosed", "undisclosed"),
    ],
)
def test_the_sender_is_the_addr_spec_of_from(written: str, sender: str) -> None:
    assert open_mail(f"From: {written}\n\n".encode()).sender == sender


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        (b"plain", "plain"),
        (b"a\n  b\n\tc", "a b c"),
        (b"a\r\n b", "a b"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e"),
        (b"=?utf-8?q?a=00b=0Ac?=", "a\N{REPLACEMENT CHARACTER}b c"),
        (b"=?utf-16-be?b?2AAAQQ==?=", "\N{REPLACEMENT CHARACTER}A"),
        (b"=?utf-7?q?+2AA-?=", "\N{REPLACEMENT CHARACTER}"),
        (b"=?unheard-of?q?abc?=", "=?unheard-of?q?abc?="),
        (b"=?utf-8?b?A?=", "=?utf-8?b?A?="),
        (b"=?rot13?q?abc?=", "=?rot13?q?abc?="),
        (b"", None),
        (b"   ", None),
        (b"x" * 5000, "x" * limits.NAME),
    ],
)
def test_the_subject_is_decoded_unfolded_and_bounded(written: bytes, subject: str | None) -> None:
    assert open_mail(b"Subject: " + written + b"\n\n").subject == subject


def test_of_a_field_that_stands_twice_the_first_counts() -> None:
    assert open_mail(b"Subject: a\nSUBJECT : b\n\nSubject: c").subject == "a"


def test_the_hints_are_the_headers_around_the_document() -> None:
    document = open_mail(mail(domain="a.example", submitter="b.example", filename="c.json.gz")).documents[0]
    assert isinstance(document, Document)
    assert document.hints.report_domain == "a.example"
    assert document.hints.submitter == "b.example"
    assert document.hints.subject == "Report Domain: a.example Submitter: b.example Report-ID: <0@b.example>"
    assert document.hints.filename == "c.json.gz"


def test_a_forwarded_report_has_the_hints_of_its_own_message() -> None:
    outer = (
        b"From: me@here.example\nSubject: Fwd: look\nMessage-ID: <2@here.example>\nTLS-Report-Domain: here.example\n"
        b"Content-Type: message/rfc822\n\n"
    )
    found = open_mail(outer + mail(submitter="b.example"))
    assert (found.subject, found.sender, found.message_id) == ("Fwd: look", "me@here.example", "<2@here.example>")
    assert found.submitter == "b.example"
    document = found.documents[0]
    assert isinstance(document, Document)
    assert document.hints.subject == "Report Domain: example.com Submitter: b.example Report-ID: <0@b.example>"
    assert document.hints.report_domain == "example.com"


@pytest.mark.parametrize(
    ("written", "filename"),
    [
        ('attachment; filename="a.json"', "a.json"),
        ("attachment; filename=a.json", "a.json"),
        ("attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.json", "grüße.json"),
        ('attachment; filename="grüße.json"', "grüße.json"),
        ('attachment; filename="a\0b.json"', "a\N{REPLACEMENT CHARACTER}b.json"),
        ("attachment; filename*99999999999999999999*=x", "x"),
        ("attachment; filename*" + "9" * 5000 + "=x", None),
        ("attachment; filename*=unheard-of''a%ff", "aÿ"),
        ("attachment; filename*=us-ascii'en", "us-ascii'en"),
        ('attachment; filename="', '"'),
        (";;;", None),
        ("attachment; filename=" + "x" * 5000, "x" * limits.NAME),
    ],
)
def test_the_file_name_is_decoded_and_bounded(written: str, filename: str | None) -> None:
    octets = mail(filename="FILENAME").replace(b'attachment; filename="FILENAME"', written.encode())
    document = open_mail(octets).documents[0]
    assert isinstance(document, Document)
    assert document.hints.filename == filename
