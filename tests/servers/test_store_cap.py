"""How many reports about one day one sender may have counted, on each of the three databases."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from tests import builders
from tests.deliveries import delivery
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.cap import capped
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.prepared import Prepared, prepare
from tlsrpt_ingest.store.record import write
from tlsrpt_ingest.verdict import Authentication, Verdict

RECORDED, DUPLICATE, REJECTED = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.REJECTED


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def one(item: int, day: int = 0, **changes: Any) -> Prepared:
    """A delivery of the report `item`, about a day."""
    return prepare(delivery(day, builders.report(day, report_id=f"report {item}"), item=item, **changes))


def outcomes(engine: Engine, *deliveries: Prepared, most: int = 3) -> list[Outcome]:
    return write(engine, capped(engine, deliveries, most))


def test_what_is_beyond_is_rejected_and_kept(engine: Engine) -> None:
    assert outcomes(engine, *map(one, range(5))) == [RECORDED] * 3 + [REJECTED] * 2
    refused = capped(engine, [one(5)], 3)[0]
    assert (refused.stage, refused.code, refused.report) == ("trust", "too-many-reports", None)
    assert refused.octets is not None
    assert "nobody signing for 'reporter.example' has 3 reports about 2024-01-01" in (refused.reason or "")
    # Known ones bring nothing new, other days and other senders have a number of their own.
    assert outcomes(engine, one(0, message_id="again"), one(6, day=1)) == [DUPLICATE, RECORDED]
    assert outcomes(engine, one(7, sender="tls@Other.example"), one(8, sender=None)) == [RECORDED, RECORDED]
    # The owner raises it.
    assert outcomes(engine, one(3), one(4), most=5) == [RECORDED, RECORDED]


def test_the_sender_is_who_vouches(engine: Engine) -> None:
    said = Authentication(Verdict.PASS, "mail.google.example", "tls", "google.example")
    signed = [one(number, authentication=said, sender=f"tls@host{number}.example") for number in range(4)]
    assert outcomes(engine, *signed) == [RECORDED] * 3 + [REJECTED]
    assert outcomes(engine, one(10)) == [RECORDED]


def test_a_flood_in_a_senders_name_does_not_keep_out_what_it_signed(engine: Engine) -> None:
    flood = [one(number, sender="tls@google.example") for number in range(5)]
    assert outcomes(engine, *flood) == [RECORDED] * 3 + [REJECTED] * 2
    said = Authentication(Verdict.PASS, "google.example", "tls", "google.example")
    assert outcomes(engine, one(9, sender="tls@google.example", authentication=said)) == [RECORDED]


def test_a_report_twice_in_a_batch_is_one(engine: Engine) -> None:
    twice = [one(number, message_id=str(at)) for at, number in enumerate([0, 0, 1, 1, 2, 2, 3])]
    assert capped(engine, twice, 3)[-1].code == "too-many-reports"
    assert [delivery.code for delivery in capped(engine, twice, 3)[:-1]] == [None] * 6
