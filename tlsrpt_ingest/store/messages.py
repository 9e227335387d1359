"""What the ledger knows of the messages in IMAP mailboxes, for the poller that reads them."""

from collections.abc import Collection, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, select, update

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.identity import mailbox_identity
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

PAGE: Final = 500
"""Messages of one page, and UIDs of one statement."""

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

    def known(self, mailbox: Epoch, low: int, high: int, attempts: int) -> frozenset[int]:
        """UIDs from `low` to `high`, both included, that need no reading: final, or rejected `attempts` times."""
        delivery = tables.delivery.c
        with speaking(self._engine), self._engine.connect() as connection:
            pk = _pk(connection, mailbox)
            there = select(delivery.uid).where(delivery.mailbox_pk == pk, delivery.uid.between(low, high))
            again = there.where(delivery.outcome == str(Outcome.REJECTED), delivery.attempts < attempts)
            return frozenset(connection.scalars(there)) - frozenset(connection.scalars(again))

    def unsettled(self, mailbox: Epoch, outcomes: Collection[Outcome]) -> Iterator[MessageRow]:
        """Messages with one of these outcomes for which the owner's wish is still to be done, by UID.

        Read page by page: what is settled meanwhile is not seen again.
        """
        delivery = tables.delivery.c
        last = 0
        while True:
            with speaking(self._engine), self._engine.connect() as connection:
                rows = connection.execute(
                    select(delivery.uid, delivery.outcome, delivery.digest)
                    .where(delivery.mailbox_pk == _pk(connection, mailbox), delivery.uid > last)
                    .where(delivery.settled.is_(False))
                    .order_by(delivery.uid)
                    .limit(PAGE)
                ).all()
            if not rows:
                return
            # The last message of a full page may go on in the next one.
            last = rows[-1].uid - 1 if len(rows) == PAGE and rows[0].uid != rows[-1].uid else rows[-1].uid
            for uid, parts in groupby(rows, key=itemgetter(0)):
                if uid <= last:
                    found = list(parts)
                    outcome = Outcome.gravest([Outcome(part.outcome) for part in found])
                    if outcome in outcomes:
                        yield MessageRow(uid, outcome, found[0].digest)

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
