"""A source of chosen items: those of another source whose origins are wanted, for `reprocess`."""

import re
from collections.abc import Collection, Iterator, Sequence

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.source import Item, Source


class PickedSource:
    """Hands out the items of `source` whose origin, or that of a file or archive they lie in, is in `origins`.

    A file that could not be opened at all is one rejected item; once it opens, what is wanted is everything in it.
    """

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
        everything = self._source.origin in self._origins
        return (item for item in self._source.items() if everything or self._wanted(item.origin))

    def _wanted(self, origin: str) -> bool:
        # Each "#" and "?" leads one step inwards (sources.origin.inside).
        return origin in self._origins or any(
            origin[: step.start()] in self._origins for step in re.finditer("[#?]", origin)
        )

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Pass it on."""
        self._source.settle(settled)
