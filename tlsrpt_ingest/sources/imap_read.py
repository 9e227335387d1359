"""Read the messages of an IMAP mailbox that the ledger does not have: never changes anything, survives a rotten one."""

import imaplib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.sources.imap_fetch import BODY, SIZE, fetch
from tlsrpt_ingest.sources.imap_folder import uid_url
from tlsrpt_ingest.sources.imap_login import said
from tlsrpt_ingest.sources.imap_session import LOST, Session
from tlsrpt_ingest.sources.source import Item, Mailbox

log = logging.getLogger(__name__)

WINDOW: Final = 50_000
"""UIDs of one SEARCH. imaplib refuses a line of more than a million octets, at which it also loses its place."""

SIZES: Final = 1_000
"""Messages whose size is asked for at once. Ten digits a UID stay below the 65,536 octets that Dovecot takes."""

FETCH: Final = 200
"""Messages of one FETCH: more are not faster, and fewer are lost with a connection."""

FETCH_OCTETS: Final = 8 * limits.MIB
"""Octets of one FETCH, so that two batches (one is fetched ahead) have a bound."""

ROTTEN_IN_A_ROW: Final = 5
"""Messages that cannot be fetched one after the other before the newest one is asked for, to see who is to blame."""

_QUARTERS: Final = 4

Known = Callable[[Mailbox, int, int], Collection[int]]
"""Asks the ledger: the UIDs between two (both included) that need not be read, each once."""


class Reader:
    """Reads a mailbox that `session` has opened by EXAMINE."""

    def __init__(self, session: Session, mailbox: Mailbox, known: Known) -> None:
        self._session = session
        self._mailbox = mailbox
        self._known = known
        self._largest = session.account.max_message_mib * limits.MIB
        self._rotten = 0
        self._newest = 0
        self.octets_total = 0
        """Octets of the messages to read: of those whose size is known, and of the others as many on the average."""

    def batches(self) -> Iterator[list[Item]]:
        """The messages to read, in the order of their UIDs, by batches that one FETCH brought."""
        for uids in self._windows():
            self._newest = uids[-1]
            before, octets = self.octets_total, 0
            # Sizes are asked for as they are needed: the others of a large mailbox would have to wait for all of them.
            for start in range(0, len(uids), SIZES):
                some = uids[start : start + SIZES]
                sizes = self._sizes(some)
                octets += sum(sizes.values())
                self.octets_total = before + octets * len(uids) // (start + len(some))
                yield from self._by_size(some, sizes)

    def _by_size(self, uids: Sequence[int], sizes: Mapping[int, int]) -> Iterator[list[Item]]:
        """The messages, as many at once as FETCH and FETCH_OCTETS allow."""
        batch: list[int] = []
        octets = 0
        for uid in uids:
            size = sizes.get(uid)
            if size is None:  # expunged since the search
                continue
            if size > self._largest:
                yield [self._failed(uid, "too-large", f"it has {size:,} octets; {self._limit()}")]
                continue
            if batch and (len(batch) >= FETCH or octets + size > FETCH_OCTETS):
                yield self._fetch(batch)
                batch, octets = [], 0
            batch.append(uid)
            octets += size
        if batch:
            yield self._fetch(batch)

    def _windows(self) -> Iterator[list[int]]:
        """The UIDs to read: what SEARCH finds less what the ledger has, window by window."""
        if self._session.exists == 0:
            return
        last = self._session.uidnext - 1
        if self._session.exists <= WINDOW or last < 1:
            uids = self._search("ALL", 1, limits.UID)
            yield from self._todo(uids, self._known(self._mailbox, uids[0], uids[-1]) if uids else ())
            return
        for low in range(1, last + 1, WINDOW):
            high = min(low + WINDOW - 1, last)
            done = self._known(self._mailbox, low, high)
            # Where the ledger has every UID that there can be, the server need not be asked: a million messages that
            # are kept cost a poll a handful of counts.
            if len(done) < high - low + 1:
                yield from self._todo(self._search(["UID", f"{low}:{high}"], low, high), done)

    def _search(self, criteria: str | list[str], low: int, high: int) -> list[int]:
        found = self._session.persistently(lambda: self._session.client.search(criteria))
        # A range with nothing in it may be answered with the last message (RFC 3501 section 6.4.8).
        return sorted(uid for uid in found if low <= uid <= high)

    def _todo(self, uids: Sequence[int], done: Collection[int]) -> Iterator[list[int]]:
        if todo := [uid for uid in uids if uid not in done]:
            yield todo

    def _sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """The sizes of those that are there; 0 where the server stumbles: fetching it by itself says over what."""
        sizes: dict[int, int] = {}
        for piece, answers in self._ask(uids, SIZE):
            if isinstance(answers, Exception):
                sizes[piece[0]] = 0
            else:
                sizes.update((uid, answers[uid]) for uid in piece if uid in answers)
        return sizes

    def _fetch(self, uids: Sequence[int]) -> list[Item]:
        """The messages; one that the server stumbles over is an Item with a failure."""
        items: list[Item] = []
        for piece, answers in self._ask(uids, BODY):
            if isinstance(answers, Exception):
                reason = f"the server cannot hand it out: {said(answers)}"
                items.append(self._failed(piece[0], "unfetchable", reason))
                continue
            items += [
                Item(uid_url(self._mailbox, uid), answers[uid], position=uid, mailbox=self._mailbox)
                for uid in piece
                if uid in answers
            ]
        return items

    def _ask(self, uids: Sequence[int], what: str, *, last_try: bool = False) -> Iterator[tuple[Sequence[int], Any]]:
        """FETCH `what`: pieces of `uids` with the answers, or one UID with the error that it is rotten by.

        A rotten message costs the whole answer, and mostly the connection, each time: it is found by quartering.
        """
        failure: Exception
        try:
            answers = fetch(self._session.client, uids, what)
        except LOST as error:
            self._session.again(error)
            failure = error
        except imaplib.IMAP4.error as error:  # NO or BAD: the connection is as good as before
            failure = error
        else:
            self._rotten = 0
            self._session.steady()
            yield uids, answers
            return
        if not last_try:  # networks fail too
            yield from self._ask(uids, what, last_try=True)
        elif len(uids) == 1:
            self._rotten += 1
            if self._rotten >= ROTTEN_IN_A_ROW and not self._newest_can_be_had():
                raise self._session.unavailable(failure) from failure
            yield uids, failure
        else:
            quarter = -(-len(uids) // _QUARTERS)
            for start in range(0, len(uids), quarter):
                piece = uids[start : start + quarter]
                yield from self._ask(piece, what, last_try=len(piece) > 1)

    def _newest_can_be_had(self) -> bool:
        """Whether the server hands out the newest message: then the others are rotten, and not the server away."""
        try:
            fetch(self._session.client, [self._newest], BODY)
        except LOST as error:
            self._session.again(error)
            return False
        except imaplib.IMAP4.error:
            return False
        self._rotten = 0
        self._session.steady()
        return True

    def _failed(self, uid: int, code: str, reason: str) -> Item:
        failure = Unreadable("fetch", code, reason)
        return Item(uid_url(self._mailbox, uid), b"", position=uid, mailbox=self._mailbox, failure=failure)

    def _limit(self) -> str:
        account = self._session.account
        return f"the limit is max_message_mib = {account.max_message_mib} of [[imap]] {account.name}"
