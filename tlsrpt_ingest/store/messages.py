"""What the ledger knows of the messages in IMAP mailboxes, for the poller that reads them."""

from collections.abc import Collection, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, func, literal_column, select, update

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.identity import mailbox_identity
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

PAGE: Final = 500
"""Messages of one page, and UIDs of one statement."""

_REJECTED: Final[ColumnElement[str]] = literal_column("'rejected'")
"""Spelled out, so that the database sees that the partial index has these rows."""

Epoch = tuple[str, str, int]
"""Account, mailbox and UIDVALIDITY."""


class MessageRow(NamedTuple):
    """A message that the ledger has."""

    uid: int
    outcome: Outcome
    """The gravest of its parts' outcomes."""
    digest: bytes
    """SHA-256 of its octets."""


class Messages:
    """The ledger, asked by mailbox and UID."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(self, mailbox: Epoch, low: int, high: int, attempts: int) -> Collection[int]:
        """UIDs from `low` to `high`, both included, that need no reading: final, or rejected `attempts` times."""
        delivery = tables.delivery.c
        with speaking(self._engine), self._engine.connect() as connection:
            within = (delivery.mailbox_pk == _pk(connection, mailbox), delivery.uid.between(low, high))
            again = select(delivery.uid).where(*within, delivery.outcome == _REJECTED, delivery.attempts < attempts)
            open_cases = frozenset(connection.scalars(again))
            everything = range(low, high + 1)
            # Counted in the index, where a million messages are a twentieth of a second.
            count = connection.scalar(select(func.count(delivery.uid.distinct())).where(*within))
            if count == len(everything) and not open_cases:
                return everything
            return frozenset(connection.scalars(select(delivery.uid).where(*within))) - open_cases

    def unsettled(self, mailbox: Epoch, outcomes: Collection[Outcome]) -> Iterator[MessageRow]:
        """Messages with one of these outcomes for which the owner's wish is still to be done, by outcome and UID.

        Read page by page: what is settled meanwhile is not seen again.
        """
        for outcome in sorted(outcomes):
            last = 0
            while page := self._unsettled(mailbox, outcome, last):
                yield from (row for row in page if row.outcome is outcome)
                last = page[-1].uid

    def _unsettled(self, mailbox: Epoch, outcome: Outcome, last: int) -> list[MessageRow]:
        """The next messages of which some part has this outcome."""
        delivery = tables.delivery.c
        with speaking(self._engine), self._engine.connect() as connection:
            open_ones = (delivery.mailbox_pk == _pk(connection, mailbox), delivery.settled.is_(False))
            uids = connection.scalars(
                select(delivery.uid)
                .where(*open_ones, delivery.outcome == str(outcome), delivery.uid > last)
                .distinct()
                .order_by(delivery.uid)
                .limit(PAGE)
            ).all()
            parts = connection.execute(
                select(delivery.uid, delivery.outcome, delivery.digest)
                .where(*open_ones, delivery.uid.in_(uids))
                .order_by(delivery.uid)
            ).all()
        rows = []
        for uid, group in groupby(parts, key=itemgetter(0)):
            found = list(group)
            rows.append(MessageRow(uid, Outcome.gravest([Outcome(part.outcome) for part in found]), found[0].digest))
        return rows

    def settled(self, mailbox: Epoch, uids: Collection[int]) -> None:
        """The owner's wish is done with these messages."""
        delivery = tables.delivery.c
        wanted = sorted(uids)

        def write(some: list[int]) -> None:
            with writing(self._engine) as connection:
                connection.execute(
                    update(tables.delivery)
                    .where(delivery.mailbox_pk == _pk(connection, mailbox), delivery.uid.in_(some))
                    .values(settled=True)
                )

        with speaking(self._engine):
            for start in range(0, len(wanted), PAGE):
                some = wanted[start : start + PAGE]
                persevering(partial(write, some))


def _pk(connection: Connection, mailbox: Epoch) -> int:
    """The mailbox's pk; one that no row has where the ledger does not know it."""
    asked = select(tables.mailbox.c.pk).where(tables.mailbox.c.identity == mailbox_identity(*mailbox))
    pk: int | None = connection.scalar(asked)
    return -1 if pk is None else pk
