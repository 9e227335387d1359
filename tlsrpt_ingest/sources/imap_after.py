"""What the owner wants done with a message once its outcome is committed: keep, seen, flag, move, delete.

MOVE is neither atomic nor exclusive on any server that was tried: a folder may end up with a message twice, which
costs nothing, since reports are counted once. What cannot be done is said once, and tried again by the next run.
"""

import hashlib
import imaplib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tlsrpt_ingest.config import After
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.imap_fetch import BODY, fetch
from tlsrpt_ingest.sources.imap_login import said
from tlsrpt_ingest.sources.imap_session import LOST, Session

if TYPE_CHECKING:
    from tlsrpt_ingest.sources.imap_folder import Folders

log = logging.getLogger(__name__)

KEEP: Final = "keep"
_MOVE: Final = "move:"

_NOTHING: Final = hashlib.sha256(b"").digest()
"""The digest of a message that was not had: too large, or not to be fetched."""

CHUNK: Final = 200
"""UIDs of one command: one message each costs fifty times as much, and a line stays far below what servers take."""


def wish(after: After, outcome: Outcome) -> str:
    """What `[imap.after]` says of an outcome."""
    return str(getattr(after, outcome.value))


class Disposer:
    """Does it, in a mailbox that `session` has opened by SELECT."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._account = session.account
        self._folders: Folders | None = None
        self._made: set[str] = set()
        self._said: set[str] = set()
        self._move = True

    def dispose(self, action: str, uids: Sequence[int]) -> Iterator[int]:
        """Do `action` with messages; yields those with which it is done, or which are gone."""
        for start in range(0, len(uids), CHUNK):
            some = uids[start : start + CHUNK]
            try:
                yield from self._do(action, some)
            except LOST as error:
                self._session.again(error)
                # It may have been done all the same (Exchange answers MOVE with what imaplib cannot read).
                self._move = False
                present = self._present(some)
                yield from (uid for uid in some if uid not in present)
                yield from self._once_more(action, sorted(present))
            except imaplib.IMAP4.error as error:
                self._say(action, said(error))

    def finish(self, action: str, digests: Mapping[int, bytes]) -> Iterator[int]:
        """Do `action` with messages of an earlier run (UID: SHA-256 of the octets), if they are still the same.

        Yields those with which it is done, or which are gone.
        """
        present = self._present(list(digests))
        yield from (uid for uid in digests if uid not in present)
        due = sorted(present)
        if action == "delete":
            due = self._session.persistently(lambda: self._old_enough(sorted(present)))
        same = [uid for uid in due if digests[uid] == _NOTHING or digests[uid] == self._digest(uid)]
        if len(same) < len(due):
            self._say(action, f"{len(due) - len(same)} messages are not those of the ledger any more, or not to be had")
        yield from self.dispose(action, same)

    def _digest(self, uid: int) -> bytes | None:
        try:
            body = fetch(self._session.client, [uid], BODY).get(uid)
        except LOST as error:  # the network, or a message that has become rotten: it must not hold up the others
            self._session.again(error)
            return None
        except imaplib.IMAP4.error:
            return None
        self._session.steady()
        return None if body is None else hashlib.sha256(body).digest()

    def _once_more(self, action: str, uids: Sequence[int]) -> Iterator[int]:
        if not uids:
            return
        try:
            yield from self._do(action, uids)
        except LOST as error:
            raise self._session.unavailable(error) from error
        except imaplib.IMAP4.error as error:
            self._say(action, said(error))

    def _do(self, action: str, uids: Sequence[int]) -> Collection[int]:
        if action == "seen":
            return self._flag(uids, b"\\Seen")
        if action == "flag":
            return self._flag(uids, self._account.keyword.encode())
        if action == "delete":
            return self._delete(self._old_enough(uids))
        return self._to(action.removeprefix(_MOVE), uids)

    def _flag(self, uids: Sequence[int], flag: bytes) -> Collection[int]:
        allowed = self._session.permanent_flags
        # A server answers OK to a STORE that it does not do (an ACL without "w", a read-only mailbox).
        if flag.lower() not in allowed and (flag.startswith(b"\\") or b"\\*" not in allowed):
            self._say("flag", f"the folder does not keep the flag {flag.decode()}")
            return ()
        self._session.client.add_flags(uids, [flag], silent=True)
        return uids

    def _to(self, folder: str, uids: Sequence[int]) -> Collection[int]:
        client = self._session.client
        name = self._target(folder)
        if self._move and client.has_capability("MOVE"):
            try:
                client.move(uids, name)
            except LOST:
                raise
            except imaplib.IMAP4.error as error:
                if "EXPUNGEISSUED" not in said(error):
                    raise
                # Somebody expunged some of them and the server had not told us: now it does, and the rest can go.
                client.noop()
                client.move(uids, name)
            return uids
        client.copy(uids, name)
        return self._delete(uids)

    def _delete(self, uids: Sequence[int]) -> Collection[int]:
        if not uids:
            return ()
        client = self._session.client
        if not client.has_capability("UIDPLUS"):
            # A bare EXPUNGE would sweep away what others have marked \Deleted.
            self._say("delete", "the server has no UIDPLUS; messages are only marked \\Deleted")
            client.add_flags(uids, [b"\\Deleted"], silent=True)
            return uids
        client.add_flags(uids, [b"\\Deleted"], silent=True)
        client.uid_expunge(uids)
        return uids

    def _old_enough(self, uids: Sequence[int]) -> list[int]:
        days = self._account.after.delete_after_days
        if days == 0:
            return list(uids)
        before = datetime.now(UTC) - timedelta(days=days)
        answers = self._session.client.fetch(uids, ["INTERNALDATE"])
        dates = {uid: answers.get(uid, {}).get(b"INTERNALDATE") for uid in uids}
        return [uid for uid, date in dates.items() if date is not None and date <= before]

    def _target(self, folder: str) -> str:
        """The server's name of a folder to move to, which is created when it is first needed."""
        if self._folders is None:
            self._folders = self._session.folders()
        name = self._folders.at_server(folder)
        if name not in self._folders.names and name not in self._made:
            self._session.client.create_folder(name)
            self._session.client.subscribe_folder(name)
            log.info("%s: made folder %r", self._session.who, folder)
        self._made.add(name)
        return name

    def _present(self, uids: Sequence[int]) -> frozenset[int]:
        if not uids:
            return frozenset()
        numbers = ",".join(str(uid) for uid in uids)
        found = self._session.persistently(lambda: self._session.client.search(["UID", numbers]))
        return frozenset(found) & frozenset(uids)

    def _say(self, action: str, words: str) -> None:
        mailbox = self._session.mailbox.name if self._session.mailbox else ""
        line = f"{self._session.who}: {action!r} cannot be done in folder {mailbox!r}: {words}; nothing is lost"
        if line not in self._said:
            self._said.add(line)
            log.warning("%s", line)
