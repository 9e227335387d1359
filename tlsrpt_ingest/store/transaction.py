"""One transaction: the reports that are new, their rows, and the ledger.

Rows go in sorted by key, so that two writers of the same archive wait for each other in one order and seldom deadlock.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from tlsrpt_ingest import limits
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import Reading
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.delivery import Delivery, Place
from tlsrpt_ingest.store.identity import conflicting_identity, identity, mailbox_identity
from tlsrpt_ingest.store.persevering import Vanished
from tlsrpt_ingest.store.rows import (
    STAMPS,
    Row,
    content,
    failure_detail_rows,
    policy_rows,
    report_unknown,
    stored_content,
)
from tlsrpt_ingest.store.writer import Writer

_AGAIN: Final = (
    "UPDATE delivery SET origin = {0}, digest = {0}, size = {0}, message_id = {0}, sender = {0}, subject = {0}, "
    "submitter = {0}, outcome = {0}, stage = {0}, code = {0}, reason = {0}, attempts = attempts + 1, last_at = {0}, "
    "report_pk = {0}, settled = FALSE, octets = CASE WHEN {0} = 'rejected' THEN COALESCE({0}, octets) END "
    "WHERE item = {0} AND part = {0} AND outcome = 'rejected'"
)
_NO_LONGER: Final = "DELETE FROM delivery WHERE item = {0} AND part >= {0} AND outcome = 'rejected'"

KEYS: Final = 500
"""Keys looked up by one statement."""


class Fate(NamedTuple):
    """What became of a delivery, and the report that it brought."""

    outcome: Outcome
    report_pk: int | None = None


class Transaction:
    """Writes deliveries through a connection whose transaction somebody else opens and commits."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._rows = Writer(connection)
        self._stamp = STAMPS[connection.dialect.name]
        self._now = self._stamp(now)

    def write(self, deliveries: Sequence[Delivery], parts: Mapping[bytes, int]) -> list[Outcome]:
        """Write; one outcome a delivery. `parts` says how many deliveries each item has by now."""
        self._rows.check_packets(octets for one in deliveries for octets in (one.document, one.octets))
        self._pks = self._rows.take(len(deliveries))
        fates = [Fate(Outcome.REJECTED if delivery.failure else Outcome.NOT_A_REPORT) for delivery in deliveries]
        self._reports(deliveries, fates)
        self._ledger(deliveries, fates, parts)
        return [fate.outcome for fate in fates]

    # The reports

    def _reports(self, deliveries: Sequence[Delivery], fates: list[Fate]) -> None:
        """Insert the reports that nobody has, and compare the others with those that stand."""
        identities: dict[int, bytes] = {}
        first: dict[bytes, int] = {}
        for index, delivery in enumerate(deliveries):
            if delivery.reading:
                identities[index] = key = identity(delivery.reading.report)
                first.setdefault(key, index)
        won = self._insert_reports(deliveries, {index: (key, None) for key, index in first.items()})
        for index in won:
            fates[index] = Fate(Outcome.RECORDED, self._pks[index])
        lost = {index: key for index, key in identities.items() if index not in won}
        if not lost:
            return
        standing = self._standing(lost.values())
        contents: dict[int, bytes] = {}
        others: dict[int, tuple[bytes, int]] = {}
        for index, key in lost.items():
            pk, digest = standing[key]
            report = _reading(deliveries[index]).report
            if digest == _document_digest(deliveries[index]):
                fates[index] = Fate(Outcome.DUPLICATE, pk)
                continue
            if pk not in contents:
                contents[pk] = stored_content(self._connection, pk)
            if (mine := content(report)) == contents[pk]:
                fates[index] = Fate(Outcome.DUPLICATE, pk)
            else:
                others[index] = (conflicting_identity(report, mine), pk)
        self._conflicting(deliveries, others, fates)

    def _conflicting(
        self, deliveries: Sequence[Delivery], others: dict[int, tuple[bytes, int]], fates: list[Fate]
    ) -> None:
        """Keep the reports that say something else than the counted one of their identity beside it, each once."""
        if not others:
            return
        first = {key: index for index, (key, _pk) in reversed(others.items())}
        self._insert_reports(deliveries, {index: others[index] for index in first.values()})
        standing = self._standing(first)
        for index, (key, _pk) in others.items():
            fates[index] = Fate(Outcome.CONFLICTING, standing[key][0])

    def _insert_reports(
        self, deliveries: Sequence[Delivery], candidates: Mapping[int, tuple[bytes, int | None]]
    ) -> set[int]:
        """Insert candidates (index: identity, conflicts_with) that are not there; the indexes of those that went in."""
        won = self._rows.insert_new(
            self._pks,
            tables.report,
            {
                index: self._report_row(deliveries[index], self._pks[index], key, conflicts_with)
                for index, (key, conflicts_with) in sorted(candidates.items(), key=lambda one: one[1][0])
            },
        )
        policies: list[Row] = []
        details: list[Row] = []
        deviations: list[Row] = []
        documents: list[Row] = []
        for index in sorted(won):
            reading, pk = _reading(deliveries[index]), self._pks[index]
            policies.extend(policy_rows(reading.report, pk))
            details.extend(failure_detail_rows(reading.report, pk))
            deviations.extend((pk, position, one.code, one.path) for position, one in enumerate(reading.deviations))
            documents.append((pk, deliveries[index].document))
        self._rows.insert(tables.policy, policies)
        self._rows.insert(tables.failure_detail, details)
        self._rows.insert(tables.deviation, deviations)
        self._rows.insert(tables.document, documents)
        return won

    def _report_row(self, delivery: Delivery, pk: int, key: bytes, conflicts_with: int | None) -> Row:
        report = _reading(delivery).report
        return (
            pk,
            key,
            conflicts_with,
            report.organization_name,
            report.report_id,
            report.contact_info,
            self._stamp(report.date_range.start_datetime),
            self._stamp(report.date_range.end_datetime),
            _name(delivery.submitter),
            _document_digest(delivery),
            report_unknown(report),
            self._now,
        )

    def _standing(self, identities: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
        """The pk and document digest of the reports that have these identities, held until we commit."""
        wanted = sorted(set(identities))
        report = tables.report.c
        found: dict[bytes, tuple[int, bytes]] = {}
        for start in range(0, len(wanted), KEYS):
            rows = self._connection.execute(
                select(report.identity, report.pk, report.document_digest)
                .where(report.identity.in_(wanted[start : start + KEYS]))
                .order_by(report.identity)
                .with_for_update(read=True, key_share=True)
            )
            found.update((row.identity, (row.pk, row.document_digest)) for row in rows)
        if len(found) < len(wanted):
            raise Vanished
        return found

    # The ledger

    def _ledger(self, deliveries: Sequence[Delivery], fates: Sequence[Fate], parts: Mapping[bytes, int]) -> None:
        """Enter each delivery; one whose row is final stays as it is, a rejected one gets an attempt more."""
        mailboxes = self._mailboxes(deliveries)
        first: dict[tuple[bytes, int], int] = {}
        for index, delivery in enumerate(deliveries):
            first.setdefault((delivery.item, delivery.part), index)
        ordered = [first[key] for key in sorted(first)]
        won = self._rows.insert_new(
            self._pks,
            tables.delivery,
            {index: self._delivery_row(deliveries[index], index, fates[index], mailboxes) for index in ordered},
        )
        open_cases = self._open_cases({deliveries[index].item for index in ordered if index not in won})
        again = [at for at in ordered if at not in won and (deliveries[at].item, deliveries[at].part) in open_cases]
        self._rows.execute(_AGAIN, [self._again_row(deliveries[at], fates[at]) for at in again])
        # What an item held when it was rejected, and what an upgrade does not find in it any more, is no open case.
        gone = {(item, parts[item]) for item, part in open_cases if part >= parts[item]}
        self._rows.execute(_NO_LONGER, sorted(gone))

    def _open_cases(self, items: Iterable[bytes]) -> set[tuple[bytes, int]]:
        """What of these items the ledger has as rejected: item and part."""
        wanted = sorted(items)
        row = tables.delivery.c
        found: set[tuple[bytes, int]] = set()
        for start in range(0, len(wanted), KEYS):
            asked = select(row.item, row.part).where(
                row.item.in_(wanted[start : start + KEYS]), row.outcome == str(Outcome.REJECTED)
            )
            found.update((case.item, case.part) for case in self._connection.execute(asked))
        return found

    def _delivery_row(self, delivery: Delivery, index: int, fate: Fate, mailboxes: Mapping[bytes, int]) -> Row:
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
            mailboxes[_mailbox(place)] if place else None,
            place.uid if place else None,
            False,
            delivery.octets if fate.outcome is Outcome.REJECTED else None,
        )

    def _again_row(self, delivery: Delivery, fate: Fate) -> Row:
        return (
            *_facts(delivery, fate),
            self._now,
            fate.report_pk,
            str(fate.outcome),
            delivery.octets,
            delivery.item,
            delivery.part,
        )

    def _mailboxes(self, deliveries: Sequence[Delivery]) -> dict[bytes, int]:
        """The pk of each mailbox that these deliveries lie in, entered where it is new."""
        rows: dict[bytes, tuple[int, Row]] = {}
        for index, delivery in enumerate(deliveries):
            if (place := delivery.place) is not None:
                key = _mailbox(place)
                rows.setdefault(key, (index, (self._pks[index], key, place.account, place.mailbox, place.uidvalidity)))
        if not rows:
            return {}
        mailbox = tables.mailbox.c
        known = select(mailbox.identity, mailbox.pk).where(mailbox.identity.in_(rows))
        found = {row.identity: row.pk for row in self._connection.execute(known)}
        if missing := {index: row for key, (index, row) in sorted(rows.items()) if key not in found}:
            self._rows.insert_new(self._pks, tables.mailbox, missing)
            found = {row.identity: row.pk for row in self._connection.execute(known)}
        return found


def _facts(delivery: Delivery, fate: Fate) -> Row:
    failure = delivery.failure if fate.outcome is Outcome.REJECTED else None
    return (
        delivery.origin[: limits.TEXT],
        delivery.digest,
        delivery.size,
        _name(delivery.message_id),
        _name(delivery.sender),
        _name(delivery.subject),
        _name(delivery.submitter),
        str(fate.outcome),
        failure and failure.stage,
        failure and failure.code,
        failure and str(failure)[: limits.TEXT],
    )


def _reading(delivery: Delivery) -> Reading:
    assert delivery.reading is not None  # noqa: S101 - for mypy: only deliveries with a reading get here
    return delivery.reading


def _document_digest(delivery: Delivery) -> bytes:
    return hashlib.sha256(delivery.document or b"").digest()


def _name(value: str | None) -> str | None:
    return value and value[: limits.NAME]


def _mailbox(place: Place) -> bytes:
    return mailbox_identity(place.account, place.mailbox, place.uidvalidity)
