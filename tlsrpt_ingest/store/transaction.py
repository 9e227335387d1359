"""One transaction: the reports, and the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.identity import mailbox_identity
from tlsrpt_ingest.store.prepared import Prepared
from tlsrpt_ingest.store.reports import KEYS, Fate, Reports
from tlsrpt_ingest.store.rows import Row, stamp
from tlsrpt_ingest.store.writer import Writer

_OPEN: Final = tuple(str(outcome) for outcome in Outcome if outcome.is_open)
_AGAIN: Final = (
    # Words of ours: no value is in it.
    "UPDATE delivery SET origin = {0}, digest = {0}, size = {0}, message_id = {0}, sender = {0}, subject = {0}, "  # noqa: S608
    "submitter = {0}, outcome = {0}, stage = {0}, code = {0}, reason = {0}, attempts = attempts + 1, last_at = {0}, "
    "verdict = {0}, signing_domain = {0}, selector = {0}, verdict_reason = {0}, "
    f"report_pk = {{0}}, settled = FALSE, octets = CASE WHEN {{0}} IN {_OPEN} THEN COALESCE({{0}}, octets) END "
    f"WHERE item = {{0}} AND part = {{0}} AND outcome IN {_OPEN}"
)
_NO_LONGER: Final = f"DELETE FROM delivery WHERE item = {{0}} AND part >= {{0}} AND outcome IN {_OPEN}"  # noqa: S608 - as above


class Transaction:
    """Writes deliveries through a connection whose transaction somebody else opens and commits."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._rows = Writer(connection)
        self._now = stamp(now)

    def write(self, deliveries: Sequence[Prepared], parts: Mapping[bytes, int]) -> list[Outcome]:
        """Write; one outcome a delivery. `parts` says how many deliveries each item has by now."""
        self._rows.check_packets(
            octets for one in deliveries for octets in (one.report and one.report.gzip, one.octets)
        )
        self._pks = self._rows.take(len(deliveries))
        fates = [Fate(one.refused or (Outcome.REJECTED if one.stage else Outcome.NOT_A_REPORT)) for one in deliveries]
        Reports(self._connection, self._rows, self._pks, self._now).write(deliveries, fates)
        self._ledger(deliveries, fates, parts)
        return [fate.outcome for fate in fates]

    def _ledger(self, deliveries: Sequence[Prepared], fates: Sequence[Fate], parts: Mapping[bytes, int]) -> None:
        """Enter each delivery; one whose row is final stays as it is, an open one gets an attempt more."""
        mailboxes = self._mailboxes(deliveries)
        first: dict[tuple[bytes, int], int] = {}
        for index, delivery in enumerate(deliveries):
            first.setdefault(delivery.key, index)
        ordered = [first[key] for key in sorted(first)]
        won = self._rows.insert_new(
            self._pks,
            tables.delivery,
            {index: self._delivery_row(deliveries[index], index, fates[index], mailboxes) for index in ordered},
        )
        open_cases = self._open_cases({deliveries[index].item for index in ordered if index not in won})
        again = [at for at in ordered if at not in won and deliveries[at].key in open_cases]
        self._rows.execute(_AGAIN, [self._again_row(deliveries[at], fates[at]) for at in again])
        # What an item held when it was last read, and what an upgrade does not find in it any more, is no open case.
        gone = {(item, parts[item]) for item, part in open_cases if part >= parts[item]}
        self._rows.execute(_NO_LONGER, sorted(gone))

    def _open_cases(self, items: Iterable[bytes]) -> set[tuple[bytes, int]]:
        """What of these items the ledger has as open: item and part."""
        wanted = sorted(items)
        row = tables.delivery.c
        found: set[tuple[bytes, int]] = set()
        for start in range(0, len(wanted), KEYS):
            asked = select(row.item, row.part).where(row.item.in_(wanted[start : start + KEYS]), row.outcome.in_(_OPEN))
            found.update((case.item, case.part) for case in self._connection.execute(asked))
        return found

    def _delivery_row(self, delivery: Prepared, index: int, fate: Fate, mailboxes: Mapping[bytes, int]) -> Row:
        place = delivery.place
        return (
            self._pks[index],
            delivery.item,
            delivery.part,
            *_facts(delivery, fate),
            1,
            self._now,
            self._now,
            fate.report_pk,
            mailboxes[mailbox_identity(*place[:3])] if place else None,
            place[3] if place else None,
            False,
            delivery.octets if fate.outcome.is_open else None,
            *_verdict(delivery),
        )

    def _again_row(self, delivery: Prepared, fate: Fate) -> Row:
        return (
            *_facts(delivery, fate),
            self._now,
            *_verdict(delivery),
            fate.report_pk,
            str(fate.outcome),
            delivery.octets,
            delivery.item,
            delivery.part,
        )

    def _mailboxes(self, deliveries: Sequence[Prepared]) -> dict[bytes, int]:
        """The pk of each mailbox that these deliveries lie in, entered where it is new."""
        rows: dict[bytes, tuple[int, Row]] = {}
        for index, delivery in enumerate(deliveries):
            if (place := delivery.place) is not None:
                key = mailbox_identity(*place[:3])
                rows.setdefault(key, (index, (self._pks[index], key, *place[:3])))
        if not rows:
            return {}
        mailbox = tables.mailbox.c
        known = select(mailbox.identity, mailbox.pk).where(mailbox.identity.in_(rows))
        found = {row.identity: row.pk for row in self._connection.execute(known)}
        if missing := {index: row for key, (index, row) in sorted(rows.items()) if key not in found}:
            self._rows.insert_new(self._pks, tables.mailbox, missing)
            found = {row.identity: row.pk for row in self._connection.execute(known)}
        return found


def _facts(delivery: Prepared, fate: Fate) -> Row:
    return (
        *delivery[2:9],  # from origin to submitter
        str(fate.outcome),
        *(delivery[9:12] if fate.outcome.is_open else _NO_REASON),
    )


def _verdict(delivery: Prepared) -> Row:
    return delivery.verdict, delivery.signing_domain, delivery.selector, delivery.verdict_reason


_NO_REASON: Final = (None, None, None)
