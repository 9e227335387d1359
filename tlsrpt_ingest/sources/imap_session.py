"""A connection to an IMAP account, made when it is needed and made again when it broke, with its mailbox opened."""

import imaplib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError

from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.sources.imap_folder import Folders, list_folders
from tlsrpt_ingest.sources.imap_login import BROKEN, connect, drop, hang_up, is_passing, said
from tlsrpt_ingest.sources.source import Mailbox

log = logging.getLogger(__name__)

LOST: Final = (*BROKEN, ProtocolError)
"""What means that this connection is lost: after it the client is in a state of its own."""

LOSSES: Final = 50
"""Connections that may be lost with nothing read between them. Finding a rotten message by quartering costs eight."""


class Session:
    """One connection to one account, with one mailbox opened at a time."""

    def __init__(self, account: Imap, environment: Mapping[str, str], *, change: bool) -> None:
        """With `change` the mailbox is opened by SELECT, else by EXAMINE."""
        self.account = account
        self.who = f"account {account.name!r}"
        self.mailbox: Mailbox | None = None
        self.exists = 0
        self.uidnext = 0
        self.read_only = not change
        """Whether the mailbox was opened by EXAMINE, or the server has it so."""
        self.permanent_flags: frozenset[bytes] = frozenset()
        self._environment = environment
        self._change = change
        self._client: IMAPClient | None = None
        self._lost = 0

    @property
    def client(self) -> IMAPClient:
        """The client, connected and logged in."""
        if self._client is None:
            self._client = connect(self.account, self._environment)
        return self._client

    def folders(self) -> Folders:
        """The account's mailboxes."""
        try:
            return list_folders(self.client)
        except (*LOST, imaplib.IMAP4.error) as error:
            raise self.unavailable(error) from error

    def open(self, name: str) -> Mailbox:
        """Open a mailbox; its epoch. Raises Misconfigured if it cannot be opened, Unavailable if the server is away."""
        try:
            answer = self._select(name)
        except LOST as error:
            raise self.unavailable(error) from error
        except imaplib.IMAP4.error as error:
            if is_passing(error):
                raise self.unavailable(error) from error
            raise Misconfigured(f"{self.who}: cannot open folder {name!r}: {said(error)}") from error
        if b"UIDVALIDITY" not in answer:
            raise Misconfigured(f"{self.who}: folder {name!r} has no UIDVALIDITY, so its messages cannot be told apart")
        self.mailbox = Mailbox(self.account.name, name, int(answer[b"UIDVALIDITY"]))
        self.exists = int(answer.get(b"EXISTS", 0))
        self.uidnext = int(answer.get(b"UIDNEXT", 0))
        self.permanent_flags = frozenset(flag.lower() for flag in answer.get(b"PERMANENTFLAGS", ()))
        return self.mailbox

    def _select(self, name: str) -> dict[bytes, Any]:
        self.read_only = not self._change
        try:
            answer: dict[bytes, Any] = self.client.select_folder(name, readonly=not self._change)
        except imaplib.IMAP4.readonly:  # a kind of `abort`, and no reason to connect again
            self.read_only = True
            log.warning("%s: folder %r is read-only; nothing is moved, marked or deleted in it", self.who, name)
            answer = self.client.select_folder(name, readonly=True)
        return answer

    def again(self, error: BaseException) -> None:
        """Connect again after `error`, with the same mailbox open; raises Unavailable if that cannot be."""
        self._lost += 1
        before = self.mailbox
        self.close()
        if self._lost > LOSSES:
            raise self.unavailable(error) from error
        log.info("%s: connection lost (%s); connecting again", self.who, said(error))
        if before is not None and self.open(before.name) != before:
            raise Unavailable(f"{self.who}: folder {before.name!r} was rebuilt while it was read; try again")

    def steady(self) -> None:
        """The connection has brought something: what was lost before does not count any more."""
        self._lost = 0

    def persistently(self, ask: Callable[[], Any]) -> Any:
        """The answer to what may be asked twice; once more on a new connection where the first was lost."""
        try:
            return ask()
        except LOST as error:
            self.again(error)
        except imaplib.IMAP4.error as error:
            raise self.unavailable(error) from error
        try:
            return ask()
        except (*LOST, imaplib.IMAP4.error) as error:
            raise self.unavailable(error) from error

    def close(self) -> None:
        """Close the connection; the next use makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            drop(client)

    def interrupt(self) -> None:
        """End what another thread waits for on this connection, with one of LOST there."""
        if (client := self._client) is not None:
            hang_up(client)

    def log_out(self) -> None:
        """Part from the server as it should be."""
        if self._client is not None:
            try:
                self._client.logout()
            except (*LOST, imaplib.IMAP4.error) as error:
                log.debug("%s: logout: %s", self.who, said(error))
            self.close()

    def unavailable(self, error: BaseException) -> Unavailable:
        """The error that ends the run, and closes the connection."""
        self.close()
        return Unavailable(f"{self.who}: {self.account.host} hung up or did not answer: {said(error)}")
