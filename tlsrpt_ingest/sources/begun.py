"""Sources whose first item is there already: one that has none is passed over before anything is made ready for it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.source import Item, Source


class BegunSource:
    """A source of which somebody has read the first item."""

    def __init__(self, source: Source, first: Item, rest: Iterator[Item]) -> None:
        self._source = source
        self._items = chain([first], rest)
        self.origin = source.origin

    @property
    def octets_total(self) -> int | None:
        """Octets of the whole source."""
        return self._source.octets_total

    @property
    def octets_read(self) -> int:
        """Octets read of it."""
        return self._source.octets_read

    def items(self) -> Iterator[Item]:
        """The first item and the others; once."""
        return self._items

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """As the source does."""
        self._source.settle(settled)


def begun(sources: Generator[Source]) -> Generator[Source]:
    """Those of the sources that have an item."""
    with closing(sources):
        for source in sources:
            items: Iterator[Item] = source.items()
            try:
                first = next(items, None)
                if first is not None:
                    yield BegunSource(source, first, items)
            finally:
                if isinstance(items, Generator):
                    items.close()
