"""Where the fast way through a message has an answer, it is the complete way's."""

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.mail import attachment, open_mail, ordinary
from tlsrpt_ingest.mail.ordinary import open_ordinary

GZIP = builders.gzipped(builders.document())

SEEKER = b"""Return-Path: <a@b>
Received: from mx (mx [192.0.2.1])
\tby mx; Tue, 12 May 2026 11:44:50 -0400
DKIM-Signature: v=1; h=to:from:subject
         :date:message-id; b=abc
TLS-Report-Domain: example.com
TLS-Report-Submitter: reporter.example
Message-ID: <1.2@reporter.example>
Subject: Report Domain: example.com Submitter: reporter.example Report-ID: <1@b>
From: noreply@reporter.example
Content-Type: multipart/report; boundary="0000000000003729310651a0be19"; report-type=tlsrpt

--0000000000003729310651a0be19
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes

This is an aggregate TLS report from reporter.example

--0000000000003729310651a0be19
Content-Type: application/tlsrpt+gzip;\x20
\tname="reporter.example!example.com!1!2!001.json.gz"
Content-Disposition: attachment;\x20
\tfilename="reporter.example!example.com!1!2!001.json.gz"
Content-Transfer-Encoding: base64

%(report)b--0000000000003729310651a0be19--
"""

OFFICE = b"""From: "TLS reports" <noreply@office.example>
Subject: Report Domain: example.com Submitter: office.example Report-ID:
 134+example.com
TLS-Report-Domain: example.com
TLS-Report-Submitter: office.example
Message-ID: <134+example.com@example.com>
Content-Type: multipart/report;
\tboundary="_ef7ba0ff_"; report-type=tlsrpt

--_ef7ba0ff_
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html>
<meta http-equiv=3D"Content-Type">
</html>

--_ef7ba0ff_
Content-Type: application/tlsrpt+gzip
Content-Description:
 office.example!example.com!1!2!134.json.gz
Content-Disposition: attachment;
\tfilename="office.example!example.com!1!2!134.json.gz"
Content-Transfer-Encoding: base64

%(report)b
--_ef7ba0ff_--
"""


def around(mail: bytes, report: bytes = GZIP) -> bytes:
    return mail % {b"report": base64.encodebytes(report)}


def crlf(mail: bytes) -> bytes:
    return mail.replace(b"\n", b"\r\n")


MAILS = [around(SEEKER), around(OFFICE), crlf(around(SEEKER)), crlf(around(OFFICE)), builders.mail()]

FRAGMENTS = [
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b" ", b"\t", b"\n ", b"\r ", b"\0", b"\x1f", b"\xff", b"\xc3\xa9"),
    *(b":", b";", b'"', b"'", b"=", b"<", b">", b"@", b"(", b")", b"\\", b"*", b"--", b"=?utf-8?q?a?=", b"%21", b"="),
    *(b"From: a@b\n", b"\nSubject: other\n", b"\nSubject : other\n", b"\nContent-Type: text/plain\n", b"PK\x03\x04"),
    *(b"\n--0000000000003729310651a0be19\n", b"\n--_ef7ba0ff_\n", b"\n--_ef7ba0ff_-", b"\n--_ef7ba0ff_--\n", b"--\n"),
    *(b"\nContent-Transfer-Encoding: 8bit\n", b"; name=a.eml", b'; filename="x.json"', b"\nContentType: a/b\n", b"=\n"),
    *(b'{"report-id": 1}', b"H4sIAAAA", b"eyJyZXBv", b"[{", b"message/rfc822", b"begin 644 a\n", b"x" * 1001),
    *(b" <c@d>", b"a@b, ", b"; charset*0=a", b"; boundary=other", b"; report-type=other", b"\x0b", b"\x85", b"\xa0"),
]


def mails_agree(octets: bytes) -> bool:
    """Whether the fast way had an answer; fails where it is another than the complete way's."""
    fast = open_ordinary(octets)
    if fast is None:
        return False
    assert fast == attachment.open_mail(octets)
    return True


@pytest.mark.parametrize("mail", MAILS)
def test_ordinary_messages_take_the_fast_way(mail: bytes) -> None:
    assert mails_agree(mail)
    assert open_mail(mail) == open_ordinary(mail)


@pytest.mark.parametrize("mail", MAILS)
def test_each_line_changed_in_each_way(mail: bytes) -> None:
    lines = mail.splitlines(keepends=True)
    for at, line in enumerate(lines):
        before, behind = b"".join(lines[:at]), b"".join(lines[at + 1 :])
        bare, end = line.rstrip(b"\r\n"), line[len(line.rstrip(b"\r\n")) :]
        mails_agree(before + behind)
        mails_agree(before + line + line + behind)
        mails_agree(before + line.upper() + behind)
        mails_agree(before + line.upper() + line + behind)
        mails_agree(before + line.replace(b"e", b"a") + line + behind)
        mails_agree(before + line.replace(b".json", b".other") + line + behind)
        mails_agree(before + line.replace(b'"', b"") + behind)
        mails_agree(before + line.replace(b": ", b":") + behind)
        mails_agree(before + line.replace(b": ", b" : ") + behind)
        mails_agree(before + line.replace(b": ", b":\n\t") + behind)
        mails_agree(before + line.replace(b"; ", b";\n") + behind)
        mails_agree(before + line.replace(b" ", b"  ") + behind)
        mails_agree(before + bare + {b"\n": b"\r\n", b"\r\n": b"\n"}.get(end, b"") + behind)
        for fragment in FRAGMENTS:
            mails_agree(before + fragment + line + behind)
            mails_agree(before + bare + fragment + end + behind)
            mails_agree(before + line.replace(b":", b":" + fragment, 1) + behind)
            mails_agree(before + line.partition(b"=")[0] + b"=" + fragment + end + behind)


@settings(max_examples=400)
@given(st.data())
def test_messages_with_fragments_put_in_or_taken_out(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from(MAILS)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 40))] = data.draw(st.sampled_from([b"", *FRAGMENTS]))
    mails_agree(bytes(octets))


JSON = builders.document()

DECODERS: list[tuple[Callable[[bytes], bytes], Callable[[int], Any], Any]] = [
    (binascii.a2b_base64, zlib.decompressobj, zlib.error)
]
try:
    import isal.isal_zlib
    import pybase64
except ImportError:
    pass
else:
    DECODERS.append((pybase64.b64decode, isal.isal_zlib.decompressobj, isal.isal_zlib.error))


@pytest.fixture(params=DECODERS, ids=["stdlib", "fast"][: len(DECODERS)])
def _decoders(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra "fast", and without."""
    for name, value in zip(("_base64", "_inflater", "_error"), request.param, strict=True):
        monkeypatch.setattr(ordinary, name, value)


@pytest.mark.usefixtures("_decoders")
@pytest.mark.parametrize("mail", [SEEKER, OFFICE])
@pytest.mark.parametrize(
    "report",
    [
        JSON,
        b"",
        GZIP[:-1],
        GZIP[:40],
        GZIP[:-8] + b"\0" * 8,
        GZIP + b"\n",
        GZIP + b"\0" * 100,
        b"\n" + GZIP,
        GZIP + GZIP,
        builders.gzipped(GZIP),
        builders.gzipped(b"[" + JSON + b"]"),
        builders.gzipped(b" " + JSON),
        builders.gzipped(b"{" + b" " * 5000 + JSON[1:]),
        builders.gzipped(b"\xef\xbb\xbf" + JSON),
        builders.gzipped(JSON.decode().encode("utf-16")),
        builders.gzipped(b"{}"),
        builders.gzipped(b"{'a"),
        builders.gzipped(b"<feedback/>"),
        builders.gzipped(b""),
        GZIP[:3] + b"\x08" + GZIP[4:10] + b"name\0" + GZIP[10:],
    ],
    # By its length: octets of gzip are no name for a test.
    ids=len,
)
def test_what_the_report_part_holds(mail: bytes, report: bytes) -> None:
    mails_agree(around(mail, report))


@pytest.mark.parametrize("first", [*"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/<>=-.\"'(*"])
def test_words_that_would_be_a_document_if_they_were_base64(first: str) -> None:
    for rest in (
        "4sIAAAAAAACA",
        "yJyZXBvcnQtaWQ",
        "EsDBBQAAAA",
        "77u/eyJh",
        "HsiYSI6MX0=",
        "his is a report",
        "K\x03\x04",
        '"a": 1}',
    ):
        for lead in ("", "\n", " \t", "<"):
            words = (lead + first + rest).encode()
            mails_agree(around(SEEKER.replace(b"This is an aggregate TLS report from reporter.example", words)))
            mails_agree(around(OFFICE.replace(b"<html>", words)))


NAMED = GZIP[:3] + b"\x08" + GZIP[4:10] + b"name\0" + GZIP[10:]


@pytest.mark.usefixtures("_decoders")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_gzip_with_octets_changed(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from([GZIP, NAMED])))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(octets) - 1) | st.integers(0, 20))
        octets[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    mails_agree(around(SEEKER, bytes(octets)))


@pytest.mark.usefixtures("_decoders")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_base64_with_octets_changed(data: st.DataObject) -> None:
    encoded = bytearray(base64.encodebytes(GZIP))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded)) | st.just(len(encoded)))
        piece = data.draw(st.text("=-_+/A \n!", max_size=4))
        encoded[at : at + data.draw(st.integers(0, 4))] = piece.encode()
    mails_agree(SEEKER % {b"report": bytes(encoded) + b"\n"})


@pytest.mark.usefixtures("_decoders")
def test_base64_in_other_shapes() -> None:
    encoded = base64.b64encode(GZIP)
    for body in (
        encoded + b"\n",
        encoded,
        encoded[:-1] + b"\n",
        encoded + b"====\n",
        *(
            encoded[:-cut] + padding + encoded[-cut:] + b"\n"
            for cut in range(1, 12)
            for padding in (b"=", b"_=", b"==")
        ),
        encoded[:40] + b"!" + encoded[40:] + b"\n",
        encoded[:40] + b"=" + encoded[40:] + b"\n",
        encoded + b"\n_______\nList footer: https://list.example\n",
        b"\n\n" + encoded + b"\n",
    ):
        for mail in (SEEKER, OFFICE):
            mails_agree(mail % {b"report": body})


def test_bounds_are_the_complete_way_s(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = around(SEEKER)
    monkeypatch.setattr(limits, "DOCUMENT", len(JSON))
    assert mails_agree(mail)
    monkeypatch.setattr(limits, "DOCUMENT", len(JSON) - 1)
    assert not mails_agree(mail)
    monkeypatch.undo()
    monkeypatch.setattr(limits, "HEADERS", 100)
    assert not mails_agree(mail)
