"""The loop: items become deliveries, deliveries become rows, and only after the commit is anything settled.

The one module that knows sources, mail, rfc8460 and store.
"""

import gzip
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import Document, Mail, open_mail
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import NotAReport, SeveralReports, read
from tlsrpt_ingest.sources import Item, Source
from tlsrpt_ingest.store import record
from tlsrpt_ingest.store.delivery import Delivery, Place


@dataclass(slots=True)
class Tally:
    """What became of a run's items: the counts behind the summary line, `--json` and the exit status."""

    items: int = 0
    """Messages and files read."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Deliveries by outcome: one per report document, one for an item that holds none."""
    deviations: Counter[str] = field(default_factory=Counter)
    """Deviations by code, of reports that were recorded or conflicting."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Origin and reason of the first limits.REASONS rejected deliveries; the ledger has them all."""
    seconds: float = 0.0
    interrupted: bool = False
    """Whether the run was told to stop before the source was read to its end."""

    @property
    def deliveries(self) -> int:
        """All deliveries: the sum of the outcomes."""
        return self.outcomes.total()


def ingest(
    source: Source,
    engine: Engine,
    tally: Tally | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Source], None] = lambda _source: None,
) -> Tally:
    """Read `source` to its end into the database, batch by batch, and say what became of each item.

    `tally` is added to, that of sources before this one or a new one. `stop` is asked between batches; `progress` is
    told after each. Raises Unavailable or Misconfigured with nothing of the batch in hand settled; what was committed
    before stays right, and is in `tally`.
    """
    tally = Tally() if tally is None else tally
    began = time.monotonic()
    try:
        for items in _batches(source.items()):
            for done in _record(items, engine, tally):
                source.settle(done)
            progress(source)
            if stop():
                tally.interrupted = True
                break
    finally:
        tally.seconds += time.monotonic() - began
    return tally


def judge(item: Item, key: bytes | None = None) -> tuple[Delivery, ...]:
    """Open one item and read every document in it: at least one delivery, whatever its octets. Pure."""
    digest = hashlib.sha256(item.octets).digest()
    delivery = Delivery(
        item=key or item_key(item, digest),
        part=0,
        origin=item.origin,
        digest=digest,
        size=len(item.octets),
        place=Place(*item.mailbox, uid=item.position) if item.mailbox else None,
    )
    if item.failure:
        return (replace(delivery, failure=item.failure),)
    mail = open_mail(item.octets, item.name, item.media_type)
    delivery = replace(
        delivery, message_id=mail.message_id, sender=mail.sender, subject=mail.subject, submitter=mail.submitter
    )
    if not item.repeatable:
        delivery = replace(delivery, octets=item.octets)
    found = [one for document in mail.documents for one in _read(document, mail, delivery)]
    # The octets once for all that is wrong with them: ten thousand reports in a body of ten megabytes are cheap.
    keeper = next((part for part, one in enumerate(found) if one.failure), 0)
    return tuple(
        replace(one, part=part, octets=one.octets if part in (0, keeper) else None) for part, one in enumerate(found)
    ) or (delivery,)


def item_key(item: Item, digest: bytes) -> bytes:
    """16 octets that name an item and its content in the ledger.

    Four of the container's hash, six of the position, six of the hash of origin and content: keys of one source grow
    in the order of reading, and so does the ledger's unique index (a random order costs three times as much). A UID
    stands for the same message for ever (RFC 3501 section 2.3.1.1), so there the content adds nothing: a message that
    could not be had today, and was had yesterday, is the same one.
    """
    container = hashlib.sha256(item.origin.partition("#")[0].partition(";UID=")[0].encode()).digest()
    content = hashlib.sha256(item.origin.encode() + b"\0" + (b"" if item.mailbox else digest)).digest()
    return container[:4] + (item.position & 0xFFFF_FFFF_FFFF).to_bytes(6) + content[:6]


def _read(document: Document | Unreadable, mail: Mail, delivery: Delivery) -> Iterator[Delivery]:
    """The deliveries of one document: none if it is something else and nobody said that it were a report."""
    if isinstance(document, Unreadable):
        yield replace(delivery, failure=document)
        return
    try:
        reading = read(document.octets, document.hints)
    except SeveralReports as several:
        for octets in several.documents:
            one = Document(octets, None, document.hints, document.deviations + several.deviations)
            yield from _read(one, mail, delivery)
    except NotAReport as other:
        if mail.claims:
            yield replace(delivery, failure=other)
    except Unreadable as failure:
        yield replace(delivery, failure=failure)
    else:
        yield replace(
            delivery,
            reading=replace(reading, deviations=document.deviations + reading.deviations),
            document=document.gzip or gzip.compress(document.octets, mtime=0),
        )


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Batches of at most limits.BATCH_ITEMS items and about limits.BATCH_OCTETS octets."""
    batch: list[Item] = []
    octets = 0
    for item in items:
        batch.append(item)
        octets += len(item.octets)
        if len(batch) >= limits.BATCH_ITEMS or octets >= limits.BATCH_OCTETS:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch


def _record(items: Sequence[Item], engine: Engine, tally: Tally) -> Iterator[list[tuple[Item, Outcome]]]:
    """Judge and commit a batch, in transactions of about limits.BATCH_ROWS rows; yields what was committed."""
    keys = [item_key(item, hashlib.sha256(item.octets).digest()) for item in items]
    blanks = [item_key(item, hashlib.sha256(b"").digest()) for item in items]
    ledger = record.known(engine, {*keys, *blanks})
    pending: list[tuple[Item, tuple[Delivery, ...]]] = []
    rows = 0
    for item, own, blank in zip(items, keys, blanks, strict=True):
        # An item that could not be had when it was first met has its ledger row under the key without content.
        key = blank if blank in ledger else own
        known = ledger.get(key)
        if known and Outcome.REJECTED not in known:
            tally.items += 1
            tally.outcomes.update(Outcome.DUPLICATE if one is Outcome.RECORDED else one for one in known)
            yield [(item, Outcome.gravest(known))]
            continue
        deliveries = judge(item, key)
        pending.append((item, deliveries))
        rows += sum(_rows(delivery) for delivery in deliveries)
        if rows >= limits.BATCH_ROWS:
            yield _commit(pending, engine, tally)
            pending, rows = [], 0
    if pending:
        yield _commit(pending, engine, tally)


def _rows(delivery: Delivery) -> int:
    if not delivery.reading:
        return 1
    return 3 + sum(1 + len(entry.failure_details) for entry in delivery.reading.report.policies)


def _commit(
    judged: Sequence[tuple[Item, tuple[Delivery, ...]]], engine: Engine, tally: Tally
) -> list[tuple[Item, Outcome]]:
    flat = [delivery for _item, deliveries in judged for delivery in deliveries]
    outcomes = iter(record.record(engine, flat))
    became: dict[bytes, list[Outcome]] = {}
    settled: list[tuple[Item, bytes]] = []
    for item, deliveries in judged:
        key = deliveries[0].item
        became[key] = [next(outcomes) for _ in deliveries]
        for delivery, outcome in zip(deliveries, became[key], strict=True):
            _count(delivery, outcome, tally)
        tally.items += 1
        settled.append((item, key))
    # What is a duplicate now may be the very message that another poller recorded a moment ago: its row says so, and
    # the owner's wish is about the row.
    if twice := {key for item, key in settled if item.mailbox and Outcome.DUPLICATE in became[key]}:
        became |= record.known(engine, twice)
    return [(item, Outcome.gravest(became[key])) for item, key in settled]


def _count(delivery: Delivery, outcome: Outcome, tally: Tally) -> None:
    tally.outcomes[outcome] += 1
    if delivery.reading and outcome in (Outcome.RECORDED, Outcome.CONFLICTING):
        tally.deviations.update(deviation.code for deviation in delivery.reading.deviations)
    if outcome is Outcome.REJECTED and len(tally.rejected) < limits.REASONS:
        reason = str(delivery.failure) if delivery.failure else "the database refused it; the ledger says why"
        tally.rejected.append((delivery.origin, reason))
