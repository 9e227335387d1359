"""Which items `reprocess` gets again."""

import gzip
from pathlib import Path

from tests import builders
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.files import open_path
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.sources.picked import PickedSource

ONE, TWO, THREE = (builders.mail(number=number) for number in range(3))


def test_only_what_is_wanted_is_handed_out(tmp_path: Path) -> None:
    path = builders.write_mbox(tmp_path / "mbox", [ONE, TWO, THREE])
    second = next(item for item in open_path(str(path)).items() if item.octets == TWO)
    source = PickedSource(open_path(str(path)), {second.origin, f"file://{path}#1", "file:///elsewhere"})
    assert list(source.items()) == [second]
    assert source.origin == f"file://{path}"
    assert source.octets_total == source.octets_read == path.stat().st_size


def test_a_file_that_would_not_open_is_wanted_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox.gz"
    path.write_bytes(b"\x1f\x8b")
    (failed,) = open_path(str(path)).items()
    assert failed.failure
    path.write_bytes(gzip.compress(builders.mbox([ONE, TWO])))
    again = PickedSource(open_path(str(path)), {failed.origin})
    assert [item.octets for item in again.items()] == [ONE, TWO]


def test_so_it_is_inside_an_archive_and_in_a_folder() -> None:
    items = [
        Item(origin, b"")
        for origin in (
            "file:///a/b.tar#c.zip?d.mbox?12",
            "file:///a/b.tar#c.zip?dd",
            "file:///a/b.tar#c.zip",
            "file:///a/b.tar#c",
        )
    ]
    source = MemorySource(items)

    def picked(*origins: str) -> list[Item]:
        return list(PickedSource(source, set(origins)).items())

    assert picked("file:///a/b.tar") == items
    assert picked("file:///a/b.tar#c.zip") == items[:3]
    assert picked("file:///a/b.tar#c.zip?d.mbox") == items[:1]
    assert picked("file:///a/b.tar#c.zip?d", "file:///a/b", "#c") == []
    assert picked(source.origin) == items


def test_what_was_settled_is_passed_on() -> None:
    settled: list[object] = []

    class Settles(MemorySource):
        def settle(self, settled_: object) -> None:
            settled.append(settled_)

    done = [(Item("x:", b""), Outcome.RECORDED)]
    PickedSource(Settles([]), set()).settle(done)
    assert settled == [done]
