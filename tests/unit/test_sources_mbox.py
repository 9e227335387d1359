"""Where an mbox is cut into messages, and how much of it is held meanwhile."""

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from tlsrpt_ingest import limits
from tlsrpt_ingest.sources.mbox import messages

HEAD = b"From a@example.com Mon Jan  1 00:00:00 2024\nSubject: 1\n\nbody\n"


def read(octets: bytes, block: int = 1 << 20) -> list[bytes | None]:
    return [octets for _offset, octets in messages(io.BytesIO(octets).read, block)]


@pytest.mark.parametrize(
    "line",
    [
        b"From a@example.com Tue Nov 24 09:00:00 2026",
        b"From MAILER-DAEMON Tue Nov  3 09:00:00 2026",
        b"From - Tue Nov 24 09:00:00 2026",
        b"From 1748362718282748@xxx Tue Nov 24 09:00:00 +0000 2026",
        b"From a@example.com Tue Nov 24 09:00 CET 2026",
        b"From a@example.com  Tue, 24 Nov 2026 09:00:00 +0100",
        b'From "a b"@example.com Tue Nov 24 09:00:00 2026',
        b"From Tue Nov 24 09:00:00 2026",
        b"From a@example.com Tue Nov 24 09:00:00 2026 remote from uucp",
        b"From a@example.com Tue Nov 24 09:00:00 2026\r",
        b"From " + b"a" * 980 + b"@example.com Tue Nov 24 09:00:00 2026",
    ],
)
def test_a_separator(line: bytes) -> None:
    assert read(HEAD + b"\n" + line + b"\n2\n") == [b"Subject: 1\n\nbody\n", b"2\n"]


@pytest.mark.parametrize(
    "line",
    [
        b"From here on it is text",
        b"From Monday on, at 10:30, the server is down",
        b"From what I heard on Mon at 10:30 it was 2024",
        b"From what I heard on Mon Nov 3 at 10:30 it was down",
        b"From: a@example.com",
        b"from a@example.com Tue Nov 24 09:00:00 2026",
        b" From a@example.com Tue Nov 24 09:00:00 2026",
        b"Fromage Tue Nov 24 09:00:00 2026",
    ],
)
def test_no_separator(line: bytes) -> None:
    assert read(HEAD + b"\n" + line + b"\n2\n") == [b"Subject: 1\n\nbody\n\n" + line + b"\n2\n"]


def test_a_from_line_inside_a_paragraph_is_none() -> None:
    line = b"From a@example.com Tue Nov 24 09:00:00 2026\n"
    assert read(HEAD + line) == [b"Subject: 1\n\nbody\n" + line]


@pytest.mark.parametrize("line", [b"From ", b"From - ", b"From -", b"From a@example.com", b"From a@example.com \t"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("gap", [0, 1])
def test_a_line_without_date_separates_where_a_header_follows(line: bytes, end: bytes, gap: int) -> None:
    """Thunderbird writes "From " alone by now; exports of Gmail with it have no empty line before."""
    one, two = end.join((b"Subject: 1", b"", b"one", b"")), end.join((b"Message-ID: <2@x>", b"", b"two", b""))
    octets = (line + end + one + end * gap) + (line + end + two + end * gap)
    for block in (*range(1, 60), 1 << 20):
        assert read(octets, block) == [one, two]


@pytest.mark.parametrize(
    "text",
    [
        b"From \nnobody in particular\n",
        b"From \n\nSubject: 2\n",
        b"From -\n: nothing\n",
        b"From here\nBut: it is no message\n",
        b"From a@example.com I heard\nSubject: 2\n",
        b"From a@example.com Tue Nov 24 09:00:00 2026\nnobody\n",
        b"> From \nSubject: 2\n",
        b"From\nSubject: 2\n",
    ],
)
def test_text_like_it_separates_nothing(text: bytes) -> None:
    assert read(HEAD + text) == [b"Subject: 1\n\nbody\n" + text]


def test_a_from_line_above_a_header_needs_no_empty_line_before() -> None:
    """As after a delivery that was broken off."""
    for block in (1, 7, 1 << 20):
        assert read(HEAD + HEAD + HEAD, block) == [b"Subject: 1\n\nbody\n"] * 3


def test_content_length_is_not_believed() -> None:
    lying = b"From a Mon Jan  1 00:00:00 2024\nContent-Length: 100000\n\nx\n\n"
    assert len(read(lying + HEAD)) == 2


@pytest.mark.parametrize("before", [b"", b"\n", b"\r\n\r\n"])
def test_empty_lines_are_no_message(before: bytes) -> None:
    assert read(before) == []
    assert [message.offset for message in messages(io.BytesIO(before + HEAD).read)] == [len(before)]


def test_text_before_the_first_from_line_is_kept() -> None:
    assert read(b"Subject: 0\n\n" + HEAD) == [b"Subject: 0\n", b"Subject: 1\n\nbody\n"]


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(limits, "MESSAGE", 10_000)
    return limits.MESSAGE


@pytest.mark.parametrize("block", [100, 4_096, 1 << 20])
@pytest.mark.parametrize("fill", [b"x", b"line\n", b"\n", b"\nFrom ", b"From "])
def test_a_message_at_the_limit_is_read_and_one_beyond_is_named(small_limit: int, block: int, fill: bytes) -> None:
    from_line = HEAD.partition(b"\n")[0] + b"\n"
    fits = (fill * small_limit)[: small_limit - 2] + b"x\n"
    for size, expected in ((0, fits), (1, None), (5_000, None), (90_000, None)):
        octets = HEAD + b"\n" + from_line + b"y" * size + fits + b"\n" + HEAD
        assert read(octets, block) == [b"Subject: 1\n\nbody\n", expected, b"Subject: 1\n\nbody\n"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("first", [b"Subject: 2", b"2"])
def test_behind_a_large_message_the_next_is_found_wherever_the_blocks_are_cut(
    small_limit: int, first: bytes, end: bytes
) -> None:
    line = HEAD.partition(b"\n")[0]
    octets = end.join((line, b"x" * (small_limit + 3_000), b"", line, first, b""))
    for block in range(1_000, 1_100):
        assert read(octets, block) == [None, first + end]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_message_of_nothing(end: bytes) -> None:
    line = b"From a@example.com Mon Jan  1 00:00:00 2024" + end
    assert read((line + end) * 2) == [b"", b""]
    assert read(line) == [b""]


def stream(parts: list[tuple[bytes, int]]) -> Callable[[int], bytes]:
    """A read function over octets that are never all there: each part so many times."""
    made = (part for part, count in parts for _ in range(count))
    return lambda _size: next(made, b"")


def test_a_huge_line_is_no_obstacle() -> None:
    big = stream([(HEAD + b"\n" + HEAD, 1), (b"x" * (1 << 20), 100), (b"\n\n" + HEAD, 1)])
    assert [octets is None for _offset, octets in messages(big)] == [False, True, False]


def test_nor_is_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGE", 1 << 20)
    big = stream([(HEAD + b"\n" + HEAD, 1), (b"x" * (1 << 20), 100), (b"\n\n" + HEAD, 1)])
    tracemalloc.start()
    assert len(list(messages(big))) == 3
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


MEMORY = """
import resource, sys
from tlsrpt_ingest.sources.mbox import messages
mail = b"From a Mon Jan  1 00:00:00 2024\\nSubject: 1\\n\\n" + b"body\\n" * 2000 + b"\\n"
blocks = (mail * 100 for _ in range(int(sys.argv[1])))
assert sum(1 for _ in messages(lambda _size: next(blocks, b""))) == 100 * int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_is_the_same_for_ten_times_the_mbox() -> None:
    small, large = (
        int(subprocess.run([sys.executable, "-c", MEMORY, str(count)], capture_output=True, check=True).stdout)
        for count in (20, 200)
    )
    assert large < small + 1_024  # KiB
