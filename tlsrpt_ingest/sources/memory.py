"""A source in memory: the double that tests use, and the way in for a library caller who has the octets."""

from collections.abc import Iterable, Iterator, Sequence

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.source import Item


class MemorySource:
    """Hands out the items it was made of, and remembers what it was told of them."""

    origin = "memory:"
    octets_total: int | None = None

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.octets_read = 0
        self.settled: list[tuple[Item, Outcome]] = []

    def items(self) -> Iterator[Item]:
        """Every item in the order given."""
        for item in self._items:
            self.octets_read += len(item.octets)
            yield item

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Remember."""
        self.settled.extend(settled)
