"""Delete reports of long ago, in transactions so small that nobody waits for them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine, delete, select, update

from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

BATCH: Final = 500
"""Reports of one transaction."""


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
    """Delete the reports that ended before a moment (UTC), with all their rows.

    The ledger's rows of what lies in IMAP mailboxes stay, without a report: the next poll would otherwise read these
    mails again. Stopped half-way, it goes on where it was when it is called again.
    """
    moment = before.astimezone(UTC).replace(tzinfo=None) if before.tzinfo else before
    gone = Pruned()
    with speaking(engine):
        while True:
            last = persevering(lambda: _batch(engine, moment, batch))
            gone += last
            if last.reports == 0:
                return gone


def _batch(engine: Engine, before: datetime, batch: int) -> Pruned:
    report, delivery = tables.report.c, tables.delivery.c
    with writing(engine) as connection:
        old = select(report.pk).where(report.start_datetime < before, report.end_datetime < before)
        pks = list(connection.scalars(old.order_by(report.start_datetime, report.pk).limit(batch)))
        if not pks:
            return Pruned()
        # What conflicts with a report has its period, and goes with it.
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
