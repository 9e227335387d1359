"""Which of the reports of one identity count: those that somebody vouches for before those that nobody does.

What nobody vouches for never takes the place of another; what is vouched for takes that of one that is not. Two domains
that vouch for two contents are two senders with one name for their reports, and both count: else whoever signs first in
Google's name, by a domain of his own, would keep Google's out. So in whatever order they arrive, what counts is the
first report of each domain that vouches for one, or the first of all where none does.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.identity import conflicting_identity, signers_identity
from tlsrpt_ingest.store.persevering import Vanished
from tlsrpt_ingest.store.rows import stored_content

_report = tables.report.c
_delivery = tables.delivery.c


class Contender(NamedTuple):
    """A report that is vouched for and stands, uncounted, beside the counted one of its identity."""

    pk: int
    identity: bytes
    fields: bytes
    """The identifying fields (`identity.identifying_fields`)."""
    signing_domain: str

    @property
    def of_its_signer(self) -> bytes:
        """The identity that it has where another domain vouches for the counted one."""
        return signers_identity(self.identity, self.fields, self.signing_domain)


class Place(NamedTuple):
    """What became of a contender, and which report had to give way to it."""

    outcome: Outcome
    aside: int | None = None


def contend(connection: Connection, one: Contender) -> Place:
    """Let a contender count if it may. Holds what it changes until the commit."""
    counted = _standing(connection, one.identity)
    if counted is None:
        raise Vanished
    if counted.pk == one.pk:
        return Place(Outcome.DUPLICATE)
    if counted.signing_domain is None:
        aside = conflicting_identity(one.identity, one.fields, stored_content(connection, counted.pk))
        _move(connection, counted.pk, identity=aside, conflicts_with=one.pk)
        beside = (_report.conflicts_with == counted.pk, _report.pk != one.pk)
        connection.execute(update(tables.report).where(*beside).values(conflicts_with=one.pk))
        _retell(connection, counted.pk, (Outcome.RECORDED, Outcome.DUPLICATE), Outcome.CONFLICTING)
        return _count(connection, one, one.identity, counted.pk)
    if counted.signing_domain == one.signing_domain:
        return Place(Outcome.CONFLICTING)
    own = _standing(connection, one.of_its_signer)
    if own is None:
        return _count(connection, one, one.of_its_signer, None)
    return Place(Outcome.DUPLICATE if own.pk == one.pk else Outcome.CONFLICTING)


def vouch(connection: Connection, pk: int, domain: str) -> None:
    """Somebody vouches for a report for which nobody did."""
    unvouched = (_report.pk == pk, _report.signing_domain.is_(None))
    connection.execute(update(tables.report).where(*unvouched).values(signing_domain=domain))


def _standing(connection: Connection, identity: bytes) -> Any:
    asked = select(_report.pk, _report.signing_domain).where(_report.identity == identity)
    return connection.execute(asked.with_for_update()).one_or_none()


def _count(connection: Connection, one: Contender, identity: bytes, aside: int | None) -> Place:
    _move(connection, one.pk, identity=identity, conflicts_with=None, signing_domain=one.signing_domain)
    _retell(connection, one.pk, (Outcome.CONFLICTING,), Outcome.DUPLICATE)
    return Place(Outcome.RECORDED, aside)


def _move(connection: Connection, pk: int, **values: Any) -> None:
    connection.execute(update(tables.report).where(_report.pk == pk).values(**values))


def _retell(connection: Connection, pk: int, before: tuple[Outcome, ...], now: Outcome) -> None:
    """The ledger goes on telling the truth about the deliveries of a report."""
    told = _delivery.outcome.in_([str(outcome) for outcome in before])
    connection.execute(update(tables.delivery).where(_delivery.report_pk == pk, told).values(outcome=str(now)))
