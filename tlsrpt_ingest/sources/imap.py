"""An IMAP mailbox as a source: what the ledger does not have is read, what is committed is disposed of.

Two connections, so that the one that reads has opened the mailbox by EXAMINE and never sends a command that changes
anything (Dovecot moves messages out of an EXAMINEd mailbox). The second is made only when there is something to do.
"""

import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Protocol

from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.ahead import ahead
from tlsrpt_ingest.sources.imap_after import CHUNK, KEEP, Disposer, wish
from tlsrpt_ingest.sources.imap_folder import url
from tlsrpt_ingest.sources.imap_read import Reader
from tlsrpt_ingest.sources.imap_session import Session
from tlsrpt_ingest.sources.source import Item, Mailbox

log = logging.getLogger(__name__)


class Unsettled(Protocol):
    """A message whose outcome is committed, and with which nothing has been done yet."""

    @property
    def uid(self) -> int:
        """Its UID."""
        ...

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        ...

    @property
    def digest(self) -> bytes:
        """SHA-256 of its octets: a mailbox that is rebuilt within a second keeps its UIDVALIDITY with other UIDs."""
        ...


class Ledger(Protocol):
    """What the source asks the ledger of the database, and tells it."""

    def known(self, mailbox: Mailbox, low: int, high: int, attempts: int) -> Collection[int]:
        """UIDs from `low` to `high` with a final outcome, or rejected `attempts` times."""
        ...

    def unsettled(self, mailbox: Mailbox, outcomes: Collection[Outcome]) -> Iterator[Unsettled]:
        """Messages with one of these outcomes that are not settled."""
        ...

    def settled(self, mailbox: Mailbox, uids: Collection[int]) -> None:
        """The owner's wish is done with these messages."""
        ...


def imap_sources(
    account: Imap, environment: Mapping[str, str], ledger: Ledger, folders: Iterable[str] | None = None, *, change: bool
) -> Generator["ImapSource"]:
    """A source for each folder of an account (`folders`, or else the config's), one after the other.

    Without `change` nothing is done after the commit, whatever the config says: for backfill and for a dry run.
    """
    session = Session(account, environment, change=False)
    try:
        for name in session.folders().matching(folders or account.folders, session.who):
            source = ImapSource(session, name, environment, ledger, change=change)
            try:
                yield source
            finally:
                source.close()
    finally:
        session.log_out()


class ImapSource:
    """One mailbox."""

    def __init__(
        self, session: Session, name: str, environment: Mapping[str, str], ledger: Ledger, *, change: bool
    ) -> None:
        self._session = session
        self._mailbox = session.open(name)
        self._environment = environment
        self._ledger = ledger
        self._after = session.account.after
        self._wanted = frozenset(outcome for outcome in Outcome if change and wish(self._after, outcome) != KEEP)
        self._second: Session | None = None
        self._disposer: Disposer | None = None
        self._reader = Reader(session, self._mailbox, self._known)
        self.origin = url(self._mailbox)
        self.octets_read = 0

    @property
    def octets_total(self) -> int | None:
        """Octets of the messages to read, as far as can be told."""
        return self._reader.octets_total or None

    def items(self) -> Iterator[Item]:
        """The messages that the ledger does not have; first, what an earlier run committed is disposed of."""
        self._finish()
        with closing(ahead(self._reader.batches, self._session.close)) as batches:
            for batch in batches:
                for item in batch:
                    self.octets_read += len(item.octets)
                    yield item

    def close(self) -> None:
        """Part from the server on the connection that settles, if there is one."""
        if self._second is not None:
            self._second.log_out()

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Do what `[imap.after]` says with messages whose outcome is committed."""
        wishes: dict[str, list[int]] = {}
        for item, outcome in settled:
            if outcome in self._wanted:
                wishes.setdefault(wish(self._after, outcome), []).append(item.position)
        for action, uids in wishes.items():
            if disposer := self._ready():
                self._ledger.settled(self._mailbox, list(disposer.dispose(action, uids)))

    def _known(self, mailbox: Mailbox, low: int, high: int) -> Collection[int]:
        return self._ledger.known(mailbox, low, high, self._session.account.attempts)

    def _finish(self) -> None:
        """Settle what a run committed that was stopped before it could."""
        if not self._wanted:
            return
        unsettled = self._ledger.unsettled(self._mailbox, self._wanted)
        while (some := list(islice(unsettled, CHUNK))) and (disposer := self._ready()):
            for action in {wish(self._after, one.outcome) for one in some}:
                digests = {one.uid: one.digest for one in some if wish(self._after, one.outcome) == action}
                self._ledger.settled(self._mailbox, list(disposer.finish(action, digests)))

    def _ready(self) -> Disposer | None:
        """The disposer on the second connection; None where the mailbox is not the one that was read."""
        if self._disposer is None:
            self._second = Session(self._session.account, self._environment, change=True)
            if self._second.open(self._mailbox.name) != self._mailbox:
                log.warning(
                    "%s: folder %r was rebuilt; nothing is done in it now", self._second.who, self._mailbox.name
                )
                self._wanted = frozenset()
                return None
            if self._second.read_only:  # which it has said, and Dovecot moves messages out of it all the same
                self._wanted = frozenset()
                return None
            self._disposer = Disposer(self._second)
        return self._disposer


def look_into(account: Imap, environment: Mapping[str, str]) -> Iterator[str]:
    """What `doctor` says of an account, a line at a time; changes nothing. Raises what a poll would raise."""
    session = Session(account, environment, change=False)
    try:
        folders = session.folders()
        yield f"logged in to {account.host}, {len(folders.names)} folders"
        wanted = folders.matching(account.folders, session.who)
        for name in wanted:
            session.open(name)
            yield f"folder {name!r}: {session.exists} messages"
        for outcome in Outcome:
            action = wish(account.after, outcome)
            if action.startswith("move:") and folders.at_server(action.removeprefix("move:")) not in folders.names:
                yield f"[imap.after] {outcome} = {action!r}: the folder is made when it is first needed"
    finally:
        session.log_out()
