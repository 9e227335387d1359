"""A large mbox is cut into shards: together they hold what the whole does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import builders
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.sources import mbox
from tlsrpt_ingest.sources.files import FileSource
from tlsrpt_ingest.sources.shard import OCTETS, Shard

MANY = 3_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = builders.write_mbox(tmp_path / "large.mbox", (builders.mail(number=number) for number in range(MANY)))
    assert path.stat().st_size > OCTETS
    return path


def shards(path: Path) -> list[Shard]:
    pieces = list(FileSource(path).pieces())
    assert all(isinstance(piece, Shard) for piece in pieces)
    return [piece for piece in pieces if isinstance(piece, Shard)]


def test_the_shards_hold_each_message_of_the_mbox_once(path: Path) -> None:
    cut = shards(path)
    assert len(cut) > 1
    items = [item for shard in cut for item in shard.items()]
    with path.open("rb") as file:
        whole = list(mbox.messages(file.read))
    assert [(item.position, item.octets) for item in items] == whole
    assert items == list(FileSource(path).items())
    assert [item.origin for item in items] == [f"{cut[0].origin}#{offset}" for offset, _octets in whole]


def test_what_is_left_behind_an_item_is_the_others(path: Path) -> None:
    shard = shards(path)[0]
    items = list(shard.items())
    assert list(shard.behind(items[10]).items()) == items[11:]
    assert list(shard.behind(items[-1]).items()) == []


def test_a_small_mbox_is_no_shard(tmp_path: Path) -> None:
    path = builders.write_mbox(tmp_path / "small.mbox", [builders.mail()])
    assert not any(isinstance(piece, Shard) for piece in FileSource(path).pieces())


def test_what_is_appended_meanwhile_is_left_for_the_next_reading(path: Path) -> None:
    cut = shards(path)
    with path.open("ab") as file:
        file.write(builders.mbox([builders.mail(number=MANY)]))
    assert sum(1 for shard in cut for _item in shard.items()) == MANY


@pytest.mark.parametrize("how", ["replaced", "cut", "gone"])
def test_an_mbox_that_is_another_one_now_is_told(path: Path, how: str) -> None:
    cut = shards(path)
    if how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        other.rename(path)
    elif how == "cut":
        with path.open("r+b") as file:
            file.truncate(1_000)
    else:
        path.unlink()
    with pytest.raises(Unavailable, match=r"large\.mbox (is another file|cannot be read)"):
        list(cut[-1].items())


def test_an_mbox_that_stops_being_readable_is_one_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = shards(path)
    monkeypatch.setattr(mbox, "messages", _broken)
    [item] = cut[1].items()
    assert item.failure
    assert item.failure.code == "damaged"


def _broken(*_arguments: object) -> Iterator[mbox.Message]:
    raise OSError(5, "Input/output error")
    yield  # a generator, whose error comes when it is read
