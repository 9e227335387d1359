"""What any writer puts into an mbox comes out again, wherever the blocks are cut."""

import io
import itertools
import mailbox
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest.sources.mbox import lead, messages

LINES = st.sampled_from(
    [
        b"",
        b"From ",
        b"From here on it is text",
        b">From a@example.com Mon Jan  1 00:00:00 2024",
        b"From a@example.com Mon Jan  1 00:00:00 2024",
        b">>From ",
        b"Subject: one",
        b"\r",
        b"From",
        b"\xff\0",
        b"x" * 90,
    ]
)
MESSAGE = st.lists(LINES, min_size=1, max_size=8).map(lambda lines: b"\n".join(lines) + b"\n")
MESSAGES = st.lists(MESSAGE, max_size=6)
BLOCKS = st.integers(1, 200)


def read(octets: bytes, block: int) -> list[bytes | None]:
    return [octets for _offset, octets in messages(io.BytesIO(octets).read, block)]


@given(MESSAGES, BLOCKS)
def test_an_mboxrd_gives_back_what_was_written(mails: list[bytes], block: int) -> None:
    octets = b"".join(entry(mail) for mail in mails)
    assert read(octets, block) == mails


@given(MESSAGES, BLOCKS)
def test_so_it_does_with_crlf(mails: list[bytes], block: int) -> None:
    mails = [mail.replace(b"\r", b"").replace(b"\n", b"\r\n") for mail in mails]
    octets = b"".join(entry(mail, b"\r\n") for mail in mails)
    assert read(octets, block) == mails


@given(MESSAGES, BLOCKS)
def test_so_it_does_as_thunderbird_writes_it(mails: list[bytes], block: int) -> None:
    """Its From_ lines are "From " and nothing else, and are told by the header below them."""
    mails = [b"Subject: 1\r\n" + mail.replace(b"\r", b"").replace(b"\n", b"\r\n") for mail in mails]
    octets = b"".join(entry(mail, b"\r\n", b"From ") for mail in mails)
    assert read(octets, block) == mails


@settings(max_examples=25)
@given(st.lists(MESSAGE.filter(lambda mail: b"From " not in mail and b"\r" not in mail), max_size=6), BLOCKS)
def test_the_standard_library_s_mbox_is_read_alike(mails: list[bytes], block: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mbox"
        box = mailbox.mbox(path)
        for mail in mails:
            box.add(mail)
        box.close()
        assert read(path.read_bytes(), block) == mails


@given(st.binary(max_size=400), BLOCKS)
def test_nothing_depends_on_where_the_blocks_are_cut(octets: bytes, block: int) -> None:
    octets = octets.replace(b"\1", b"\n\nFrom a Mon Jan  1 00:00:00 2024\n").replace(b"\2", b"\n")
    assert list(messages(io.BytesIO(octets).read, block)) == list(messages(io.BytesIO(octets).read))


@given(MESSAGES.filter(bool), BLOCKS)
def test_an_offset_is_where_the_from_line_stands(mails: list[bytes], block: int) -> None:
    octets = b"".join(entry(mail) for mail in mails)
    offsets = [offset for offset, _octets in messages(io.BytesIO(octets).read, block)]
    assert len(offsets) == len(mails)
    assert read(octets[offsets[-1] :], block) == mails[-1:]


def test_each_cut_of_a_small_mbox_gives_the_same() -> None:
    mails = [b"Subject: 1\n\n>From x\n", b"\n", b"Subject: 2\n\n\nFrom nobody\n\n"]
    octets = b"".join(entry(mail) for mail in mails)
    for block in range(1, len(octets) + 1):
        assert read(octets, block) == mails
    assert read(builders.mbox([builders.mail(), builders.mail(number=1)]), 7) == [
        builders.mail(),
        builders.mail(number=1),
    ]


def entry(mail: bytes, end: bytes = b"\n", line: bytes = b"From a@example.com Mon Jan  1 00:00:00 2024") -> bytes:
    """One message as mboxrd writes it: a From_ line, lines like it quoted once more, an empty line."""
    lines = mail.split(end)
    quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
    return line + end + end.join(quoted) + end


@given(st.binary(max_size=400), st.lists(st.integers(3, 400), unique=True, max_size=4), BLOCKS)
def test_stretches_that_meet_have_each_message_once(octets: bytes, cuts: list[int], block: int) -> None:
    octets = (
        octets.replace(b"\1", b"\n\nFrom a Mon Jan  1 00:00:00 2024\n").replace(b"\2", b"\r\n").replace(b"\3", b"\n")
    )
    found = []
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(octets) + 500]):
        stream = io.BytesIO(octets)
        stream.seek(lead(begin))
        found += list(messages(stream.read, block, begin, end))
    assert found == list(messages(io.BytesIO(octets).read))
