"""Delete what is of long ago, in transactions so small that nobody waits for them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from typing import Final

from sqlalchemy import Connection, Engine, Select, delete, func, select, update

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

BATCH: Final = 500
"""Reports of one transaction, or rows of the ledger."""

ROWS: Final = 50_000
"""Failure details of one transaction, if they are of several reports: the rest of a batch waits for the next."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went."""

    reports: int = 0
    policies: int = 0
    failure_details: int = 0
    deliveries: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Both together."""
        return Pruned(
            self.reports + other.reports,
            self.policies + other.policies,
            self.failure_details + other.failure_details,
            self.deliveries + other.deliveries,
        )


def prune(engine: Engine, before: datetime, batch: int = BATCH) -> Pruned:
    """Delete the reports that ended before a moment (UTC), with all their rows, and what was tried last then.

    The ledger's rows of what lies in IMAP mailboxes stay, without a report and without the mail: the next poll would
    otherwise read these mails again. Stopped half-way, it goes on where it was when it is called again.
    """
    moment = before.astimezone(UTC).replace(tzinfo=None) if before.tzinfo else before
    gone = Pruned()
    with speaking(engine):
        # What conflicts with a report refers to it, has its period, and may be many: it goes first.
        for counted in (False, True):
            while (last := persevering(partial(_reports, engine, moment, batch, counted=counted))).reports:
                gone += last
        pk = 0
        while pks := persevering(partial(_deliveries, engine, moment, batch, pk)):
            pk = pks[-1]
            gone += Pruned(deliveries=len(pks))
        persevering(partial(_octets, engine, moment))
    return gone


def _reports(engine: Engine, before: datetime, batch: int, *, counted: bool) -> Pruned:
    report, delivery = tables.report.c, tables.delivery.c
    with writing(engine) as connection:
        old = select(report.pk).where(report.start_datetime < before, report.end_datetime < before)
        kind = report.conflicts_with.is_(None) if counted else report.conflicts_with.is_not(None)
        pks = _some(connection, old.where(kind).order_by(report.start_datetime, report.pk).limit(batch))
        if not pks:
            return Pruned()
        # What came since those that conflict were gone.
        pks += connection.scalars(select(report.pk).where(report.conflicts_with.in_(pks), report.pk.not_in(pks)))
        of_a_mailbox = delivery.mailbox_pk.is_not(None)
        connection.execute(
            update(tables.delivery).where(delivery.report_pk.in_(pks), of_a_mailbox).values(report_pk=None)
        )
        deliveries = connection.execute(delete(tables.delivery).where(delivery.report_pk.in_(pks))).rowcount
        for table in (tables.document, tables.deviation):
            connection.execute(delete(table).where(table.c.report_pk.in_(pks)))
        details = connection.execute(
            delete(tables.failure_detail).where(tables.failure_detail.c.report_pk.in_(pks))
        ).rowcount
        policies = connection.execute(delete(tables.policy).where(tables.policy.c.report_pk.in_(pks))).rowcount
        connection.execute(delete(tables.report).where(report.pk.in_(pks), report.conflicts_with.is_not(None)))
        connection.execute(delete(tables.report).where(report.pk.in_(pks)))
        return Pruned(len(pks), policies, details, deliveries)


def _some(connection: Connection, asked: Select[int]) -> list[int]:
    """The pks, as many of the first as have at most ROWS failure details; at least one."""
    pks = list(connection.scalars(asked))
    detail = tables.failure_detail.c.report_pk
    counted = select(detail, func.count()).where(detail.in_(pks)).group_by(detail)
    details: dict[int, int] = dict(iter(connection.execute(counted)))
    sums = accumulate(details.get(pk, 0) for pk in pks)
    return [pk for number, (pk, rows) in enumerate(zip(pks, sums, strict=True)) if number == 0 or rows <= ROWS]


def _deliveries(engine: Engine, before: datetime, batch: int, above: int) -> list[int]:
    """Delete ledger rows that have no report and lie in no mailbox, from a pk on; the pks that went."""
    delivery = tables.delivery.c
    with writing(engine) as connection:
        pks = list(
            connection.scalars(
                select(delivery.pk)
                .where(delivery.pk > above, delivery.last_at < before)
                .where(delivery.report_pk.is_(None), delivery.mailbox_pk.is_(None))
                .order_by(delivery.pk)
                .limit(batch)
            )
        )
        connection.execute(delete(tables.delivery).where(delivery.pk.in_(pks)))
        return pks


def _octets(engine: Engine, before: datetime) -> None:
    """Let go of the mails that the ledger keeps for rows that stay."""
    delivery = tables.delivery.c
    kept = (delivery.last_at < before, delivery.mailbox_pk.is_not(None), delivery.octets.is_not(None))
    with writing(engine) as connection:
        connection.execute(update(tables.delivery).where(*kept).values(octets=None))
