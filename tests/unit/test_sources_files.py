"""Files, folders and standard input: what is in them, where it is said to lie, and what is left alone."""

import bz2
import errno
import gzip
import io
import logging
import lzma
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.sources import Item, maildir, origin
from tlsrpt_ingest.sources.files import open_path

ONE, TWO, THREE = (builders.mail(number=number) for number in range(3))
DOCUMENT = builders.document()


def read(path: Path | str) -> list[Item]:
    return list(open_path(str(path)).items())


def octets(path: Path | str) -> list[bytes]:
    items = read(path)
    assert [item.failure for item in items] == [None] * len(items)
    return [item.octets for item in items]


def failures(items: list[Item]) -> list[tuple[str, str]]:
    return [(item.origin, item.failure.code) for item in items if item.failure]


def make_maildir(path: Path, **messages: bytes) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    for number, (name, message) in enumerate(messages.items()):
        (path / "cur" / f"{1_700_000_000 + number}.{name}.host:2,S").write_bytes(message)
    return path


@pytest.mark.parametrize("name", ["archive.mbox", "archive", "archive.eml"])
@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_an_mbox_compressed_or_not(tmp_path: Path, name: str, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    mbox = builders.mbox([ONE, TWO])
    path = tmp_path / (name + suffix)
    path.write_bytes(pack(mbox))
    assert octets(path) == [ONE, TWO]
    second = mbox.index(b"\n\nFrom ") + 2
    assert [item.origin for item in read(path)] == [f"file://{path}#0", f"file://{path}#{second}"]
    assert [item.position for item in read(path)] == [0, second]


@pytest.mark.parametrize("name", ["empty.mbox", "root"])
def test_an_empty_mbox_holds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert read(tmp_path / name) == []


@pytest.mark.parametrize("name", ["a.json.gz", "a.eml", "a.ZIP"])
def test_an_empty_file_of_another_kind_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert failures(read(tmp_path / name)) == [(f"file://{tmp_path / name}", "empty")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.eml", ONE),
        ("a", ONE),
        ("a.json", DOCUMENT),
        ("a.json.gz", builders.gzipped(DOCUMENT)),
        ("a.txt", b"not a mail at all"),
    ],
)
def test_a_message_or_document_is_one_item_as_it_stands(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name) == [Item(f"file://{tmp_path / name}", content, name)]


def test_a_compressed_message_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.eml.xz").write_bytes(lzma.compress(ONE))
    assert octets(tmp_path / "a.eml.xz") == [ONE]


def test_a_document_in_bzip2_or_xz_is_opened(tmp_path: Path) -> None:
    """mail/ reads gzip, as RFC 8460 has it, and neither of these."""
    (tmp_path / "a.json.bz2").write_bytes(bz2.compress(DOCUMENT))
    (tmp_path / "b.json.xz").write_bytes(lzma.compress(DOCUMENT))
    assert octets(tmp_path) == [DOCUMENT, DOCUMENT]


def test_a_folder_is_read_to_its_depths_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b" / ".hidden").mkdir(parents=True)
    (tmp_path / "b" / ".hidden" / "x.eml").write_bytes(TWO)
    (tmp_path / "c.json").write_bytes(DOCUMENT)
    (tmp_path / "a.mbox").write_bytes(builders.mbox([ONE]))
    source = open_path(str(tmp_path))
    assert [item.octets for item in source.items()] == [ONE, TWO, DOCUMENT]
    assert source.octets_read == source.octets_total == len(builders.mbox([ONE])) + len(TWO) + len(DOCUMENT)


def test_a_folder_deeper_than_python_calls(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    (tmp_path / "z.eml").write_bytes(ONE)
    try:
        assert [item.octets for item in read(tmp_path) if not item.failure] == [ONE]
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # shutil and pytest would not get to the bottom


def test_a_maildir_with_folders_of_both_layouts(tmp_path: Path) -> None:
    box = make_maildir(tmp_path / "Maildir", a=ONE)
    (box / "new" / "1700000009.b.host").write_bytes(TWO)
    (box / "tmp" / "1700000010.c.host").write_bytes(b"still being delivered")
    (box / "dovecot-uidlist").write_text("3 V1 N2\n")
    make_maildir(box / ".Archive.2024", d=THREE)
    make_maildir(box / "Reports" / "TLS", e=ONE)
    items = read(box)
    assert [item.octets for item in items] == [ONE, TWO, THREE, ONE]
    assert items[0].origin == f"file://{box}#1700000000.a.host"
    assert items[2].origin == f"file://{box}/.Archive.2024#1700000000.d.host"


def test_a_maildir_is_read_oldest_first_whether_seen_or_not(tmp_path: Path) -> None:
    box = make_maildir(tmp_path, a=ONE, c=THREE)
    (box / "new" / "1700000000.b.host").write_bytes(TWO)
    assert octets(box) == [ONE, TWO, THREE]


def test_a_message_that_dovecot_compressed(tmp_path: Path) -> None:
    box = make_maildir(tmp_path, a=gzip.compress(ONE), b=TWO)
    assert octets(box) == [ONE, TWO]


def test_a_message_that_dovecot_compressed_in_another_way_is_no_other_mail(tmp_path: Path) -> None:
    box = make_maildir(tmp_path, a=b"\x28\xb5\x2f\xfd" + b"x" * 100, b=b"Dovecot-LZ4\r\x2a\x9b\xc5" + b"x" * 100)
    assert [code for _origin, code in failures(read(box))] == ["foreign-archive"] * 2


def test_a_maildir_message_is_one_whatever_is_in_it(tmp_path: Path) -> None:
    box = make_maildir(tmp_path, a=builders.mbox([ONE, TWO]))
    assert len(octets(box)) == 1


def test_a_message_renamed_since_it_was_listed_is_found_again(tmp_path: Path) -> None:
    box = make_maildir(tmp_path, a=ONE, b=TWO, c=THREE)
    items = open_path(str(box)).items()
    assert next(items).octets == ONE
    (box / "cur" / "1700000001.b.host:2,S").rename(box / "cur" / "1700000001.b.host:2,RS")
    (box / "cur" / "1700000002.c.host:2,S").rename(box / "new" / "1700000002.c.host")
    assert [(item.octets, item.failure) for item in items] == [(TWO, None), (THREE, None)]


def test_a_folder_marked_as_read_meanwhile_costs_one_more_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make_maildir(tmp_path, **{f"m{number}": builders.mail(number=number) for number in range(100)})
    listings: list[Path] = []
    real = maildir.messages

    def messages(folder: Path) -> Iterator[Path]:
        listings.append(folder)
        return real(folder)

    monkeypatch.setattr(maildir, "messages", messages)
    items = open_path(str(box)).items()
    read_first = next(items).octets
    for path in list((box / "cur").iterdir()):
        path.rename(f"{path}T")
    assert {read_first, *(item.octets for item in items)} == {builders.mail(number=number) for number in range(100)}
    assert len(listings) == 2


def test_a_message_renamed_again_and_again_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as each look finds one of those that are missing."""
    box = make_maildir(tmp_path, a=ONE, b=TWO, c=THREE)
    real = maildir.messages
    restless = iter([["a", "b", "c"], ["b", "c"], ["c"]])

    def messages(folder: Path) -> Iterator[Path]:
        listed = list(real(folder))
        for name in next(restless, []):
            (path,) = (box / "cur").glob(f"*.{name}.*")
            path.rename(f"{path}S")
        return iter(listed)

    monkeypatch.setattr(maildir, "messages", messages)
    with caplog.at_level(logging.INFO):
        assert octets(box) == [ONE, TWO, THREE]
    assert "is gone" not in caplog.text


def test_a_maildir_removed_while_it_is_read_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = make_maildir(tmp_path / "box", a=ONE, b=TWO)
    (tmp_path / "z.eml").write_bytes(THREE)
    with caplog.at_level(logging.INFO):
        items = open_path(str(tmp_path)).items()
        assert next(items).octets == ONE
        shutil.rmtree(box)
        assert THREE in [item.octets for item in items]
    assert "b.host is gone" in caplog.text


def test_links_and_what_is_no_file_are_passed_over_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.eml").write_bytes(THREE)
    box = make_maildir(tmp_path / "in" / "box")
    (box / "cur" / "1.link").symlink_to(outside / "secret.eml")
    (box / "new" / "2.socket").mkdir()
    for name in ("file", "folder"):
        (tmp_path / "in" / name).symlink_to(outside / "secret.eml" if name == "file" else outside)
    os.mkfifo(tmp_path / "in" / "fifo")
    (tmp_path / "in" / "one.eml").write_bytes(ONE)
    here = Path.cwd()
    os.chdir(tmp_path / "in")  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
    os.chdir(here)
    with caplog.at_level(logging.INFO):
        assert octets(tmp_path / "in") == [ONE]
    for name in ("1.link", "2.socket", "file", "folder", "fifo", "sock"):
        assert f"/{name}: it is a link or no file" in caplog.text


def test_a_maildir_whose_cur_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    elsewhere = make_maildir(tmp_path / "elsewhere", a=ONE)
    box = make_maildir(tmp_path / "box")
    (box / "cur").rmdir()
    (box / "cur").symlink_to(elsewhere / "cur")
    assert read(box) == []


def test_a_link_that_is_named_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.eml").write_bytes(ONE)
    (tmp_path / "link").symlink_to("real.eml")
    assert octets(tmp_path / "link") == [ONE]


@pytest.mark.parametrize("turned", ["fifo", "link"])
def test_a_file_that_turns_into_something_else_is_neither_awaited_nor_followed(tmp_path: Path, turned: str) -> None:
    (tmp_path / "a.eml").write_bytes(ONE)
    (tmp_path / "b.eml").write_bytes(TWO)

    items = open_path(str(tmp_path)).items()
    assert next(items).octets == ONE
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        looked = real(path)
        if path.name == "b.eml":
            path.unlink()
            os.mkfifo(path) if turned == "fifo" else path.symlink_to("a.eml")
        return looked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "lstat", lstat)
        assert failures(list(items)) == [(f"file://{tmp_path}/b.eml", "unreadable-file")]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder, and no rights but those of the user nobody."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="the system has no users")
def test_what_may_not_be_read_is_an_item_and_not_the_end(nobody: Path) -> None:
    (nobody / "a.eml").write_bytes(ONE)
    (nobody / "b.eml").write_bytes(TWO)
    (nobody / "c").mkdir()
    box = make_maildir(nobody / "d", e=TWO, f=THREE)
    closed = [nobody / "b.eml", nobody / "c", box / "cur" / "1700000000.e.host:2,S"]
    for path in closed:
        path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        items = read(nobody)
        with pytest.raises(Misconfigured, match=r"cannot read .*b\.eml: Permission denied"):
            open_path(str(nobody / "b.eml"))
    finally:
        if root:
            os.seteuid(0)
        for path in closed:
            path.chmod(0o700)
    assert [item.octets for item in items if not item.failure] == [ONE, THREE]
    assert failures(items) == [
        (f"file://{nobody}/b.eml", "unreadable-file"),
        (f"file://{nobody}/c", "unreadable-folder"),
        (f"file://{nobody}/d#1700000000.e.host", "unreadable-file"),
    ]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.mbox: No such file"):
        open_path(str(tmp_path / "nowhere.mbox"))
    with pytest.raises(Misconfigured, match="no path"):
        open_path("a\0b")


def test_a_fifo_is_pointed_to_standard_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Misconfigured, match="for standard input write -"):
        open_path(str(tmp_path / "fifo"))


def test_a_file_is_read_to_the_size_that_it_had(tmp_path: Path) -> None:
    """An mbox to which somebody delivers faster than we read has an end nevertheless."""
    path = builders.write_mbox(tmp_path / "mbox", [ONE] * 5)
    items = open_path(str(path)).items()
    with path.open("ab") as file:
        seen = 0
        for item in items:
            seen += 1
            assert item.octets == ONE
            file.write(builders.mbox([TWO]) * 1_000)
            file.flush()
    assert seen == 5


def test_nothing_is_written_and_no_name_changes(tmp_path: Path) -> None:
    box = make_maildir(tmp_path / "box", a=ONE)
    (box / "new" / "1700000009.b").write_bytes(TWO)
    builders.write_mbox(tmp_path / "mbox", [ONE])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    source = open_path(str(tmp_path))
    source.settle([(item, None) for item in source.items()])  # type: ignore[misc] # no outcome matters
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="the system has no way to read without a trace")
def test_reading_is_no_look_at_the_mailbox(tmp_path: Path) -> None:
    """A mail reader shows "new mail" while an mbox was changed after the last look at it."""
    path = builders.write_mbox(tmp_path / "mbox", [ONE])
    os.utime(path, (1_000, 2_000))
    assert octets(path) == [ONE]
    assert path.stat().st_atime == 1_000


def test_what_may_only_be_read_is_read(nobody: Path) -> None:
    """By somebody who does not own it and may not write there either."""
    box = make_maildir(nobody / "box", a=ONE)
    mbox = builders.write_mbox(nobody / "mbox", [TWO])
    for path in (mbox, *box.rglob("*.host:2,S")):
        path.chmod(0o444)
    for folder in (box / "cur", box / "new", box / "tmp", box, nobody):
        folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        assert octets(nobody) == [ONE, TWO]
    finally:
        if root:
            os.seteuid(0)
        for folder in (nobody, box, box / "cur", box / "new", box / "tmp"):
            folder.chmod(0o755)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_progress_counts_the_octets_of_the_file_as_it_lies(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "mbox"
    path.write_bytes(pack(builders.mbox(builders.mail(number=number) for number in range(3_000))))
    source = open_path(str(path))
    seen = [source.octets_read for _item in source.items()]
    assert source.octets_total == path.stat().st_size
    assert 0 < seen[0] <= seen[-1] <= source.octets_read == source.octets_total
    assert seen == sorted(seen)


@pytest.mark.parametrize("name", [b"a b#c?d%20;e.eml", b"\xff\xfe.eml", "münchen\u202e\n.eml".encode()])
def test_an_origin_is_ascii_and_leads_back_whatever_the_name(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/" + name
    Path(os.fsdecode(path)).write_bytes(ONE)
    (item,) = read(tmp_path)
    assert item.origin.isascii()
    assert item.origin.isprintable()
    assert " " not in item.origin
    assert urlsplit(item.origin).fragment == ""
    again = origin.container(item.origin)
    assert again is not None
    assert os.fsencode(again) == path
    assert [found.origin for found in open_path(again).items()] == [item.origin]


def test_an_origin_without_a_file_has_no_container() -> None:
    assert origin.container(origin.STDIN) is None
    assert origin.container("imap://account/INBOX;UIDVALIDITY=7/;UID=42") is None


def test_each_step_inwards_is_in_the_fragment() -> None:
    inner = origin.inside(origin.inside("file:///a.zip", "b?#c/d.mbox"), 12)
    assert inner == "file:///a.zip#b%3F%23c/d.mbox?12"
    assert origin.container(inner) == "/a.zip"


def test_the_unique_name_stays_when_flags_change() -> None:
    assert maildir.unique_name(Path("cur/1.a:2,S")) == maildir.unique_name(Path("new/1.a")) == "1.a"


def stdin(content: bytes) -> list[Item]:
    return list(open_path("-", io.BytesIO(content)).items())


@pytest.mark.parametrize("content", [ONE, DOCUMENT, builders.gzipped(DOCUMENT), b""])
def test_standard_input_is_one_item(content: bytes) -> None:
    assert stdin(content) == [Item("stdin:", content, repeatable=False)]


def test_the_from_line_of_a_pipe_is_dropped() -> None:
    assert stdin(b"From a@example.com  Mon Jan  1 00:00:00 2024\n" + ONE) == [Item("stdin:", ONE, repeatable=False)]
    assert stdin(b"From somebody\n" + ONE) == [Item("stdin:", ONE, repeatable=False)]


def test_an_mbox_that_somebody_pipes_in_is_not_taken_for_one_message() -> None:
    items = stdin(builders.mbox([ONE, TWO]))
    assert [item.octets for item in items] == [ONE, TWO]
    assert {(item.origin, item.repeatable) for item in items} == {("stdin:", False)}


def test_standard_input_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGE", 1_000)
    stream = io.BytesIO(b"x" * 100_000)
    (item,) = open_path("-", stream).items()
    assert (item.octets, item.repeatable) == (b"", False)
    assert item.failure is not None
    assert item.failure.code == "too-large"
    assert stream.tell() == 1_001


def test_standard_input_that_fails_is_the_world_s_fault() -> None:
    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(Unavailable, match="standard input cannot be read: Input/output error"):
        list(open_path("-", Broken()).items())


def test_a_disk_that_fails_costs_the_items_on_it_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def readinto(_self: object, _buffer: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    make_maildir(tmp_path / "box", a=ONE)
    (tmp_path / "c.eml").write_bytes(ONE)
    monkeypatch.setattr("tlsrpt_ingest.sources.files._Measured.readinto", readinto)
    assert [code for _origin, code in failures(read(tmp_path))] == ["damaged", "damaged"]


def test_empty_lines_in_front_of_an_mbox(tmp_path: Path) -> None:
    (tmp_path / "mbox").write_bytes(b"\n" + builders.mbox([ONE, TWO]))
    assert octets(tmp_path / "mbox") == [ONE, TWO]


def test_a_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGE", 1_000)
    (tmp_path / "a.eml").write_bytes(b"x" * 1_001)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b"{" + os.urandom(2_000)))
    (tmp_path / "c.eml").write_bytes(b"x" * 1_000)
    items = read(tmp_path)
    assert failures(items) == [
        (f"file://{tmp_path}/a.eml", "too-large"),
        (f"file://{tmp_path}/b.json.gz", "too-large"),
    ]
    assert items[-1].octets == b"x" * 1_000


def test_a_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(Misconfigured, match="standard input is closed"):
        open_path("-")
