"""A mailbox of more messages than one SEARCH takes: all are read once, and what is known costs no SEARCH."""

from contextlib import closing
from typing import Any

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine

from tests import builders
from tests.servers.dovecot import User
from tests.servers.test_imap_read import ENVIRONMENT, account, client, counted, engine, poll
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import imap_read
from tlsrpt_ingest.sources.imap import imap_sources
from tlsrpt_ingest.store.messages import Messages

__all__ = ["engine"]  # the fixture


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Windows of four UIDs, and what was searched for."""
    monkeypatch.setattr(imap_read, "WINDOW", 4)
    asked: list[Any] = []
    search = IMAPClient.search

    def note(self: IMAPClient, criteria: Any) -> Any:
        asked.append(criteria)
        return search(self, criteria)

    monkeypatch.setattr(IMAPClient, "search", note)
    return asked


def test_a_window_that_the_ledger_has_whole_is_not_searched(mailbox: User, engine: Engine, searches: list[Any]) -> None:
    for number in range(10):
        mailbox.deliver(builders.mail(number=number))
    config = account(mailbox)
    assert poll(config, engine).outcomes == {Outcome.RECORDED: 10}
    assert searches == [["UID", "1:4"], ["UID", "5:8"], ["UID", "9:10"]]
    searches.clear()
    assert poll(config, engine).items == 0
    assert searches == []
    mailbox.deliver(builders.mail(number=10))
    assert poll(config, engine).outcomes == {Outcome.RECORDED: 1}
    assert searches == [["UID", "9:11"]]
    assert counted(engine) == 11


def test_what_vanished_and_what_is_to_be_tried_again_leaves_a_window_open(
    mailbox: User, engine: Engine, searches: list[Any]
) -> None:
    for number in range(10):
        mailbox.deliver(builders.mail(b"{" if number == 1 else None, number=number))
    other = client(mailbox)
    other.delete_messages([6])
    other.expunge()
    other.logout()
    searches.clear()
    config = account(mailbox)
    assert poll(config, engine).outcomes == {Outcome.RECORDED: 8, Outcome.REJECTED: 1}
    searches.clear()
    assert poll(config, engine).outcomes == {Outcome.REJECTED: 1}
    assert searches == [["UID", "1:4"], ["UID", "5:8"]]


def test_what_there_is_to_read_is_estimated_until_all_sizes_are_known(
    mailbox: User, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_read, "SIZES", 4)
    monkeypatch.setattr(imap_read, "FETCH", 2)
    for number in range(10):
        mailbox.deliver(builders.mail(number=number))
    with closing(imap_sources(account(mailbox), ENVIRONMENT, Messages(engine), change=False)) as sources:
        source = next(sources)
        items = source.items()
        size = len(next(items).octets)
        assert source.octets_total
        assert 9 * size < source.octets_total < 11 * size
        assert len(list(items)) == 9
        assert source.octets_total == source.octets_read
