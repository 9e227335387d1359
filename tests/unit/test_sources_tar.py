"""What is read from a tar, however it was written, whatever its headers claim."""

import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from tests import builders
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.files import open_path

MIB = 1 << 20
ONE = builders.mail()


def header(kind: bytes, size: int, name: str = "odd") -> bytes:
    """A header that says so; sizes that have no place in octal digits as GNU tar writes them."""
    octets = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT, "utf-8"))
    octets[156:157] = kind
    octal = 0 <= size < 8**11
    octets[124:136] = b"%011o\0" % size if octal else (b"\x80" if size > 0 else b"\xff") + (size % 256**11).to_bytes(11)
    if kind == tarfile.GNUTYPE_SPARSE:
        octets[483:495] = b"00000001000\0"
    octets[148:156] = b" " * 8
    octets[148:156] = b"%06o\0 " % sum(octets)
    return bytes(octets)


def member(octets: bytes, kind: bytes = tarfile.REGTYPE, name: str = "a.eml") -> bytes:
    return header(kind, len(octets), name) + octets + bytes(-len(octets) % 512)


def read(path: Path, octets: bytes) -> list[Item]:
    path.write_bytes(octets)
    return list(open_path(str(path)).items())


def contents(items: list[Item]) -> list[bytes]:
    return [item.octets for item in items if not item.failure]


def codes(items: list[Item]) -> list[str]:
    return [item.failure.code for item in items if item.failure]


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_what_holds_nothing_may_stand_there_by_the_thousands(tmp_path: Path, kind: bytes) -> None:
    items = read(tmp_path / "a.tar", header(kind, 0) * 6_000 + member(ONE))
    assert (contents(items), codes(items)) == ([ONE], [])


@pytest.mark.parametrize("kind", [b"D", b"M", b"V", b"Z", tarfile.CONTTYPE])
def test_a_type_that_nobody_knows_is_a_file(tmp_path: Path, kind: bytes) -> None:
    big = b"x" * (2 * MIB)
    items = read(tmp_path / "a.tar", member(ONE, kind) + member(big, kind) + member(ONE))
    assert (contents(items), codes(items)) == ([ONE, big, ONE], [])


def test_a_large_sparse_file_costs_only_itself(tmp_path: Path) -> None:
    items = read(tmp_path / "a.tar", member(b"x" * (2 * MIB), tarfile.GNUTYPE_SPARSE) + member(ONE))
    assert (contents(items), codes(items)) == ([ONE], ["refused"])


SIZES = (-(10**6), -1_024, -512, -1, 10**5, 10**7, 2**62, 2**63, 2**80)
KINDS = "01234567DKLMSVXgx"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_size_that_lies_neither_hangs_nor_hides_that_the_rest_is_lost(tmp_path: Path, kind: str, size: int) -> None:
    """A skip to the end of 2^62 octets took tarfile forever; a size of -512 was the end of the tar without a word."""
    items = read(tmp_path / "a.tar", header(kind.encode(), size) + b"A" * 1_024 + member(ONE) + bytes(1_024))
    assert ONE in contents(items) or "damaged" in codes(items)


def test_a_tar_that_lacks_some_zeros_at_its_end_is_whole(tmp_path: Path) -> None:
    for zeros in (0, 100, 512, 700, 1_024):
        items = read(tmp_path / "a.tar", member(ONE) + bytes(zeros))
        assert (contents(items), codes(items)) == ([ONE], [])


def test_a_first_name_like_a_from_line_makes_no_mbox_of_it(tmp_path: Path) -> None:
    (item,) = read(tmp_path / "a.tar", member(ONE, name="From a Mon Jan  1 00:00:00 2024"))
    assert item.octets == ONE


def test_a_name_is_the_same_in_every_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`reprocess` from cron finds what `backfill` read on a terminal."""
    monkeypatch.setattr(tarfile.TarFile, "encoding", "latin-1")
    (item,) = read(tmp_path / "a.tar", member(ONE, name="\u00fc"))
    assert item.origin == f"file://{tmp_path}/a.tar#%C3%BC"


def test_a_header_that_ends_in_the_middle_is_damage(tmp_path: Path) -> None:
    """Python 3.13 passes over a broken extended header where it is told to pass over zeros."""
    pax = io.BytesIO()
    with tarfile.open(fileobj=pax, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("ü" * 200)
        info.size = len(ONE)
        archive.addfile(info, io.BytesIO(ONE))
    items = read(tmp_path / "a.tar", member(ONE) + pax.getvalue()[:700])
    assert (contents(items), codes(items)) == ([ONE], ["damaged"])


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_later_header_without_end_is_not_held_either(tmp_path: Path, kind: bytes) -> None:
    bomb = builders.bomb(100 * MIB, head=member(ONE) + header(kind, 100 * MIB), fill=b"x")
    (tmp_path / "a.tar.gz").write_bytes(bomb)
    tracemalloc.start()
    items = list(open_path(str(tmp_path / "a.tar.gz")).items())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (contents(items), codes(items)) == ([ONE], ["damaged"])
    assert peak < 20 * MIB
