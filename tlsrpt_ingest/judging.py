"""Judge: from an item's octets to deliveries, ready to be written. Pure, so that any process may do it, anywhere."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple, Self

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable, unforeseen
from tlsrpt_ingest.mail import Document, Mail, open_mail
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import NotAReport, Reading, SeveralReports, read
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.shard import Shard
from tlsrpt_ingest.store.delivery import Delivery, Place
from tlsrpt_ingest.store.prepared import Prepared, prepare
from tlsrpt_ingest.trust import Trust

NOTHING: Final = hashlib.sha256(b"").digest()
"""The digest of an item that could not be had."""

Ledger = Mapping[bytes, list[Outcome]]
"""What the ledger has: the outcomes of an item's parts by its key."""


class Found(NamedTuple):
    """One item, judged."""

    key: bytes
    deliveries: Sequence[Prepared]
    """Empty where the ledger has the item's final outcome."""
    rows: int = 0
    """How many rows the deliveries become."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is judged by one call: a shard, or items in hand with their digests."""

    source: Shard | Sequence[Item]
    ledger: Ledger
    """What is known of them."""
    digests: Sequence[bytes] = ()

    def __str__(self) -> str:
        """Where it begins."""
        if isinstance(self.source, Shard):
            return f"{self.source.origin}#{self.source.begin}"
        return self.source[0].origin

    def digested(self) -> Iterator[tuple[Item, bytes]]:
        """Each item with the digest of its octets."""
        if isinstance(self.source, Shard):
            return ((item, hashlib.sha256(item.octets).digest()) for item in self.source.items())
        return zip(self.source, self.digests, strict=True)

    def behind(self, item: Item, count: int) -> Self:
        """What is left of it behind `item`, the `count`th."""
        if isinstance(self.source, Shard):
            return replace(self, source=self.source.behind(item))
        return replace(self, source=self.source[count:], digests=self.digests[count:])


class Judged(NamedTuple):
    """What a task became."""

    found: Sequence[Found]
    octets: int
    """Of the items."""
    rest: Task | None
    """What was left when there were more than limits.TASK_ROWS rows."""


def judge_task(task: Task, trust: Trust | None = None) -> Judged:
    """Judge the items of a task of which the ledger has no final outcome."""
    found: list[Found] = []
    rows = octets = 0
    for item, digest in task.digested():
        key = ledger_key(item, digest, task.ledger)
        octets += len(item.octets)
        if (known := task.ledger.get(key)) and not any(outcome.is_open for outcome in known):
            found.append(Found(key, ()))
            continue
        deliveries = [prepare(delivery) for delivery in judge(item, key, digest, trust)]
        found.append(Found(key, deliveries, sum(delivery.rows for delivery in deliveries)))
        rows += found[-1].rows
        if rows >= limits.TASK_ROWS:
            return Judged(found, octets, task.behind(item, len(found)))
    return Judged(found, octets, None)


def judge(
    item: Item, key: bytes | None = None, digest: bytes | None = None, trust: Trust | None = None
) -> tuple[Delivery, ...]:
    """Open one item and read every document in it: at least one delivery, whatever its octets.

    `key` is what the ledger knows it by, `digest` the SHA-256 of its octets, where they are known already; `trust` what
    is asked of a report before it counts.
    """
    digest = digest or hashlib.sha256(item.octets).digest()
    if item.failure:
        mail, verdicts = _NO_MAIL, [_Verdict(failure=item.failure)]
    else:
        mail = open_mail(item.octets, item.name, item.media_type)
        verdicts = [verdict for document in mail.documents for verdict in _read(document, mail)] or [_Verdict()]
    # The octets once for all that is wrong with them: ten thousand reports in a body of ten megabytes are cheap.
    keeper = next((part for part, verdict in enumerate(verdicts) if verdict.failure), 0)
    octets = None if item.repeatable or item.failure else item.octets
    place = Place(*item.mailbox, uid=item.position) if item.mailbox else None
    deliveries = tuple(
        Delivery(
            key or item_key(item, digest),
            part,
            item.origin,
            digest,
            len(item.octets),
            mail.message_id,
            mail.sender,
            mail.subject,
            mail.submitter,
            *verdict,
            octets if part in (0, keeper) else None,
            place,
        )
        for part, verdict in enumerate(verdicts)
    )
    return deliveries if trust is None else tuple(_weighed(deliveries, item, trust))


def _weighed(deliveries: Iterable[Delivery], item: Item, trust: Trust) -> Iterator[Delivery]:
    """The deliveries with who vouches for them; those whose report does not count without it, and with the reason."""
    vouching = trust.vouching(item.octets)
    # Mail goes away, by the owner's wish or by another's; a file of his own does not.
    keeps: bytes | None = None if item.repeatable and not item.mailbox else item.octets
    for one in deliveries:
        if one.reading is None:
            yield one
            continue
        report = one.reading.members
        said = None
        if vouching is not None:
            said = vouching.authentication((one.sender, one.submitter, report.get("contact-info")))
        domains = (entry["policy"].get("policy-domain") for entry in report.get("policies", ()))
        if refusal := trust.refusal(domains, said):
            outcome, why = refusal
            octets, keeps = keeps or one.octets, None
            yield replace(
                one, reading=None, document=None, failure=why, octets=octets, authentication=said, refused=outcome
            )
        else:
            one.authentication = said
            yield one


class _Verdict(NamedTuple):
    """What became of one document."""

    reading: Reading | None = None
    document: bytes | None = None
    failure: Unreadable | None = None


_NO_MAIL: Final = Mail((), claims=False)


def _read(document: Document | Unreadable, mail: Mail) -> Iterable[_Verdict]:
    """What became of one document: nothing if it is something else and nobody said that it were a report."""
    if isinstance(document, Unreadable):
        return (_Verdict(failure=document),)
    try:
        reading = read(document.octets, document.hints)
    except SeveralReports as several:
        deviations = document.deviations + several.deviations
        each = (Document(octets, None, document.hints, deviations) for octets in several.documents)
        return [verdict for one in each for verdict in _read(one, mail)]
    except NotAReport as other:
        return (_Verdict(failure=other),) if mail.claims else ()
    except Unreadable as failure:
        return (_Verdict(failure=failure),)
    except Exception as error:  # noqa: BLE001 - one document never stops the run
        return (_Verdict(failure=unforeseen("document", error)),)
    if document.deviations:
        reading = replace(reading, deviations=document.deviations + reading.deviations)
    return (_Verdict(reading, document.gzip or gzip.compress(document.octets, mtime=0)),)


def item_key(item: Item, digest: bytes) -> bytes:
    """16 octets that name an item and its content in the ledger.

    Four of the container's hash, six of the position, six of the hash of origin and content: keys of one source grow
    in the order of reading, and so does the ledger's unique index (a random order costs three times as much). A UID
    stands for the same message for ever (RFC 3501 section 2.3.1.1), so there the content adds nothing: a message that
    could not be had today, and was had yesterday, is the same one.
    """
    content = hashlib.sha256(item.origin.encode() + b"\0" + (b"" if item.mailbox else digest)).digest()
    return position_key(item.origin, item.position) + content[:6]


def position_key(origin: str, position: int) -> bytes:
    """What the keys of all items at this position of a container begin with."""
    return _container(origin.partition("#")[0].partition(";UID=")[0]) + (position & 0xFFFF_FFFF_FFFF).to_bytes(6)


@lru_cache(maxsize=1024)
def _container(origin: str) -> bytes:
    return hashlib.sha256(origin.encode()).digest()[:4]


def ledger_key(item: Item, digest: bytes, ledger: Ledger) -> bytes:
    """The key that an item has in the ledger, or will have.

    One that could not be had when it was first met has its row under the key without content.
    """
    if ledger and (without := item_key(item, NOTHING)) in ledger:
        return without
    return item_key(item, digest)
