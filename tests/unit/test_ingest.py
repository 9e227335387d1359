"""The loop over a source in memory: what is in the tally when the source fails."""

from collections.abc import Iterator

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.ingest import ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.tally import Tally


def test_what_was_committed_before_the_source_went_away_is_told(sqlite: str) -> None:
    def items() -> Iterator[Item]:
        for number in range(limits.BATCH_ITEMS + 1):
            yield Item(f"memory:{number}", builders.mail(number=number))
        raise Unavailable("the server hung up")

    engine = open_engine(sqlite)
    schema.ready(engine)
    tally, source = Tally(), MemorySource(items())
    with pytest.raises(Unavailable):
        ingest(source, engine, tally)
    assert tally.outcomes == {Outcome.RECORDED: limits.BATCH_ITEMS}
    assert len(source.settled) == limits.BATCH_ITEMS
    assert tally.seconds > 0
    engine.dispose()
