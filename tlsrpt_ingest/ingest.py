"""The loop: items become deliveries, deliveries become rows, and only after the commit is anything settled.

With `judging` the one module that knows sources, mail, rfc8460 and store.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy import Engine

from tlsrpt_ingest import limits
from tlsrpt_ingest.judging import NOTHING, Judged, Task, item_key, judge, judge_task, position_key
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item, Source
from tlsrpt_ingest.sources.shard import Divisible, Shard
from tlsrpt_ingest.store import record
from tlsrpt_ingest.store.cap import capped
from tlsrpt_ingest.store.prepared import Prepared
from tlsrpt_ingest.tally import Tally
from tlsrpt_ingest.trust import Trust
from tlsrpt_ingest.workers import Here, Workers

__all__ = ["ingest", "item_key", "judge"]


HERE: Final = Here()


def ingest(
    source: Source,
    engine: Engine,
    tally: Tally | None = None,
    *,
    trust: Trust | None = None,
    workers: Workers = HERE,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Source], None] = lambda _source: None,
) -> Tally:
    """Read `source` to its end into the database, batch by batch, and say what became of each item.

    `tally` is added to, that of sources before this one or a new one. `trust` says what is asked of a report before it
    counts; None asks nothing. `workers` judge, this process writes. `stop` is asked between batches; `progress` is told
    after each. Raises Unavailable or Misconfigured with nothing of the batch in hand settled; what was committed before
    stays right, and is in `tally`.
    """
    tally = Tally() if tally is None else tally
    began = time.monotonic()
    try:
        with closing(workers.each(partial(judge_task, trust=trust), _tasks(source, engine))) as results:
            for batch in _batches(results):
                source.settle(_commit(batch, engine, tally, trust.cap if trust else None))
                progress(source)
                if stop():
                    tally.interrupted = True
                    break
    finally:
        tally.seconds += time.monotonic() - began
    return tally


def _tasks(source: Source, engine: Engine) -> Iterator[Task]:
    """What the source has, cut into tasks, each with what the ledger knows of it."""
    items: list[Item] = []
    octets = 0
    for piece in source.pieces() if isinstance(source, Divisible) else source.items():
        if isinstance(piece, Shard):
            if items:
                yield _in_hand(items, engine)
                items, octets = [], 0
            low, high = (position_key(piece.origin, at) for at in (piece.begin, piece.end))
            yield Task(piece, record.between(engine, low, high))
            continue
        items.append(piece)
        octets += len(piece.octets)
        if len(items) >= limits.TASK_ITEMS or octets >= limits.TASK_OCTETS:
            yield _in_hand(items, engine)
            items, octets = [], 0
    if items:
        yield _in_hand(items, engine)


def _in_hand(items: Sequence[Item], engine: Engine) -> Task:
    digests = [hashlib.sha256(item.octets).digest() for item in items]
    keys = {item_key(item, digest) for item, digest in zip(items, digests, strict=True)}
    keys |= {item_key(item, NOTHING) for item in items if not item.mailbox}  # whose key has no digest
    return Task(items, record.known(engine, keys), digests)


class _Done(NamedTuple):
    """An item that was judged, or that the ledger has the final outcome of."""

    item: Item | None
    """None where it lies in a shard: such are not settled."""
    key: bytes
    deliveries: Sequence[Prepared]
    known: Sequence[Outcome]


def _batches(results: Iterable[tuple[Task, Judged]]) -> Iterator[list[_Done]]:
    """What goes into one transaction: as much as limits.BATCH_... say, or what is left in the end."""
    batch: list[_Done] = []
    rows = octets = 0
    for task, judged in results:
        items: Sequence[Item | None] = [None] * len(judged.found) if isinstance(task.source, Shard) else task.source
        octets += judged.octets
        for item, (key, deliveries, more) in zip(items, judged.found, strict=False):  # the rest is another task
            batch.append(_Done(item, key, deliveries, () if deliveries else task.ledger[key]))
            rows += more
            if len(batch) >= limits.BATCH_ITEMS or rows >= limits.BATCH_ROWS:
                yield batch
                batch, rows, octets = [], 0, 0
        if octets >= limits.BATCH_OCTETS and batch:
            yield batch
            batch, rows, octets = [], 0, 0
    if batch:
        yield batch


def _commit(batch: Sequence[_Done], engine: Engine, tally: Tally, cap: int | None = None) -> list[tuple[Item, Outcome]]:
    """Write a batch; the items to settle, with the outcome of each. Of a sender and day, `cap` reports count."""
    flat = [delivery for done in batch for delivery in done.deliveries]
    if cap is not None:
        flat = capped(engine, flat, cap)
    fates = record.write(engine, flat)
    _count(batch, flat, fates, tally)
    became: dict[bytes, list[Outcome]] = {}
    written = iter(fates)
    for item, key, deliveries, known in batch:
        outcomes = [*known, *islice(written, len(deliveries))]
        if item is not None:
            became[key] = outcomes
    # What is a duplicate now may be the very message that another poller recorded a moment ago: its row says so, and
    # the owner's wish is about the row.
    if twice := {
        done.key for done in batch if done.item and done.item.mailbox and Outcome.DUPLICATE in became[done.key]
    }:
        became |= record.known(engine, twice)
    return [(done.item, Outcome.gravest(became[done.key])) for done in batch if done.item]


def _count(batch: Sequence[_Done], deliveries: Sequence[Prepared], outcomes: Sequence[Outcome], tally: Tally) -> None:
    tally.items += len(batch)
    tally.outcomes.update(outcomes)
    for known in (done.known for done in batch if done.known):
        tally.outcomes.update(Outcome.DUPLICATE if one is Outcome.RECORDED else one for one in known)
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        if outcome is Outcome.REJECTED:
            if len(tally.rejected) < limits.REASONS:
                reason = delivery.reason or "the database refused it; the ledger says why"
                tally.rejected.append((delivery.origin, reason))
        elif delivery.report and delivery.report.deviations and outcome in (Outcome.RECORDED, Outcome.CONFLICTING):
            tally.deviations.update(code for _position, code, _path in delivery.report.deviations)
