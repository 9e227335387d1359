"""Mails as senders and gateways really write them: for each entry of docs/deviations.md about mail and compression."""

import base64
import binascii
import gzip
import io
import quopri
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from tests.builders import document, gzipped, mail, other_mail

JSON = document()
GZIP = gzipped(JSON)
NAME = "reporter.example!example.com!1704067200!1704153599!001.json.gz"


@dataclass(frozen=True)
class Case:
    """A mail or file, and what open_mail has to find in it."""

    octets: bytes
    documents: tuple[str, ...] = ("",)
    """For each document its deviations, divided by blanks; "!code" for one that cannot be had."""
    claims: bool = True
    name: str | None = None
    gzip: bool | None = None
    """Whether the gzip stream is kept as it came; None where that is not the point."""
    filename: str | None = None
    subject: str | None = None


def part(octets: bytes, *fields: str) -> bytes:
    """A MIME part."""
    return "".join(f"{line}\n" for line in fields).encode() + b"\n" + octets


def multipart(kind: str, *parts: bytes, boundary: str = "=_b", close: bool = True) -> bytes:
    """A multipart entity, header and all."""
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n'.encode()
    body = b"".join(b"--" + boundary.encode() + b"\n" + one + b"\n" for one in parts)
    return head + body + (f"--{boundary}--\n".encode() if close else b"")


def attachment(octets: bytes, media_type: str, filename: str | None = NAME) -> bytes:
    """A part in base64."""
    disposition = f'Content-Disposition: attachment; filename="{filename}"' if filename else "X-No-Name: 1"
    return part(
        base64.encodebytes(octets), f"Content-Type: {media_type}", disposition, "Content-Transfer-Encoding: base64"
    )


WORDS = part(b"This is an aggregate TLS report.\n", "Content-Type: text/plain")
HEADERS = (
    b"From: Reports <tls@reporter.example>\nSubject: Report Domain: example.com Submitter: reporter.example "
    b"Report-ID: <1@reporter.example>\nMessage-ID: <1@reporter.example>\nTLS-Report-Domain: example.com\n"
    b"TLS-Report-Submitter: reporter.example\nMIME-Version: 1.0\n"
)
PLAIN_HEADERS = b"From: a@example.org\nSubject: Hello\nMIME-Version: 1.0\n"
TLSRPT = "report; report-type=tlsrpt"


def report(*parts: bytes, close: bool = True) -> bytes:
    """A report mail of these parts."""
    return HEADERS + multipart(TLSRPT, *parts, close=close)


def zipped(**members: bytes) -> bytes:
    """A zip archive; a member's name is written with _ for the dot."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, octets in members.items():
            member = zipfile.ZipInfo(name.replace("_", "."), (2024, 1, 1, 0, 0, 0))
            archive.writestr(member, octets, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def edited(pattern: bytes, replacement: bytes, octets: bytes | None = None) -> bytes:
    """A mail with one thing in it changed."""
    changed, count = re.subn(pattern, replacement, mail() if octets is None else octets)
    assert count
    return changed


def labelled(media_type: str, octets: bytes = GZIP, filename: str = NAME) -> Case:
    """A report under another media type."""
    return Case(report(WORDS, attachment(octets, media_type, filename)), ("media-type-label",))


DMARC = b'<?xml version="1.0"?><feedback><report_metadata/></feedback>'
DMARC_SUBJECT = b"Subject: Report Domain: example.com Submitter: google.com Report-ID: 1\n"


def _cases() -> Iterator[tuple[str, Case]]:  # noqa: PLR0915 - a table, as long as senders make it
    yield "as-rfc8460-says", Case(mail(), gzip=True, filename=NAME)
    yield "crlf", Case(mail().replace(b"\n", b"\r\n"), gzip=True)
    # F. Message headers
    yield (
        "58-subject-without-angle-brackets",
        Case(
            edited(
                rb"Subject: .*", b"Subject: Report Domain: example.com Submitter: x.example Report-ID:\n 1+example.com"
            ),
            subject="Report Domain: example.com Submitter: x.example Report-ID: 1+example.com",
        ),
    )
    yield (
        "59-subject-folded-early",
        Case(
            edited(rb"Subject: Report ", b"Subject: Report\n Domain:     example.com  ", None),
            subject="Report Domain: example.com Domain: example.com Submitter: reporter.example "
            "Report-ID: <0@reporter.example>",
        ),
    )
    yield (
        "60-subject-in-encoded-words",
        Case(
            edited(
                rb"Subject: .*", b"Subject: Report Domain: example.com\n =?utf-8?q?Submitter=3A_x?=\n =?utf-8?q?=2Ey?="
            ),
            subject="Report Domain: example.com Submitter: x.y",
        ),
    )
    yield (
        "61-no-tls-report-headers",
        Case(
            edited(rb"Subject: .*", b"Subject: SMTP TLS report", edited(rb"TLS-Report-.*\n", b"")),
            ("no-tls-report-headers",),
            subject="SMTP TLS report",
        ),
    )
    yield "62-no-dkim", Case(mail())
    yield (
        "63-gateway-changed-the-text",
        Case(
            edited(rb"This is an aggregate", b"External Email - Please use caution\n\nThis is an aggregate"), gzip=True
        ),
    )
    yield (
        "64-envelope-line-and-mailbox-fields",
        Case(b"From a@b Mon Jan  1 00:00:00 2024\nX-Mozilla-Status: 0001\nReturn-Path: <SRS0=a=b@c>\n" + mail()),
    )
    yield "65-no-message-id", Case(edited(rb"Message-ID: .*\n", b""))
    yield "66-tls-required-no", Case(b"TLS-Required: No\nAuto-Submitted: auto-generated\n" + mail())
    yield (
        "67-missing-indent",
        Case(
            edited(
                rb"Submitter: reporter\.example Report-ID:",
                b"\nSubmitter: reporter.example\nReport-ID:",
                edited(rb"TLS-Report-Submitter", b"Stray line without any colon\nTLS-Report-Submitter"),
            ),
            subject="Report Domain: example.com",
        ),
    )
    # G. MIME
    html = part(b"<html><body>An aggregate TLS report</body></html>", "Content-Type: text/html")
    gz = attachment(GZIP, "application/tlsrpt+gzip")
    yield "68-html-first", Case(report(html, gz))
    yield "69-no-close-delimiter", Case(report(WORDS, gz, close=False), ("no-close-delimiter",))
    yield "69-empty-third-part", Case(report(WORDS, gz, close=False) + b"--=_b\n", ("no-close-delimiter",))
    yield (
        "69-line-that-only-begins-like-a-delimiter",
        Case(report(part(b"words\n--=_b-not\n\n" + JSON, "Content-Type: text/plain")), ("!no-document",)),
    )
    yield "70-preamble", Case(edited(rb"\n\n--", b"\n\nThis is a multipart message in MIME format.\n\n--"))
    yield (
        "71-name-on-content-type",
        Case(
            edited(
                rb"Content-Type: application/tlsrpt\+gzip\nContent-Disposition: .*",
                b'Content-Description: x\nContent-Type: application/tlsrpt+gzip; \n\tname="a!b!1!2.json.gz"',
            ),
            filename="a!b!1!2.json.gz",
        ),
    )
    yield "72-multipart-mixed", Case(HEADERS + multipart("mixed", WORDS, gz), ("not-multipart-report",))
    yield (
        "73-rfc2231-file-name",
        Case(
            edited(
                rb"attachment; filename=.*",
                b"attachment;\n filename*0*=us-ascii''mail-gateway-01.reporter.example%21a-rather-long;\n"
                b" filename*1*=.example.com%211%212.json.gz",
            ),
            filename="mail-gateway-01.reporter.example!a-rather-long.example.com!1!2.json.gz",
        ),
    )
    yield (
        "73-encoded-word-file-name",
        Case(edited(rb"filename=.*", b'filename="=?utf-8?q?a!b!1!2=2Ejson=2Egz?="'), filename="a!b!1!2.json.gz"),
    )
    yield (
        "74-file-name-without-times",
        Case(
            report(WORDS, attachment(GZIP, "application/tlsrpt+gzip", "tls-report.json.gz")),
            filename="tls-report.json.gz",
        ),
    )
    for media_type in (
        "application/gzip",
        "application/x-gzip",
        "application/octet-stream",
        "application/tlsrpt+x-gzip",
        "application/tlsrpt",
        "text/plain",
    ):
        yield f"75-{media_type}", labelled(media_type)
    yield "75-application/json", labelled("application/json", JSON, NAME.removesuffix(".gz"))
    for media_type in ("application/zip", "application/x-zip-compressed", "application/tlsrpt+zip"):
        yield (
            f"75-{media_type}",
            Case(
                report(WORDS, attachment(zipped(report_json=JSON), media_type, "report.zip")),
                ("media-type-label zip-archive",),
                filename="report.json",
            ),
        )
    yield (
        "76-content-type-misspelled",
        Case(report(WORDS, gz.replace(b"Content-Type:", b"ContentType:")), ("content-type-misspelled",)),
    )
    yield (
        "77-base64-in-crlf",
        Case(
            edited(rb"\n(?=[A-Za-z0-9+/=]+\n--=_tlsrpt--)", b"\r\n\r\n", mail(gzipped(document() + b" " * 99))),
            gzip=True,
        ),
    )
    yield (
        "77-base64-in-one-line",
        Case(
            report(
                WORDS,
                part(
                    base64.b64encode(GZIP), "Content-Type: application/tlsrpt+gzip", "Content-Transfer-Encoding: base64"
                ),
            )
        ),
    )
    as_json = ("Content-Type: application/tlsrpt+json", f'Content-Disposition: attachment; filename="{NAME[:-3]}"')
    yield "78-json-without-transfer-encoding", Case(report(WORDS, part(JSON, *as_json)), gzip=False)
    for encoding in ("8bit", "binary", "7BIT", "x-unheard-of"):
        yield (
            f"78-{encoding}-json",
            Case(report(WORDS, part(JSON, *as_json, f"Content-Transfer-Encoding: {encoding}")), gzip=False),
        )
    binary = ("Content-Type: application/tlsrpt+gzip", "Content-Transfer-Encoding: binary")
    yield "78-binary-gzip", Case(report(WORDS, part(GZIP, *binary)), gzip=True)
    yield (
        "78-quoted-printable",
        Case(report(WORDS, part(quopri.encodestring(JSON), *as_json, "Content-Transfer-Encoding: quoted-printable"))),
    )
    yield (
        "78-quoted-printable-gzip",
        Case(
            report(
                WORDS,
                part(
                    quopri.encodestring(GZIP),
                    "Content-Type: application/tlsrpt+gzip",
                    "Content-Transfer-Encoding: quoted-printable",
                ),
            ),
            gzip=True,
        ),
    )
    yield (
        "78-uuencode",
        Case(report(WORDS, part(uuencoded(JSON), *as_json, "Content-Transfer-Encoding: x-uuencode")), gzip=False),
    )
    yield (
        "78-called-base64-and-is-not",
        Case(report(WORDS, part(JSON, *as_json, "Content-Transfer-Encoding: base64")), ("transfer-encoding-label",)),
    )
    yield (
        "78-base64-and-not-called-so",
        Case(
            report(WORDS, part(base64.encodebytes(GZIP), "Content-Type: application/tlsrpt+gzip")),
            ("transfer-encoding-label",),
            gzip=True,
        ),
    )
    yield (
        "79-single-part",
        Case(HEADERS + attachment(GZIP, "application/tlsrpt+gzip"), ("not-multipart-report",), gzip=True),
    )
    yield (
        "79-single-part-json",
        Case(HEADERS + part(JSON, "Content-Type: application/tlsrpt+json"), ("not-multipart-report",)),
    )
    yield (
        "79-plain-text-is-the-report",
        Case(
            PLAIN_HEADERS + part(JSON, "Content-Type: text/plain"),
            ("not-multipart-report no-tls-report-headers media-type-label",),
            claims=False,
        ),
    )
    yield "79-part-without-any-header", Case(report(WORDS, JSON), ("media-type-label",))
    yield (
        "80-winmail-dat",
        Case(
            report(WORDS, attachment(b"\x78\x9f\x3e\x22tnef", "application/ms-tnef", "winmail.dat")), ("!no-document",)
        ),
    )
    yield "80-attachment-stripped", Case(report(WORDS), ("!no-document",))
    yield "80-attachment-emptied", Case(report(WORDS, attachment(b"", "application/tlsrpt+gzip")), ("!unknown-format",))
    yield (
        "80-attachment-replaced",
        Case(report(WORDS, attachment(b"Removed by the gateway", "application/tlsrpt+gzip")), ("!unknown-format",)),
    )
    forward = multipart("mixed", WORDS, part(mail(), "Content-Type: message/rfc822"))
    yield (
        "81-forwarded",
        Case(
            PLAIN_HEADERS + forward,
            subject="Report Domain: example.com Submitter: reporter.example Report-ID: <0@reporter.example>",
            gzip=True,
        ),
    )
    yield (
        "81-forwarded-twice",
        Case(
            PLAIN_HEADERS
            + multipart("mixed", part(PLAIN_HEADERS + forward, "Content-Type: message/rfc822"), boundary="o")
        ),
    )
    yield (
        "81-forwarded-in-base64",
        Case(PLAIN_HEADERS + multipart("mixed", WORDS, attachment(mail(), "message/rfc822", "Report.eml")), gzip=True),
    )
    yield (
        "81-forwarded-as-eml",
        Case(PLAIN_HEADERS + multipart("mixed", WORDS, attachment(mail(), "application/octet-stream", "Report.EML"))),
    )
    yield "81-digest", Case(PLAIN_HEADERS + multipart("digest", part(mail()), part(mail())), ("", ""))
    yield (
        "81-list-footer",
        Case(
            HEADERS
            + multipart("mixed", multipart(TLSRPT, WORDS, gz, boundary="inner"), part(b"List info: ...", "X: y")),
            ("not-multipart-report",),
        ),
    )
    yield (
        "81-list-footer-in-base64",
        Case(
            mail(GZIP + bytes(3 - len(GZIP) % 3)).replace(b"--=_tlsrpt--", b"______\nlists mailing list\n--=_tlsrpt--"),
            ("gzip-trailing-octets",),
            gzip=True,
        ),
    )
    yield (
        "81-signed",
        Case(
            HEADERS
            + multipart(
                "signed", multipart(TLSRPT, WORDS, gz, boundary="i"), attachment(b"x", "application/pkcs7-signature")
            ),
            ("not-multipart-report", "!unknown-format"),
        ),
    )
    yield "81-encrypted", Case(HEADERS + attachment(b"x", "application/pkcs7-mime", "smime.p7m"), ("!no-document",))
    bounce = multipart(
        "report; report-type=delivery-status", WORDS, part(mail(), "Content-Type: message/rfc822"), boundary="dsn"
    )
    yield "81-our-own-report-bounced", Case(PLAIN_HEADERS + bounce, (), claims=False)
    yield "82-cron", Case(other_mail(), (), claims=False)
    for name, octets in {"gz": gzipped(DMARC), "zip": zipped(a_xml=DMARC), "plain": DMARC}.items():
        yield (
            f"82-dmarc-{name}",
            Case(
                DMARC_SUBJECT
                + multipart("mixed", WORDS, attachment(octets, "application/octet-stream", "a!b!1!2.xml.gz")),
                (),
                claims=False,
            ),
        )
    yield (
        "82-dmarc-truncated",
        Case(
            DMARC_SUBJECT + multipart("mixed", attachment(gzipped(DMARC)[:-12], "application/gzip", "a!b!1!2.xml.gz")),
            (),
            claims=False,
        ),
    )
    yield (
        "82-office-and-pictures",
        Case(
            PLAIN_HEADERS
            + multipart(
                "mixed",
                attachment(zipped(document_xml=b"<w/>" * 9999), "application/vnd.openxmlformats", "letter.docx"),
                attachment(b"%PDF-1.7 ...", "application/pdf", "invoice.pdf"),
                attachment(b"\x89PNG\r\n", "image/png", "logo.png"),
                attachment(b'{"key": [1, 2]}', "application/json", "package.json"),
            ),
            (),
            claims=False,
        ),
    )
    yield (
        "82-two-reports",
        Case(report(WORDS, gz, attachment(gzipped(document() + b"\n"), "application/tlsrpt+gzip")), ("", "")),
    )
    yield "82-copy-in-words-of-no-type", Case(report(part(JSON, "Content-Type: text"), gz), gzip=True)
    yield "82-copy-in-the-words", Case(report(part(JSON, "Content-Type: text/plain"), gz), gzip=True)
    # H. Compression
    yield "83-not-compressed", Case(report(WORDS, attachment(JSON, "application/tlsrpt+json", NAME[:-3])), gzip=False)
    yield (
        "84-json-labelled-gzip-by-its-type",
        Case(report(WORDS, attachment(JSON, "application/tlsrpt+gzip", None)), ("json-labelled-gzip",)),
    )
    yield "84-json-labelled-gzip", Case(mail(JSON), ("json-labelled-gzip",), gzip=False)
    yield (
        "84-gzip-labelled-json",
        Case(report(WORDS, attachment(GZIP, "application/tlsrpt+json", NAME[:-3])), ("gzip-labelled-json",), gzip=True),
    )
    yield "85-zip-labelled-gzip", Case(mail(zipped(a_json=JSON)), ("zip-archive",), gzip=False)
    yield "85-gzip-labelled-zip", labelled("application/zip")
    yield (
        "85-zip-of-several",
        Case(mail(zipped(a_json=JSON, readme_txt=b"read me", b_json_gz=GZIP)), ("zip-archive", "zip-archive")),
    )
    yield "85-zip-in-gzip", Case(mail(gzipped(zipped(a_json=JSON))), ("compressed-twice zip-archive",), gzip=False)
    named = io.BytesIO()
    with gzip.GzipFile("rpt01.json", "wb", fileobj=named, mtime=1) as file:
        file.write(JSON)
    yield "86-gzip-with-name-and-time", Case(mail(named.getvalue()), gzip=True)
    yield "87-gzip-twice", Case(mail(gzipped(GZIP)), ("compressed-twice",), gzip=False)
    yield (
        "87-several-members",
        Case(mail(gzipped(JSON[:50]) + gzipped(JSON[50:])), ("several-gzip-members",), gzip=False),
    )
    for name, tail in {"crlf": b"\r\n", "zeros": bytes(99), "junk": b"junk", "one-octet": b"\x1f"}.items():
        yield f"87-trailing-{name}", Case(mail(GZIP + tail), ("gzip-trailing-octets",), gzip=True)
    yield "87-no-trailer", Case(mail(GZIP[:-8]), ("gzip-without-trailer",), gzip=False)
    yield "87-half-a-trailer", Case(mail(GZIP[:-3]), ("gzip-without-trailer",), gzip=False)
    yield "87-truncated", Case(mail(GZIP[:-60]), ("!truncated-gzip",))
    yield "87-only-the-magic", Case(mail(GZIP[:2]), ("!truncated-gzip",))
    yield "87-wrong-checksum", Case(mail(GZIP[:-8] + b"abcd" + GZIP[-4:]), ("!corrupt-gzip",))
    yield "87-damaged", Case(mail(GZIP[:60] + b"\xff\xff\xff\xff" + GZIP[64:]), ("!corrupt-gzip",))
    yield "87-zlib", Case(mail(zlib.compress(JSON)), ("deflate-without-gzip",), gzip=False)
    yield "87-zlib-truncated", Case(mail(zlib.compress(JSON)[:-60]), ("!unknown-format",))
    yield (
        "87-truncated-in-a-mail-that-says-what-it-was",
        Case(report(WORDS, attachment(GZIP[:-60], "application/gzip", "data.gz")), ("!truncated-gzip",)),
    )
    yield "87-raw-deflate", Case(mail(zlib.compress(JSON)[2:-4]), ("deflate-without-gzip",), gzip=False)
    yield "87-zstd", Case(mail(b"\x28\xb5\x2f\xfd" + JSON), ("!unknown-format",))
    yield (
        "87-base64-cut",
        Case(
            report(
                WORDS,
                part(
                    base64.b64encode(GZIP + bytes(3 - len(GZIP) % 3)) + b"A",
                    "Content-Type: application/tlsrpt+gzip",
                    "Content-Transfer-Encoding: base64",
                ),
            ),
            ("damaged-base64 gzip-trailing-octets",),
        ),
    )
    yield "87-encrypted-zip", Case(mail(spoilt_zip(b"PK\1\2", 8, 1)), ("!encrypted-zip",))
    yield "87-zip-method", Case(mail(spoilt_zip(b"PK\1\2", 10, 14)), ("!zip-method",))
    yield "87-zip-lying-about-its-size", Case(mail(spoilt_zip(b"PK\1\2", 24, 5)), ("!corrupt-zip",))
    yield "87-zip-without-directory", Case(mail(zipped(a_json=JSON)[:-30]), ("!corrupt-zip",))
    yield (
        "87-truncated-and-nobody-says-what-it-was",
        Case(
            PLAIN_HEADERS + multipart("mixed", attachment(GZIP[:-60], "application/gzip", "data.json.gz")),
            (),
            claims=False,
        ),
    )
    yield (
        "87-truncated-and-its-name-says-what-it-was",
        Case(PLAIN_HEADERS + multipart("mixed", attachment(GZIP[:-60], "application/gzip")), ("!truncated-gzip",)),
    )
    # I. JSON text
    yield "88-byte-order-mark-and-blanks", Case(mail(gzipped(b"\xef\xbb\xbf \r\n" + JSON)), gzip=True)
    yield "89-utf-16", Case(mail(gzipped(JSON.decode().encode("utf-16"))), gzip=True)
    yield "89-array", Case(mail(gzipped(b"[" + JSON + b"]")), gzip=True)
    # J. What HTTPS bodies and files hold
    bare = partial(Case, claims=False)
    yield "90-bare-json", bare(JSON, gzip=False)
    yield "90-bare-gzip", bare(GZIP, gzip=True, name="a.json.gz", filename="a.json.gz")
    yield "90-gzip-undone-by-the-server", Case(JSON, gzip=False, name=NAME, filename=NAME)
    yield "90-gzip-done-twice-by-the-server", bare(gzipped(GZIP), ("compressed-twice",))
    yield "90-bare-zip", bare(zipped(a_json=JSON, b_json=JSON), ("zip-archive", "zip-archive"))
    yield "90-bare-truncated", bare(GZIP[:-60], ("!truncated-gzip",))
    yield (
        "90-form-upload",
        Case(
            multipart("form-data", part(GZIP, f'Content-Disposition: form-data; name="file"; filename="{NAME}"')),
            ("not-multipart-report no-tls-report-headers media-type-label",),
            gzip=True,
        ),
    )
    yield "90-empty-file-of-that-name", Case(b"", ("!no-document",), name=NAME)
    yield "90-other-gzip-of-that-name", Case(gzipped(b"<html>"), ("!unknown-format",), name=NAME)


def uuencoded(octets: bytes) -> bytes:
    """As uuencode(1) writes it."""
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    return b"begin 644 report.json\n" + b"".join(lines) + b"`\nend\n"


def spoilt_zip(signature: bytes, offset: int, value: int) -> bytes:
    """A zip archive with one octet of its directory changed."""
    octets = bytearray(zipped(a_json=JSON))
    octets[octets.index(signature) + offset] = value
    return bytes(octets)


CASES = dict(_cases())
