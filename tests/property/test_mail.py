"""Whatever the octets: open_mail answers, within its limits; and it finds the reports that Python's email finds."""

import email
import gzip
from email.message import Message

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import document, gzipped, mail
from tests.wild.mail.mails import CASES
from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import Document, open_mail

LINES = (
    b"Content-Type: multipart/report; report-type=tlsrpt; boundary=b",
    b"Content-Type: multipart/mixed; boundary=bb",
    b"Content-Type: message/rfc822",
    b"Content-Type: application/tlsrpt+gzip; name*0*=x''%ff; name*1=",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Transfer-Encoding: x-uuencode",
    b"Subject: =?utf-8?b?/w==?= =?x?q?=?=",
    b"From: <<>>",
    b' folded; filename="',
    b"--b",
    b"--bb",
    b"--b--",
    b"--bb--",
    b"begin 644 x",
    b"",
    b'{"report-id":',
    document(),
    gzipped(document()),
    b"H4sIAAAAAAAC/w==",
)
lines = st.lists(st.sampled_from(LINES) | st.binary(max_size=20), max_size=30)


def check(octets: bytes, name: str | None = None) -> None:
    found = open_mail(octets, name)
    for text in (found.message_id, found.sender, found.subject, found.submitter):
        check_text(text)
    assert len(found.documents) <= limits.PARTS + 1
    for one in found.documents:
        if isinstance(one, Unreadable):
            assert one.code != "unforeseen", str(one)
            assert str(one).isprintable()
            assert str(one).isascii()
        else:
            assert 0 < len(one.octets) <= limits.DOCUMENT
            assert one.gzip is None or gzip.decompress(one.gzip) == one.octets
            for text in (one.hints.report_domain, one.hints.submitter, one.hints.subject, one.hints.filename):
                check_text(text)


def check_text(text: str | None) -> None:
    if text is not None:
        assert 0 < len(text) <= limits.NAME
        assert "\0" not in text
        text.encode()


@given(st.binary(max_size=300), st.none() | st.text(max_size=20))
def test_arbitrary_octets(octets: bytes, name: str | None) -> None:
    check(octets, name)


@given(lines, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"]))
def test_arbitrary_lines_of_mails(some: list[bytes], line_end: bytes) -> None:
    check(line_end.join(some))


@given(st.sampled_from(sorted(CASES)), st.data())
def test_mutated_mails(name: str, data: st.DataObject) -> None:
    octets = bytearray(CASES[name].octets)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets)))
        length = data.draw(st.integers(0, 40))
        octets[at : at + length] = data.draw(st.binary(max_size=40) | st.just(bytes(octets[at : at + length]) * 2))
    check(bytes(octets), CASES[name].name)


@given(
    st.sampled_from([gzipped(document()), next(iter(CASES.values())).octets, CASES["90-bare-zip"].octets]), st.data()
)
def test_every_truncation(octets: bytes, data: st.DataObject) -> None:
    check(octets[: data.draw(st.integers(0, len(octets)))])


trees = st.recursive(
    st.sampled_from(["report", "words"]),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | inner.map(lambda one: ("forwarded", one)),
    max_leaves=8,
)


@given(trees, st.sampled_from([b"\n", b"\r\n"]))
def test_it_finds_the_reports_that_pythons_email_finds(tree: object, line_end: bytes) -> None:
    octets = b"From: a@example.org\n" + entity(tree, "b")
    octets = octets.replace(b"\n", line_end)
    theirs = [part for part in walk(email.message_from_bytes(octets)) if part.get_filename() == "a.json.gz"]
    ours = [one for one in open_mail(octets).documents if isinstance(one, Document)]
    assert [one.gzip for one in ours] == [part.get_payload(decode=True) for part in theirs]


def entity(tree: object, boundary: str) -> bytes:
    """A MIME entity; inner boundaries begin with the outer one, which is legal and hard."""
    if tree == "report":
        return mail(filename="a.json.gz").split(b"--=_tlsrpt\n")[2].removesuffix(b"--=_tlsrpt--\n")
    if tree == "words":
        return b"Content-Type: text/plain\n\nwords\n--b-not\n"
    if isinstance(tree, tuple):
        return b"Content-Type: message/rfc822\n\n" + entity(tree[1], boundary + "f")
    assert isinstance(tree, list)
    inner = b"".join(f"--{boundary}\n".encode() + entity(one, f"{boundary}{n}") + b"\n" for n, one in enumerate(tree))
    return f"Content-Type: multipart/mixed; boundary={boundary}\n\n".encode() + inner + f"--{boundary}--\n".encode()


def walk(message: Message) -> list[Message]:
    return list(message.walk())
