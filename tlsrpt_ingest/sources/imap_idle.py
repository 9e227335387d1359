"""Wait for new mail by IDLE (RFC 2177): a thread for each mailbox, which wakes whoever waits for its event."""

import imaplib
import logging
import random
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from imapclient import IMAPClient

from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.errors import IngestError, Unavailable
from tlsrpt_ingest.sources.imap_login import said
from tlsrpt_ingest.sources.imap_session import LOST, Session

log = logging.getLogger(__name__)

RENEW: Final = 24 * 60
"""Seconds of one IDLE: servers hang up after 29 minutes (RFC 2177), routers forget connections sooner than that."""

STEP: Final = 30
"""Seconds of one wait, after which a dead connection and the end of the program are noticed."""

NOTICE: Final = 2
"""Seconds in which a thread notices that its connection was hung up."""

PAUSE: Final = 5
LONGEST_PAUSE: Final = 300
"""Seconds before the second try to connect, doubling up to the longest."""


class Idler(threading.Thread):
    """Sets `news` when something happened in a mailbox, until `close` is called; ends by itself without IDLE."""

    def __init__(self, account: Imap, folder: str, environment: Mapping[str, str], news: threading.Event) -> None:
        super().__init__(name=f"idle {account.name} {folder}", daemon=True)
        self._session = Session(account, environment, change=False)
        self._folder = folder
        self._news = news
        self._closed = threading.Event()

    def run(self) -> None:
        """Idle, and connect again when the connection is lost."""
        pause = PAUSE
        while not self._closed.is_set():
            try:
                # The config's name may be a glob, and has "/" where the server may have something else.
                name = next(self._session.folders().matching([self._folder], self._session.who), None)
                if name is None:
                    return
                self._session.open(name)
                if not self._session.client.has_capability("IDLE"):
                    log.info("%s: the server has no IDLE; it is polled", self._session.who)
                    return
                pause = PAUSE
                # What came while nobody listened.
                self._news.set()
                self._idle(self._session.client)
            except Unavailable as error:
                log.info("%s", error)
            except (*LOST, imaplib.IMAP4.error) as error:
                if self._closed.is_set():
                    return
                log.info("%s: %s while idling", self._session.who, said(error))
            except IngestError as error:
                log.warning("%s", error)
                return
            finally:
                self._session.close()
            self._closed.wait(pause * (0.5 + random.random()))  # noqa: S311 - no secret
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        """End the thread, which is waited for no longer than it takes to notice; connecting takes longer than that."""
        self._closed.set()
        self._session.interrupt()
        self.join(NOTICE)

    def _idle(self, client: IMAPClient) -> None:
        while not self._closed.is_set():
            client.idle()
            until = time.monotonic() + RENEW
            while time.monotonic() < until and not self._closed.is_set():
                began = time.monotonic()
                answers: list[Any] = client.idle_check(timeout=STEP)
                if any(_is_news(answer) for answer in answers):
                    self._news.set()
                elif not answers and time.monotonic() - began < STEP / 2:
                    # On a connection that is dead, idle_check answers nothing at once, and for ever.
                    raise imaplib.IMAP4.abort("the connection died")
            client.idle_done()


def _is_news(answer: Any) -> bool:
    return len(answer) > 1 and answer[1] in (b"EXISTS", b"RECENT")
