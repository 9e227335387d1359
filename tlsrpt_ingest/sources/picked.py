"""A source of chosen items: those of another source whose origins are wanted, for `reprocess`."""

from collections.abc import Collection, Iterator, Sequence

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.source import Item, Source


class PickedSource:
    """Hands out the items of `source` whose origin is in `origins`."""

    def __init__(self, source: Source, origins: Collection[str]) -> None:
        self.origin = source.origin
        self._source = source
        self._origins = origins

    @property
    def octets_total(self) -> int | None:
        """As of the whole source: all of it has to be read past."""
        return self._source.octets_total

    @property
    def octets_read(self) -> int:
        """As of the whole source."""
        return self._source.octets_read

    def items(self) -> Iterator[Item]:
        """The wanted items, in the source's order."""
        return (item for item in self._source.items() if item.origin in self._origins)

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Pass it on."""
        self._source.settle(settled)
