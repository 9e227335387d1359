"""`serve`, request by request: what is answered, and what the database has then (RFC8460-5.4-https)."""

import contextlib
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests import builders
from tests.installed import Program
from tests.servers.serving import GZIP, JSON, Serving, answer, head
from tlsrpt_ingest.store.engine import open_engine

LARGEST = 1 << 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def url(home: Path) -> str:
    return f"sqlite:///{home / 'tlsrpt.db'}"


@pytest.fixture(scope="module")
def installed(script: Path, home: Path) -> Program:
    return Program(script, home)


@pytest.fixture(scope="module")
def serving(installed: Program, url: str) -> Iterator[Serving]:
    with Serving(installed, url, "max_body_mib = 1\n[trust]\ndomains = ['example.com', 'example.net']\n") as serving:
        yield serving


def ask(url: str, sql: str, **values: object) -> list[tuple[Any, ...]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(sql), values)]
    engine.dispose()
    return rows


def ledger(url: str, path: str) -> list[tuple[Any, ...]]:
    """Outcome and code of what was posted to a path."""
    return ask(url, "SELECT outcome, code FROM delivery WHERE origin = :o", o=f"post://127.0.0.1{path}")


def body(number: int, **members: Any) -> bytes:
    return builders.document(builders.report(number, **members))


LABELS: dict[str, tuple[str, dict[str, str], Callable[[bytes], bytes], list[str]]] = {
    "gzip": (GZIP, {}, gzip.compress, []),
    "json": (JSON, {}, bytes, []),
    "parameters": ('Application/TLSRPT+gzip; charset=utf-8; name="a.json.gz"', {}, gzip.compress, []),
    "content-encoding of json": (JSON, {"content_encoding": "gzip"}, gzip.compress, []),
    "content-encoding of gzip, one layer": (GZIP, {"content_encoding": "gzip"}, gzip.compress, []),
    "content-encoding of gzip, undone by a web server": (GZIP, {}, bytes, ["json-labelled-gzip"]),
    "json that is gzip": (JSON, {}, gzip.compress, ["gzip-labelled-json"]),
    "application/gzip": ("application/gzip", {}, gzip.compress, ["media-type-label"]),
    "application/json": ("application/json", {}, bytes, ["media-type-label"]),
    "octet-stream": ("application/octet-stream", {}, gzip.compress, ["media-type-label"]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_and_octets(serving: Serving, url: str, name: str) -> None:
    """What senders call it, and what it is (docs/deviations.md, 75 and 90)."""
    media_type, headers, pack, codes = LABELS[name]
    number = 100 + list(LABELS).index(name)
    first = serving.post(pack(body(number)), media_type, f"/label/{number}", **headers)
    assert (first.status, first.body) == (201, "recorded\n")
    assert ledger(url, f"/label/{number}") == [("recorded", None)]
    found = ask(
        url,
        "SELECT deviation.code FROM deviation JOIN delivery USING (report_pk) WHERE origin = :o",
        o=f"post://127.0.0.1/label/{number}",
    )
    assert [code for (code,) in found] == codes


@pytest.mark.parametrize(
    ("media_type", "headers", "said"),
    [
        ("text/xml", {}, "accept"),
        (None, {}, "accept"),
        ("multipart/form-data; boundary=x", {}, "accept"),
        ("application/tlsrpt+gzip+json", {}, "accept"),
        (GZIP, {"content_encoding": "br"}, "accept-encoding"),
    ],
)
def test_other_types_are_refused(serving: Serving, media_type: str | None, headers: dict[str, str], said: str) -> None:
    refused = serving.post(builders.gzipped(body(1)), media_type, "/other-type", **headers)
    assert refused.status == 415
    assert "gzip" in refused.headers[said]


def test_a_repeat(serving: Serving, url: str) -> None:
    octets = builders.gzipped(body(2))
    assert serving.post(octets, path="/repeat").status == 201
    assert serving.post(octets, path="/repeat").status == 200
    # The same report in other octets, elsewhere, from another client: deliveries of their own.
    assert serving.post(body(2), JSON, "/repeat").status == 200
    assert serving.post(octets, path="/elsewhere").status == 200
    assert serving.post(octets, path="/repeat", client="127.0.0.9").status == 200
    assert ask(url, "SELECT count(*) FROM report WHERE report_id = '2024-01-03.2@reporter.example'") == [(1,)]
    assert sorted(ledger(url, "/repeat")) == [("duplicate", None), ("recorded", None)]


def test_by_mail_and_by_post(serving: Serving, installed: Program, url: str) -> None:
    ran = installed("backfill", "--database", url, "-", stdin=builders.mail(number=3))
    assert ran.status == 0
    again = serving.post(builders.gzipped(body(3)), path="/mailed")
    assert (again.status, again.body) == (200, "duplicate\n")


def test_another_report_of_the_same_name(serving: Serving, url: str) -> None:
    assert serving.post(body(4), JSON, "/conflict").status == 201
    other = serving.post(body(4, contact_info="somebody@else.example"), JSON, "/conflict")
    assert (other.status, other.body) == (201, "conflicting\n")
    assert ask(url, "SELECT count(*) FROM report WHERE report_id LIKE '%.4@reporter.example'") == [(2,)]


UNREADABLE = {
    "words": (b"hello", "unknown-format"),
    "nothing": (b"", "unknown-format"),
    "a truncated gzip": (builders.gzipped(body(5))[:40], "truncated-gzip"),
    "another document": (b'{"version": "1.0", "dmarc": true}', None),
    "a mail": (builders.mail(number=5), "unknown-format"),
    "a bomb": (builders.bomb(64 << 20, head=b'{"a":"', fill=b"a"), "too-large"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_in_the_ledger_with_its_octets(
    serving: Serving, installed: Program, url: str, name: str
) -> None:
    octets, code = UNREADABLE[name]
    path = f"/unreadable/{list(UNREADABLE).index(name)}"
    refused = serving.post(octets, path=path)
    assert refused.status == 400
    sql = "SELECT outcome, code, reason, octets, attempts FROM delivery WHERE origin = :o"
    ((outcome, found, reason, kept, attempts),) = ask(url, sql, o=f"post://127.0.0.1{path}")
    assert (outcome, kept, attempts) == ("rejected", octets, 1)
    assert code in (found, None)
    assert refused.body == f"rejected: {reason}\n"
    # The same again is the same item, also for `reprocess`.
    assert serving.post(octets, path=path).status == 400
    assert installed("reprocess", "--database", url).status == 0
    assert ask(url, sql, o=f"post://127.0.0.1{path}") == [("rejected", found, reason, octets, 3)]


def test_a_thousand_wrong_reports_keep_their_octets_once(serving: Serving, url: str) -> None:
    octets = b"\n".join([body(9, date_range="soon")] * 1000)
    assert serving.post(octets, JSON, "/lines").status == 400
    sql = "SELECT count(*), sum(length(octets)) FROM delivery WHERE origin = 'post://127.0.0.1/lines'"
    assert ask(url, sql) == [(1000, len(octets))]


def test_a_report_about_others(serving: Serving, url: str) -> None:
    foreign = builders.document(builders.report(6, builders.policy("example.org")))
    refused = serving.post(foreign, JSON, "/foreign")
    assert refused.status == 403
    assert refused.body.startswith("foreign: it is about example.org")
    assert ledger(url, "/foreign") == [("foreign", "foreign")]
    assert ask(url, "SELECT count(*) FROM policy WHERE policy_domain = 'example.org'") == [(0,)]


def test_too_large_by_its_own_word(serving: Serving) -> None:
    with serving.open() as connection:
        connection.sendall(head(LARGEST + 1, "Expect: 100-continue"))
        # Not one octet of it was asked for.
        assert answer(connection).startswith("HTTP/1.1 413 ")


def test_too_large_without_a_word(serving: Serving, url: str) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(64 * 1024)

    with serving.open() as connection:
        connection.sendall(
            f"POST /endless HTTP/1.1\r\nHost: x\r\nContent-Type: {GZIP}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        said = b""
        for chunk in endless():
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            connection.setblocking(False)  # noqa: FBT003 - socket's way
            with contextlib.suppress(BlockingIOError):
                said = connection.recv(65536)
            connection.setblocking(True)  # noqa: FBT003 - socket's way
            if said:
                break
    assert b"413" in said.splitlines()[0]
    assert b"connection: close" in said
    # What lies in the buffers between us comes on top.
    assert taken * 64 * 1024 < 32 * LARGEST
    assert ledger(url, "/endless") == []
    assert serving.post(bytes(LARGEST), path="/largest").status == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods(serving: Serving, method: str) -> None:
    refused = serving.ask(method, "/v1")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")


def test_health(serving: Serving) -> None:
    assert serving.ask("GET", "/healthz").status == 200
    empty = serving.ask("HEAD", "/healthz")
    assert (empty.status, empty.body) == (200, "")
    # "POST to any path".
    assert serving.post(body(7), JSON, "/healthz").status == 201


@pytest.mark.parametrize("target", ["/", "//", "/%0A", "/a%0d%0ab", "/%00", "/%ff", "http://elsewhere.test/v1", "*"])
def test_any_path(serving: Serving, target: str) -> None:
    answered = serving.post(b"no report", path=target)
    assert (answered.status, answered.body.partition(":")[0]) == (400, "rejected")
    assert serving.ask("GET", target).status == 405


def test_a_strangers_text_is_clean_in_log_and_ledger(serving: Serving, url: str) -> None:
    with serving.open() as connection:
        connection.sendall(
            b"POST /\x7e%1b[31m#a;UID=7?secret=token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n"
            b"Content-Type: application/tlsrpt+gzip; a=\x9b31m\xff\r\n\r\nx"
        )
        assert answer(connection).startswith("HTTP/1.1 400 ")
    serving.ask("GET", "/healthz")
    lines = [line for line in serving.log().splitlines() if "%1b" in line]
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert "\\x9b31m" in lines[0]
    assert "secret" not in serving.log()
    assert ask(url, "SELECT count(*) FROM delivery WHERE origin = 'post://127.0.0.1/~%1b%5B31m%23a;UID=7'") == [(1,)]


def test_the_log_has_a_line_for_each_request(serving: Serving) -> None:
    serving.post(body(8), JSON, "/logged")
    serving.ask("GET", "/healthz")  # the line is written behind the answer
    (line,) = [line for line in serving.log().splitlines() if '"POST /logged"' in line]
    assert line.startswith(f'tlsrpt-ingest: 127.0.0.1 "POST /logged" 201 recorded {JSON} {len(body(8))} octets ')
