"""Archives: what is in them, however they are nested, damaged or meant to harm."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.files import open_path

MIB = 1 << 20
ONE, TWO = (builders.mail(number=number) for number in range(2))
DOCUMENT = builders.document()
GZIP = builders.gzipped(DOCUMENT)
MAILS = [builders.mail(number=number) for number in range(2_000)]

Pack = Callable[[bytes], bytes]


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, octets in members:
            archive.writestr(name, octets)
    return file.getvalue()


def tarred(*members: tuple[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, octets in members:
            info = tarfile.TarInfo(name)
            info.size = len(octets)
            archive.addfile(info, io.BytesIO(octets))
    return file.getvalue()


def read(path: Path, octets: bytes) -> list[Item]:
    path.write_bytes(octets)
    return list(open_path(str(path)).items())


def contents(items: Iterable[Item]) -> list[bytes]:
    return [item.octets for item in items if not item.failure]


def codes(items: Iterable[Item]) -> list[str]:
    return [item.failure.code for item in items if item.failure]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_of_everything(tmp_path: Path, pack: Pack, form: int) -> None:
    octets = tarred(
        ("2024/a.eml", ONE),
        ("2024/b.json.gz", GZIP),
        ("c.mbox.xz", lzma.compress(builders.mbox([ONE, TWO]))),
        ("d.zip", zipped(("e.json", DOCUMENT))),
        form=form,
    )
    path = tmp_path / "a.tar.any"
    items = read(path, pack(octets))
    assert contents(items) == [ONE, GZIP, ONE, TWO, DOCUMENT]
    assert codes(items) == []
    assert [item.origin.removeprefix(f"file://{path}#") for item in items] == [
        "2024/a.eml",
        "2024/b.json.gz",
        "c.mbox.xz?0",
        f"c.mbox.xz?{builders.mbox([ONE, TWO]).index(chr(10).encode() * 2 + b'From ') + 2}",
        "d.zip?e.json",
    ]
    assert [(item.name, item.position) for item in items[:2]] == [("a.eml", 0), ("b.json.gz", 1)]


def test_a_zip_of_everything(tmp_path: Path) -> None:
    octets = zipped(
        ("folder/", b""),
        ("folder/a.eml", ONE),
        ("b.json.gz", GZIP),
        ("c.mbox", builders.mbox([ONE, TWO])),
        ("d.tar.gz", gzip.compress(tarred(("e.json", DOCUMENT)))),
        ("f.zip", zipped(("g.json", DOCUMENT))),
    )
    items = read(tmp_path / "a", octets)
    assert contents(items) == [ONE, GZIP, ONE, TWO, DOCUMENT, DOCUMENT]
    assert codes(items) == []


def test_a_compressed_tar_of_zips_of_compressed_documents(tmp_path: Path) -> None:
    octets = gzip.compress(tarred(("a.zip", zipped(("b.json.gz", GZIP)))))
    assert contents(read(tmp_path / "a.tgz", octets)) == [GZIP]


def test_archives_nested_without_end_are_refused(tmp_path: Path) -> None:
    octets = ONE
    for depth in range(limits.ARCHIVE_DEPTH + 1):
        octets = zipped((f"{depth}.zip", octets))
    items = read(tmp_path / "a.zip", octets)
    assert (contents(items), codes(items)) == ([], ["too-deep"])
    for _ in range(1_000):
        octets = gzip.compress(octets, 0)
    assert codes(read(tmp_path / "a.gz", octets)) == ["too-deep"]


def test_an_old_tar_without_magic_octets(tmp_path: Path) -> None:
    octets = bytearray(tarred(("a.eml", ONE), form=tarfile.USTAR_FORMAT))
    octets[257:265] = bytes(8)
    octets[148:156] = b" " * 8
    octets[148:156] = b"%06o\0 " % sum(octets[:512])
    assert contents(read(tmp_path / "a.tar", bytes(octets))) == [ONE]


def test_two_tars_one_behind_the_other(tmp_path: Path) -> None:
    octets = tarred(("a", ONE)) + bytes(2 * MIB) + tarred(("b", TWO))
    assert contents(read(tmp_path / "a.tar", octets)) == [ONE, TWO]


def test_a_compressed_mbox_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "a.mbox.gz").write_bytes(gzip.compress(builders.mbox([ONE.ljust(MIB, b"\n")]) * 24, 0))
    tracemalloc.start()
    assert sum(1 for _item in open_path(str(tmp_path / "a.mbox.gz")).items()) == 24
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * MIB


def test_gzip_of_several_members_with_an_empty_one_first(tmp_path: Path) -> None:
    mbox = builders.mbox([ONE, TWO])
    octets = gzip.compress(b"") + gzip.compress(mbox[:3]) + gzip.compress(mbox[3:]) + b"\0" * 10 + b"\r\n"
    items = read(tmp_path / "a.gz", octets)
    assert (contents(items), codes(items)) == ([ONE, TWO], [])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_of_a_truncated_mbox_all_before_the_end_is_handed_out_and_one_failure(tmp_path: Path, pack: Pack) -> None:
    packed = pack(builders.mbox(MAILS))
    for cut in (len(packed) * 2 // 3, len(packed) - 3):
        items = read(tmp_path / "a.mbox.x", packed[:cut])
        assert codes(items) == ["damaged"]
        assert items[-1].origin == f"file://{tmp_path}/a.mbox.x"
        whole = contents(items)
        # Of bzip2 and xz a whole block comes out or nothing; there the whole archive is one.
        assert whole[:-1] == MAILS[: len(whole) - 1]
        assert len(whole) > (600 if pack is gzip.compress else -1)


def test_of_a_corrupt_mbox_all_before_the_damage_is_handed_out(tmp_path: Path) -> None:
    halves = builders.mbox(MAILS[:1_000]), builders.mbox(MAILS[1_000:])
    first, second = map(gzip.compress, halves)
    items = read(tmp_path / "a.gz", first + b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x07" + second[11:])
    assert contents(items) == MAILS[:1_000]
    assert codes(items) == ["damaged"]


def test_of_a_small_truncated_mbox_too(tmp_path: Path) -> None:
    items = read(tmp_path / "a.gz", gzip.compress(builders.mbox([ONE, TWO]))[:-8])
    assert (contents(items), codes(items)) == ([ONE, TWO], ["damaged"])


def test_a_truncated_message_is_no_message(tmp_path: Path) -> None:
    items = read(tmp_path / "a.eml.gz", gzip.compress(ONE)[:-12])
    assert (contents(items), codes(items)) == ([], ["damaged"])


def test_a_truncated_document_is_for_the_next_stage_to_judge(tmp_path: Path) -> None:
    """mail/ has answers to a missing trailer, and reasons for the rest."""
    assert contents(read(tmp_path / "a.json.gz", GZIP[:-8])) == [GZIP[:-8]]
    assert codes(read(tmp_path / "b.json.gz", GZIP[:10] + b"\x07" + GZIP[11:])) == ["damaged"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("cut", [512 + 100, 1_024 + 2_048 + 700])
def test_of_a_truncated_tar_the_members_before_are_handed_out(tmp_path: Path, pack: Pack, cut: int) -> None:
    octets = tarred(("a", ONE[:500].ljust(512, b"\n")), ("b", b"x" * 4_000), form=tarfile.USTAR_FORMAT)
    packed = octets[:cut] if pack is bytes else gzip.compress(octets)[: -8 if cut > 1_024 else 60]
    items = read(tmp_path / "a.tar", packed)
    assert codes(items)
    assert items[-1].origin == f"file://{tmp_path}/a.tar"
    assert set(codes(items)) == {"damaged"}
    if cut > 1_024:
        assert items[0].origin == f"file://{tmp_path}/a.tar#a"
        assert items[0].failure is None


def test_a_damaged_header_in_a_tar_is_not_taken_for_its_end(tmp_path: Path) -> None:
    octets = bytearray(tarred(("a", b"1"), ("b", b"2"), ("c", b"3"), form=tarfile.USTAR_FORMAT))
    octets[1_024 + 150] ^= 0x55
    items = read(tmp_path / "a.tar", bytes(octets))
    assert (contents(items), codes(items)) == ([b"1"], ["damaged"])


def test_a_member_that_is_damaged_costs_only_itself(tmp_path: Path) -> None:
    octets = zipped(("a", ONE), ("b", TWO), ("c", DOCUMENT), method=zipfile.ZIP_STORED)
    items = read(tmp_path / "a.zip", octets.replace(TWO, TWO[:-5] + b"wrong"))
    assert (contents(items), codes(items)) == ([ONE, DOCUMENT], ["damaged"])
    items = read(tmp_path / "a.tar", tarred(("a", ONE), ("b.gz", gzip.compress(TWO)[:-9]), ("c", DOCUMENT)))
    assert (contents(items), codes(items)) == ([ONE, DOCUMENT], ["damaged"])


def test_a_truncated_zip_has_no_directory(tmp_path: Path) -> None:
    assert codes(read(tmp_path / "a.zip", zipped(("a", ONE), ("b", TWO))[:-30])) == ["damaged"]


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    octets = bytearray(zipped(("a", ONE), ("b", TWO)))
    directory = octets.index(b"PK\x01\x02")
    octets[directory + 8] |= 1
    octets[6] |= 1
    items = read(tmp_path / "a.zip", bytes(octets))
    assert (contents(items), codes(items)) == ([TWO], ["encrypted"])


def test_a_method_that_nobody_knows(tmp_path: Path) -> None:
    octets = bytearray(zipped(("a", ONE), ("b", TWO)))
    octets[octets.index(b"PK\x01\x02") + 10] = 99
    items = read(tmp_path / "a.zip", bytes(octets))
    assert (contents(items), codes(items)) == ([TWO], ["refused"])


@pytest.mark.parametrize(
    "magic",
    [
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07\0",
        b"\x1f\x9d\x90",
        b"\x5d\0\0\x80\0",
        b"!BDN",
        b"\xd0\xcf\x11\xe0",
    ],
)
def test_an_archive_that_is_not_read_here_is_no_other_mail(tmp_path: Path, magic: bytes) -> None:
    assert codes(read(tmp_path / "a", magic + b"x" * 100)) == ["foreign-archive"]


def test_a_zip_that_was_written_to_a_pipe(tmp_path: Path) -> None:
    """The sizes stand behind each member, in a data descriptor, and not before it."""

    class Pipe(io.RawIOBase):
        octets = b""

        def write(self, octets: object, /) -> int:
            self.octets += bytes(octets)  # type: ignore[call-overload] # typeshed's Buffer protocol
            return len(memoryview(octets))  # type: ignore[arg-type] # the same

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", ONE)
        archive.writestr("b", TWO)
    assert b"PK\x07\x08" in pipe.octets
    assert contents(read(tmp_path / "a.zip", pipe.octets)) == [ONE, TWO]


def test_an_mbox_that_lost_its_head(tmp_path: Path) -> None:
    """As after `tail -c`: what is left of the first message, and all others."""
    octets = b"rest\n\n" + builders.mbox([ONE, TWO])
    assert contents(read(tmp_path / "a.mbox", octets)) == [b"rest\n", ONE, TWO]
    assert contents(read(tmp_path / "a.mbox.gz", gzip.compress(octets))) == [b"rest\n", ONE, TWO]


def test_names_are_no_paths_and_links_lead_nowhere(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("/etc/passwd")
            info.type = kind
            info.linkname = "/etc/passwd"
            archive.addfile(info)
        for name in ("/etc/passwd", "../../../etc/passwd", "a\n\x1b[31m\udcff"):
            info = tarfile.TarInfo(name)
            info.size = len(ONE)
            archive.addfile(info, io.BytesIO(ONE))
    items = read(tmp_path / "a.tar", file.getvalue())
    assert contents(items) == [ONE] * 3
    assert all(item.origin.isascii() and item.origin.isprintable() for item in items)
    assert [item.name for item in items[:2]] == ["passwd", "passwd"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar"]
    assert contents(read(tmp_path / "a.zip", zipped(("/etc/passwd", ONE), ("../x", TWO)))) == [ONE, TWO]


def test_a_member_larger_than_a_message_is_named_and_not_held(tmp_path: Path) -> None:
    bomb = builders.bomb(200 * MIB, fill=b"x")
    tar = gzip.compress(tarred(("a.gz", bomb), ("b", ONE)))
    zip_ = zipped(("a.gz", bomb), ("b", ONE))
    for octets in (tar, zip_, gzip.compress(zip_)):
        (tmp_path / "a").write_bytes(octets)
        tracemalloc.start()
        items = list(open_path(str(tmp_path / "a")).items())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (contents(items), codes(items)) == ([ONE], ["too-large"])
        assert peak < 3 * limits.MESSAGE


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """The whole directory points to one member again and again: each octet of the file counts a thousandfold."""
    octets = zipped(("a", ONE * 10), method=zipfile.ZIP_STORED)
    start = octets.index(b"PK\x01\x02")
    end = octets.index(b"PK\x05\x06")
    entry, tail = octets[start:end], bytearray(octets[end:])
    struct.pack_into("<HHL", tail, 8, 1_000, 1_000, len(entry) * 1_000)
    items = read(tmp_path / "a.zip", octets[:start] + entry * 1_000 + bytes(tail))
    assert (contents(items), codes(items)) == ([], ["refused"])


def test_a_size_that_lies_is_not_believed(tmp_path: Path) -> None:
    octets = bytearray(zipped(("a", b"x" * 100_000), ("b", TWO)))
    struct.pack_into("<L", octets, octets.index(b"PK\x01\x02") + 24, 10)
    items = read(tmp_path / "a.zip", bytes(octets))
    assert (contents(items), codes(items)) == ([TWO], ["damaged"])


def test_members_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_MEMBERS", 3)
    members = [(str(number), ONE) for number in range(4)]
    tar = read(tmp_path / "a.tar", tarred(*members))
    assert (contents(tar), codes(tar)) == ([ONE] * 3, ["too-many-members"])
    assert codes(read(tmp_path / "a.zip", zipped(*members))) == ["too-many-members"]
    assert contents(read(tmp_path / "a.zip", zipped(*members[:3]))) == [ONE] * 3


def test_a_directory_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGE", 1_000)
    items = read(tmp_path / "a.zip", zipped(*((str(number) * 500, b"x") for number in range(3))))
    assert (contents(items), codes(items)) == ([], ["damaged"])


@pytest.mark.parametrize("kind", ["members", "global headers"])
def test_what_a_tar_has_said_is_not_kept(tmp_path: Path, kind: str) -> None:
    with (tmp_path / "a.tar").open("wb") as file:
        for number in range(8_000 if kind == "members" else 200):
            info = tarfile.TarInfo(f"{number}")
            if kind == "global headers":
                file.write(tarfile.TarInfo.create_pax_global_header({f"comment{number}": "x" * 50_000}))
            file.write(info.tobuf(tarfile.USTAR_FORMAT))
    tracemalloc.start()
    assert codes(open_path(str(tmp_path / "a.tar")).items()) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


def test_a_header_without_end_is_not_held(tmp_path: Path) -> None:
    """A pax header claims to be as long as the tar, which is a bomb."""
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 200 * MIB
    head = info.tobuf(tarfile.USTAR_FORMAT)
    (tmp_path / "a.tar.gz").write_bytes(builders.bomb(200 * MIB, head=head, fill=b"x"))
    tracemalloc.start()
    items = list(open_path(str(tmp_path / "a.tar.gz")).items())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes(items) == ["damaged"]
    assert peak < 20 * MIB


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    octets = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    octets[156:157] = tarfile.GNUTYPE_SPARSE
    octets[483:495] = b"77777777777\0"
    octets[148:156] = b" " * 8
    octets[148:156] = b"%06o\0 " % sum(octets[:512])
    items = read(tmp_path / "a.tar", bytes(octets) + tarred(("b", ONE)))
    assert (contents(items), codes(items)) == ([ONE], ["refused"])


def test_an_xz_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    block = bytearray(lzma.compress(b"x", preset=0))
    # Block header (xz file format 3.1): the dictionary size is one octet, 0x25 for 1.5 GiB, and a CRC32 follows.
    assert block[14:16] == b"\x21\x01"
    block[16] = 0x25
    block[20:24] = struct.pack("<L", zlib.crc32(block[12:20]))
    assert codes(read(tmp_path / "a.xz", bytes(block))) == ["damaged"]
