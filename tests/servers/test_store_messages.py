"""What a poll asks the ledger of a mailbox: what is known, and what the owner's wish is still owed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.deliveries import delivery, other, rejected
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import messages as module
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.delivery import Place
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.store.record import record

MAILBOX = ("work", "INBOX", 7)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def at(uid: int) -> Place:
    return Place(*MAILBOX, uid)


@pytest.fixture
def filled(engine: Engine) -> Messages:
    """UIDs 1 to 9: three reports, the fourth with one that cannot be read beside it, two others, three rejected."""
    record(
        engine,
        [
            *(delivery(uid, item=uid, place=at(uid)) for uid in (1, 2, 3)),
            delivery(4, item=4, place=at(4)),
            rejected(4, part=1, place=at(4)),
            *(other(uid, place=at(uid)) for uid in (5, 6)),
            *(rejected(uid, place=at(uid)) for uid in (7, 8, 9)),
            delivery(1, item=50),
        ],
    )
    return Messages(engine)


def test_a_window_that_is_known_whole_is_a_range(filled: Messages) -> None:
    assert filled.known(MAILBOX, 1, 3, attempts=5) == range(1, 4)
    assert filled.known(MAILBOX, 1, 9, attempts=1) == range(1, 10)


def test_what_is_to_be_tried_again_and_what_nobody_saw_is_not_known(filled: Messages) -> None:
    assert set(filled.known(MAILBOX, 1, 9, attempts=2)) == {1, 2, 3, 5, 6}
    assert set(filled.known(MAILBOX, 9, 12, attempts=1)) == {9}
    assert set(filled.known(("work", "INBOX", 8), 1, 9, attempts=1)) == set()


@pytest.mark.parametrize("page", [1, 2, 500])
def test_each_message_is_unsettled_once_by_its_gravest_outcome(
    filled: Messages, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", page)

    def unsettled(*outcomes: Outcome) -> dict[int, Outcome]:
        rows = list(filled.unsettled(MAILBOX, outcomes))
        assert len({row.uid for row in rows}) == len(rows)
        return {row.uid: row.outcome for row in rows}

    assert unsettled(Outcome.RECORDED) == dict.fromkeys((1, 2, 3), Outcome.RECORDED)
    assert unsettled(Outcome.REJECTED) == dict.fromkeys((4, 7, 8, 9), Outcome.REJECTED)
    assert unsettled(*Outcome).keys() == set(range(1, 10))
    filled.settled(MAILBOX, [1, 4, 9])
    assert unsettled(*Outcome).keys() == {2, 3, 5, 6, 7, 8}


def test_what_is_settled_while_it_is_read_costs_no_other_its_turn(
    filled: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    seen = []
    for row in filled.unsettled(MAILBOX, [Outcome.REJECTED]):
        seen.append(row.uid)
        filled.settled(MAILBOX, [row.uid])
    assert seen == [4, 7, 8, 9]
