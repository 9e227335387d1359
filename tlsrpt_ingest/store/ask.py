"""Questions to the database, for the commands: typed rows, streamed where nobody knows how many there are.

What streams is fetched page by page, each page in a transaction of its own: whoever reads slowly, or writes meanwhile,
holds nothing up.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine, or_, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.delivery import Place
from tlsrpt_ingest.store.speaking import speaking
from tlsrpt_ingest.store.totals import DaySessions, DomainTotal, Failures, SenderTotal, Totals, totals

__all__ = [
    "DaySessions",
    "DomainTotal",
    "Failures",
    "LedgerRow",
    "OpenRow",
    "SenderTotal",
    "Totals",
    "ledger",
    "open_cases",
    "reasons",
    "totals",
]

PAGE: Final = 500
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One delivery as the ledger has it; the strings are a stranger's, `origin` is printable ASCII. Times are UTC."""

    pk: int
    first_at: datetime
    last_at: datetime
    origin: str
    part: int
    outcome: Outcome
    stage: str | None
    code: str | None
    reason: str | None
    attempts: int
    size: int
    digest: bytes
    message_id: str | None
    sender: str | None
    subject: str | None
    submitter: str | None
    report_pk: int | None
    organization_name: str | None
    report_id: str | None
    verdict: str | None = None
    """A word of `verdict.Verdict`; None where nobody looked."""
    signing_domain: str | None = None
    selector: str | None = None
    verdict_reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A delivery whose outcome is open, for reading it again."""

    item: bytes
    part: int
    origin: str
    outcome: Outcome
    stage: str
    code: str
    attempts: int
    digest: bytes
    place: Place | None
    octets: bytes | None
    """The item, or its document as a gzip stream, where the ledger keeps it."""


def ledger(
    engine: Engine, outcome: Outcome | None = None, limit: int | None = None, since: datetime | None = None
) -> Iterator[LedgerRow]:
    """Deliveries, newest first, at most `limit`; `since` (UTC) by when they were last tried."""
    delivery, report = tables.delivery.c, tables.report.c
    asked = (
        select(
            *(delivery[name] for name in LedgerRow.__dataclass_fields__ if name in delivery),
            report.organization_name,
            report.report_id,
        )
        .select_from(tables.delivery.outerjoin(tables.report, delivery.report_pk == report.pk))
        .order_by(delivery.pk.desc())
    )
    if outcome is not None:
        asked = asked.where(delivery.outcome == str(outcome))
    if since is not None:
        asked = asked.where(delivery.last_at >= _naive(since))
    below: int | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = asked.limit(size) if below is None else asked.where(delivery.pk < below).limit(size)
        with speaking(engine), engine.connect() as connection:
            rows = connection.execute(page).mappings().all()
        for row in rows:
            yield LedgerRow(**{**row, "outcome": Outcome(row["outcome"])})
        if len(rows) < size:
            return
        below = rows[-1]["pk"]
        left = None if left is None else left - size


def open_cases(engine: Engine) -> Iterator[OpenRow]:
    """Deliveries whose outcome is open; by outcome, those of one container together, in the order in which they lie.

    What is recorded meanwhile is seen or not seen, never seen twice.
    """
    for outcome in Outcome:
        if outcome.is_open:
            yield from _open_cases(engine, outcome)


def _open_cases(engine: Engine, outcome: Outcome) -> Iterator[OpenRow]:
    delivery, mailbox = tables.delivery.c, tables.mailbox.c
    asked = (
        select(
            delivery.item,
            delivery.part,
            delivery.origin,
            delivery.stage,
            delivery.code,
            delivery.attempts,
            delivery.digest,
            delivery.pk,
            delivery.octets.is_not(None).label("kept"),
            mailbox.account,
            mailbox.name,
            mailbox.uidvalidity,
            delivery.uid,
        )
        .select_from(tables.delivery.outerjoin(tables.mailbox, delivery.mailbox_pk == mailbox.pk))
        .where(delivery.outcome == str(outcome))
        .order_by(delivery.item, delivery.part)
        .limit(PAGE)
    )
    page = asked
    while True:
        with speaking(engine), engine.connect() as connection:
            rows = connection.execute(page).all()
        for item, part, origin, stage, code, attempts, digest, pk, kept, *place in rows:
            # One by one: 64 MiB at most each, and there may be five hundred.
            octets = _octets(engine, pk) if kept else None
            where = Place(*place) if place[0] is not None else None
            yield OpenRow(item, part, origin, outcome, stage, code, attempts, digest, where, octets)
        if len(rows) < PAGE:
            return
        item, part = rows[-1].item, rows[-1].part
        # The first half lets the index find the place; the second is right.
        page = asked.where(delivery.item >= item, or_(delivery.item > item, delivery.part > part))


def reasons(engine: Engine, items: Collection[bytes]) -> dict[bytes, str]:
    """Why those items (by `Delivery.item`) do not count: the reason of the first part of each that has one."""
    delivery = tables.delivery.c
    asked = (
        select(delivery.item, delivery.reason)
        .where(delivery.item.in_(items), delivery.reason.is_not(None))
        .order_by(delivery.item, delivery.part.desc())
    )
    with speaking(engine), engine.connect() as connection:
        return {row.item: row.reason for row in connection.execute(asked)}


def _octets(engine: Engine, pk: int) -> bytes | None:
    delivery = tables.delivery.c
    with speaking(engine), engine.connect() as connection:
        octets: bytes | None = connection.scalar(select(delivery.octets).where(delivery.pk == pk))
    return octets


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
