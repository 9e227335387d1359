"""One transaction: the reports that are new, their rows, and the ledger.

Rows go in sorted by key, so that two writers of the same archive wait for each other in one order and seldom deadlock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.identity import (
    conflicting_identity,
    identifying_fields,
    mailbox_identity,
    signers_identity,
)
from tlsrpt_ingest.store.persevering import Vanished
from tlsrpt_ingest.store.prepared import Prepared
from tlsrpt_ingest.store.replacing import Contender, contend, vouch
from tlsrpt_ingest.store.rows import ReportRows, Row, content, stamp, stored_content
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

KEYS: Final = 500
"""Keys looked up by one statement."""


class Fate(NamedTuple):
    """What became of a delivery, and the report that it brought."""

    outcome: Outcome
    report_pk: int | None = None


class Standing(NamedTuple):
    """A report that is in the database."""

    pk: int
    document_digest: bytes
    signing_domain: str | None


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
        self._reports(deliveries, fates)
        self._ledger(deliveries, fates, parts)
        return [fate.outcome for fate in fates]

    # The reports

    def _reports(self, deliveries: Sequence[Prepared], fates: list[Fate]) -> None:
        """Insert the reports that nobody has, and compare the others with those that stand."""
        reports = {index: one.report for index, one in enumerate(deliveries) if one.report}
        first: dict[bytes, int] = {}
        for index, report in reports.items():
            first.setdefault(report.identity, index)
        won = self._insert_reports(deliveries, {index: (key, None) for key, index in first.items()})
        for index in won:
            fates[index] = Fate(Outcome.RECORDED, self._pks[index])
        lost = {index: report for index, report in reports.items() if index not in won}
        if not lost:
            return
        standing = self._standing(
            (report.identity for report in lost.values()),
            exclusively=self._may_change(deliveries, lost),
        )
        contents: dict[int, bytes] = {}
        others: dict[int, tuple[bytes, int]] = {}
        for index, report in lost.items():
            voucher = deliveries[index].voucher
            for counted in self._counted(report, voucher, standing[report.identity]):
                if self._says(report, counted, contents):
                    fates[index] = Fate(Outcome.DUPLICATE, counted.pk)
                    if voucher and counted.signing_domain is None:
                        vouch(self._connection, counted.pk, voucher)
                    break
            else:
                key = conflicting_identity(report.identity, _identifying_fields(report), content(report))
                others[index] = (key, standing[report.identity].pk)
        self._conflicting(deliveries, others, fates)
        self._contend(deliveries, others, fates)

    def _may_change(self, deliveries: Sequence[Prepared], lost: Mapping[int, ReportRows]) -> bool:
        """Whether some of what stands may have to give way, or is vouched for now."""
        vouched = [report for index, report in lost.items() if deliveries[index].voucher]
        standing = self._standing((report.identity for report in vouched), hold=False)
        at = ((report, standing[report.identity]) for report in vouched)
        return any(one.signing_domain is None or one.document_digest != report.document_digest for report, one in at)

    def _says(self, report: ReportRows, one: Standing, contents: dict[int, bytes]) -> bool:
        """Whether a report says the same as one that stands; `contents` has those that were looked at."""
        if one.document_digest == report.document_digest:
            return True
        if one.pk not in contents:
            contents[one.pk] = stored_content(self._connection, one.pk)
        return contents[one.pk] == content(report)

    def _counted(self, report: ReportRows, voucher: str | None, standing: Standing) -> Iterator[Standing]:
        """The counted reports of the identity that a delivery may be a duplicate of."""
        yield standing
        if voucher and standing.signing_domain not in (None, voucher):
            own = signers_identity(report.identity, _identifying_fields(report), voucher)
            yield from self._standing([own], may_lack=True).values()

    def _conflicting(
        self, deliveries: Sequence[Prepared], others: dict[int, tuple[bytes, int]], fates: list[Fate]
    ) -> None:
        """Keep the reports that say something else than the counted one of their identity beside it, each once."""
        if not others:
            return
        first = {key: index for index, (key, _pk) in reversed(others.items())}
        self._insert_reports(deliveries, {index: others[index] for index in first.values()})
        standing = self._standing(first)
        for index, (key, _pk) in others.items():
            fates[index] = Fate(Outcome.CONFLICTING, standing[key].pk)

    def _contend(
        self, deliveries: Sequence[Prepared], others: Mapping[int, tuple[bytes, int]], fates: list[Fate]
    ) -> None:
        """Let those of the conflicting that somebody vouches for take the place of what nobody vouches for."""
        for index in others:
            delivery, (_outcome, pk) = deliveries[index], fates[index]
            if delivery.voucher is None or pk is None:
                continue
            report = _report(delivery)
            became = contend(
                self._connection, Contender(pk, report.identity, _identifying_fields(report), delivery.voucher)
            )
            for at, fate in enumerate(fates):  # those of this transaction are not in the ledger yet
                if fate.report_pk is not None and fate.report_pk == became.aside:
                    fates[at] = Fate(Outcome.CONFLICTING, fate.report_pk)
                elif fate.report_pk == pk and became.outcome is Outcome.RECORDED:
                    fates[at] = Fate(Outcome.DUPLICATE, pk)
            fates[index] = Fate(became.outcome, pk)

    def _insert_reports(
        self, deliveries: Sequence[Prepared], candidates: Mapping[int, tuple[bytes, int | None]]
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
            report, pk = _report(deliveries[index]), self._pks[index]
            policies += [(pk, *row) for row in report.policies]
            details += [(pk, *row) for row in report.failure_details]
            deviations += [(pk, *row) for row in report.deviations]
            documents.append((pk, report.gzip))
        self._rows.insert(tables.policy, policies)
        self._rows.insert(tables.failure_detail, details)
        self._rows.insert(tables.deviation, deviations)
        self._rows.insert(tables.document, documents)
        return won

    def _report_row(self, delivery: Prepared, pk: int, key: bytes, conflicts_with: int | None) -> Row:
        report = _report(delivery)
        return (
            pk,
            key,
            conflicts_with,
            report.organization_name,
            report.report_id,
            report.contact_info,
            report.start_datetime,
            report.end_datetime,
            delivery.submitter,
            report.document_digest,
            report.unknown_members,
            self._now,
            delivery.voucher,
        )

    def _standing(
        self, identities: Iterable[bytes], *, may_lack: bool = False, hold: bool = True, exclusively: bool = False
    ) -> dict[bytes, Standing]:
        """The reports that have these identities; held until we commit, and from others too if `exclusively`.

        Always in the order of identities, and at once as strictly as needed: writers who first share a report and then
        both want it for themselves would end in a deadlock.
        """
        wanted = sorted(set(identities))
        report = tables.report.c
        found: dict[bytes, Standing] = {}
        for start in range(0, len(wanted), KEYS):
            asked = (
                select(report.identity, report.pk, report.document_digest, report.signing_domain)
                .where(report.identity.in_(wanted[start : start + KEYS]))
                .order_by(report.identity)
            )
            if hold:
                asked = asked.with_for_update(read=not exclusively, key_share=not exclusively)
            rows = self._connection.execute(asked)
            found.update((row.identity, Standing(*row[1:])) for row in rows)
        if len(found) < len(wanted) and not may_lack:
            raise Vanished
        return found

    # The ledger

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


def _report(delivery: Prepared) -> ReportRows:
    assert delivery.report is not None  # noqa: S101 - for mypy: only deliveries with a report get here
    return delivery.report


def _identifying_fields(report: ReportRows) -> bytes:
    domains = (domain for _position, _policy_type, domain, *_ in report.policies)
    return identifying_fields(
        report.organization_name, report.report_id, report.start_datetime, report.end_datetime, domains
    )
