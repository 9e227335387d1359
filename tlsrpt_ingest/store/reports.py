"""The reports of one transaction: those that are new go in, the others are compared with those that stand.

Rows go in sorted by key, and what stands is held in the order of keys: writers of the same reports wait for each other
in one order and seldom deadlock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.identity import conflicting_identity, identifying_fields, signers_identity
from tlsrpt_ingest.store.persevering import Vanished
from tlsrpt_ingest.store.prepared import Prepared
from tlsrpt_ingest.store.replacing import Contender, contend, vouch
from tlsrpt_ingest.store.rows import ReportRows, Row, content, stored_content
from tlsrpt_ingest.store.writer import Writer

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


class Reports:
    """Writes the reports of deliveries; `pks` has one for each delivery, `now` is a stamp."""

    def __init__(self, connection: Connection, rows: Writer, pks: Sequence[int], now: str) -> None:
        self._connection = connection
        self._rows = rows
        self._pks = pks
        self._now = now

    def write(self, deliveries: Sequence[Prepared], fates: list[Fate]) -> None:
        """Insert the reports that nobody has, compare the others with those that stand, and tell their fates."""
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


def _report(delivery: Prepared) -> ReportRows:
    assert delivery.report is not None  # noqa: S101 - for mypy: only deliveries with a report get here
    return delivery.report


def _identifying_fields(report: ReportRows) -> bytes:
    domains = (domain for _position, _policy_type, domain, *_ in report.policies)
    return identifying_fields(
        report.organization_name, report.report_id, report.start_datetime, report.end_datetime, domains
    )
