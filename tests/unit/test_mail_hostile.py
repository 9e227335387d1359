"""Mails made to cost time or memory: each has its answer, and none takes more than its limit.

Nothing here is timed: with an attack of this size a quadratic or unbounded way would not come to an end.
"""

import base64
import io
import random
import resource
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.builders import bomb, document, gzipped, mail
from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import Mail, open_mail

MIB = 1 << 20
CALLED = b"Content-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n"
NOISE = random.Random(8460).randbytes(MIB)  # noqa: S311 - noise that does not compress, not a secret


def codes(mail: Mail) -> list[str]:
    return [one.code if isinstance(one, Unreadable) else "document" for one in mail.documents]


def nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=n%dx\n\n--n%dx\n" % (n, n) for n in range(depth))


def many_members(count: int, octets: bytes = b"{}") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.json", octets)
    return file.getvalue()


FLOODS = {
    "nested multiparts": (CALLED + b"--b\n" + nested(10_000), ["too-deep"]),
    "nested messages": (CALLED + b"--b\n" + b"Content-Type: message/rfc822\n\n" * 500_000, ["too-deep"]),
    "one boundary for all": (
        CALLED + b"--b\n" + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 100_000,
        ["too-many-parts"],
    ),
    "parts": (CALLED + b"--b\n\nx\n" * 100_000, ["too-many-parts"]),
    "parts, nobody calls it a report": (
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
        [],
    ),
    "a report, then parts": (
        mail().replace(b"--=_tlsrpt--", b"--=_tlsrpt\n\nx\n" * 9_999),
        ["document", "too-many-parts"],
    ),
    "lines like the delimiter": (CALLED + b"--bb\n" * 10_000_000, ["too-many-parts"]),
    "delimiters in one line": (CALLED + b"--b" * 10_000_000, ["no-document"]),
    "a boundary of 60,000": (
        b"TLS-Report-Domain: a.example\nContent-Type: multipart/mixed; boundary=" + b"b" * 60_000 + b"\n\n--b",
        ["no-document"],
    ),
    "a header of 20 MiB": (mail().replace(b"From:", b"X: " + b"x" * (20 * MIB) + b"\nFrom:", 1), ["header-flood"]),
    "a header of a part": (CALLED + b"--b\n" + b"X: a\n" * MIB + b"\n--b--", ["header-flood"]),
    "fields": (b"X: a\n" * 5_000_000 + mail(), ["header-flood"]),
    "folded lines": (b"X: a\n" + b" a\n" * 5_000_000 + mail(), ["header-flood"]),
    "lines that are no field": (b"a\n" * 10_000_000 + b"\n" + mail(), []),
    "one line of 50 MiB": (b"a" * (50 * MIB), []),
    "semicolons": (b"Content-Type: text/plain; a=" + b";" * (MIB // 2) + b"\n\nx", []),
    "semicolons in quotes": (b'Content-Type: text/plain; a="' + b";" * (MIB // 2) + b"\n\nx", []),
    "half an encoded word": (b"Subject: " + b"=?a?q?" * 100_000 + b"\n\nx", []),
    "brackets": (b"From: " + b"(" * (MIB // 4) + b"<" * (MIB // 4) + b"\n\nx", []),
    "base64 of nothing": (
        CALLED + b"--b\nContent-Transfer-Encoding: base64\n\n" + b"====\n" * 5_000_000,
        ["no-document"],
    ),
    "gzip members": (mail(gzipped(b"") * 500_000), ["too-many-members"]),
    "gzip members with JSON": (mail(gzipped(b'{"' + b" " * 9_999) * 10_000), ["too-many-members"]),
    "gzip in gzip in gzip in gzip": (mail(gzipped(gzipped(gzipped(gzipped(document()))))), ["nested-archive"]),
    "zip members": (mail(many_members(10 * limits.PARTS + 1)), ["too-many-members"]),
    "a bomb": (mail(bomb(1024 * MIB, head=b"{")), ["unknown-format"]),
    "a bomb of JSON": (mail(bomb(1024 * MIB, head=b'{"report-id":"', fill=b"0")), ["too-large"]),
    "JSON that is not compressed": (mail(b'{"report-id":"' + b"0" * limits.DOCUMENT), ["too-large"]),
    "a string that does not end": (mail(gzipped(b'{"a":"' + b'\\"' * (8 * MIB))[:-9]), ["truncated-gzip"]),
    "deflate that does not compress": (mail(zlib.compress(b'{"' + NOISE * 15)), ["document"]),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_has_its_answer(flood: str) -> None:
    octets, expected = FLOODS[flood]
    assert codes(open_mail(octets)) == expected


def test_a_message_id_of_a_megabyte_is_shortened() -> None:
    found = open_mail(mail(message_id="<" + "x" * (MIB // 2) + "@example.com>"))
    assert found.message_id is not None
    assert len(found.message_id) == limits.NAME
    assert codes(found) == ["document"]


def test_all_documents_of_a_message_share_one_allowance() -> None:
    big = base64.encodebytes(bomb(15 * MIB, head=b'{"report-id":"', fill=b"0"))
    part = b"--b\nContent-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n\n" + big
    assert codes(open_mail(CALLED + part * 5)) == ["document", "document", "too-large", "too-large", "too-large"]


def test_a_bomb_in_a_zip_costs_one_document() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as member:
        member.write(b'{"report-id":"')
        for _ in range(64):
            member.write(b"0" * MIB)
    assert codes(open_mail(mail(file.getvalue()))) == ["too-large"]


@pytest.mark.parametrize("fill", [b"\0", b"0"], ids=["zeros", "json"])
def test_a_gigabyte_in_a_mebibyte_costs_less_than_50_mib(tmp_path: Path, root: Path, fill: bytes) -> None:
    path = tmp_path / "bomb.eml"
    path.write_bytes(mail(bomb(1024 * MIB, head=b'{"report-id":"', fill=fill)))
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tlsrpt_ingest.mail import open_mail\n"
        "octets = Path(sys.argv[1]).read_bytes()\n"
        "open_mail(octets[:4000])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(open_mail(octets).documents[0].code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 * MIB, 512 * MIB)),
    )
    code, kibibytes = done.stdout.split()
    assert code == "too-large"
    assert int(kibibytes) < 50 * 1024


def test_a_fault_nobody_foresaw_is_a_reason_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tlsrpt_ingest.mail.attachment.text", broken)
    assert codes(open_mail(b"From: a@example.org\n\n")) == ["unforeseen"]
