"""Deleting reports of long ago."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests import builders
from tests.deliveries import contents, delivery, moment, other, rejected
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import prune as module
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.delivery import Place
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.prune import Pruned, prune
from tlsrpt_ingest.store.record import known, record


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def test_what_ended_before_goes_with_all_its_rows(engine: Engine) -> None:
    bodies = [builders.report(number, builders.policy(failures=[builders.failure()])) for number in range(10)]
    # Report 3 ends at 2024-01-04T23:59:59.
    kept = [delivery(number, bodies[number]) for number in range(4, 10)] + [other(20), rejected(21, octets=b"x")]
    now = moment("2024-02-01")
    long_ago = [other(22), rejected(23, octets=b"x")]
    record(engine, long_ago, moment("2024-01-04"))
    record(engine, kept, now)
    before = contents(engine)
    before["delivery"] = [row for row in before["delivery"] if dict(row)["last_at"] == now]
    record(engine, [delivery(number, bodies[number]) for number in range(4)], now)
    record(engine, [delivery(2, bodies[2], item=30), delivery(2, {**bodies[2], "contact-info": "x"}, item=31)], now)
    assert prune(engine, moment("2024-01-05T00:00+00:00"), batch=2) == Pruned(5, 5, 5, 8)
    assert contents(engine) == before
    assert prune(engine, moment("2024-01-05")) == Pruned()


def test_a_report_that_ended_at_the_moment_or_later_stays(engine: Engine) -> None:
    record(engine, [delivery(0)])
    assert prune(engine, moment("2024-01-01T23:59:59")).reports == 0
    assert prune(engine, moment("2024-01-01T23:59:59.000001")).reports == 1


@pytest.mark.parametrize("batch", [1, 500])
def test_conflicting_reports_go_with_the_counted_one(engine: Engine, batch: int) -> None:
    changed = [builders.report(0, contact_info=str(at)) for at in range(3)]
    record(engine, [delivery(0), *(delivery(0, body, item=at + 1) for at, body in enumerate(changed))])
    assert prune(engine, moment("2025-01-01"), batch=batch).reports == 4
    assert contents(engine)["report"] == contents(engine)["delivery"] == []


def test_the_ledger_keeps_what_lies_in_mailboxes_so_that_no_poll_reads_it_again(engine: Engine) -> None:
    mails = [delivery(uid, place=Place("work", "INBOX", 7, uid)) for uid in range(3)]
    record(engine, [*mails, delivery(0, item=10)])
    assert prune(engine, moment("2025-01-01")) == Pruned(3, 3, 0, 1)
    assert known(engine, [mail.item for mail in mails]) == {mail.item: [Outcome.RECORDED] for mail in mails}
    assert {dict(row)["report_pk"] for row in contents(engine)["delivery"]} == {None}
    # What is read again after all is a new report then, and its ledger row stays.
    assert record(engine, [mails[0], delivery(9)]) == [Outcome.RECORDED] * 2


def test_a_rejected_mail_of_long_ago_stays_known_while_it_lies_in_a_mailbox(engine: Engine) -> None:
    mails = [other(1, place=Place("work", "INBOX", 7, 1)), rejected(2, place=Place("work", "INBOX", 7, 2))]
    record(engine, mails, moment("2024-01-01"))
    assert prune(engine, moment("2025-01-01")) == Pruned()
    assert known(engine, [mail.item for mail in mails]).keys() == {mail.item for mail in mails}


def test_the_mail_that_did_not_count_is_kept_until_then(engine: Engine) -> None:
    why = Unreadable("trust", "none", "nobody vouches for it")
    place = Place("work", "INBOX", 7, 2)
    mail = rejected(2, place=place, failure=why, refused=Outcome.UNAUTHENTICATED, octets=b"From: x")
    assert record(engine, [mail], moment("2024-01-01")) == [Outcome.UNAUTHENTICATED]
    for before, octets in (("2023-12-31", b"From: x"), ("2025-01-01", None)):
        assert prune(engine, moment(before)) == Pruned()
        assert [dict(row)["octets"] for row in contents(engine)["delivery"]] == [octets]


def test_what_was_tried_again_since_stays(engine: Engine) -> None:
    record(engine, [rejected(1)], moment("2024-01-01"))
    record(engine, [rejected(1)], moment("2025-01-01"))
    assert prune(engine, moment("2024-06-01")) == Pruned()
    assert prune(engine, moment("2025-06-01")) == Pruned(deliveries=1)


def test_a_transaction_has_a_bound_of_failure_details_also(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [builders.failure(), builders.failure()]
    bodies = [builders.report(number, builders.policy(failures=failures)) for number in range(5)]
    record(engine, [delivery(number, body) for number, body in enumerate(bodies)])
    monkeypatch.setattr(module, "ROWS", 4)
    sizes: list[int] = []
    delete = "DELETE FROM failure_detail"

    @event.listens_for(engine, "after_cursor_execute")
    def note(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith(delete):
            sizes.append(cursor.rowcount)

    assert prune(engine, moment("2025-01-01")) == Pruned(5, 5, 10, 5)
    assert sizes == [4, 4, 2]
    # One that has more than the bound by itself goes by itself.
    record(engine, [delivery(number, body) for number, body in enumerate(bodies[:2])])
    monkeypatch.setattr(module, "ROWS", 1)
    assert prune(engine, moment("2025-01-01")).reports == 2
    assert sizes[3:] == [2, 2]
