"""IDLE on a real Dovecot: told of new mail, and ended from another thread at whatever moment."""

import threading
from contextlib import closing

from tests import builders
from tests.installed import PATIENCE
from tests.servers.dovecot import User
from tests.servers.test_imap_read import ENVIRONMENT, account
from tlsrpt_ingest.sources.imap_idle import Idler


def idler(user: User, news: threading.Event) -> Idler:
    made = Idler(account(user), "INBOX", ENVIRONMENT, news)
    made.start()
    assert news.wait(PATIENCE)  # said once when it begins to listen
    news.clear()
    return made


def test_it_tells_of_new_mail(mailbox: User) -> None:
    news = threading.Event()
    with closing(idler(mailbox, news)):
        mailbox.deliver(builders.mail())
        assert news.wait(PATIENCE)


def test_it_ends_without_a_word_whatever_it_was_doing(mailbox: User) -> None:
    # A thread that dies of an exception is an error here (filterwarnings).
    for _ in range(20):
        one = idler(mailbox, threading.Event())
        one.close()
        one.join(PATIENCE)
        assert not one.is_alive()
