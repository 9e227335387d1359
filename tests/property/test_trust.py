"""A forged report for a known identity does not keep the real one out, in whatever order and batches they arrive."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests import builders
from tests.deliveries import delivery
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema, tables, views
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.verdict import Authentication, Verdict

REAL = "google.example"
Arrival = tuple[int, str | None]
"""What the report says, and who signed it."""
_numbers = itertools.count(1)
_items = itertools.count(1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('replacing') / 'tlsrpt.db'}")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def arrival(number: int, content: int, signing_domain: str | None) -> Delivery:
    """A delivery of the report `number` that speaks of so many sessions, signed or not."""
    said = Authentication(Verdict.FAIL, REAL, "tls", None, "the key is revoked")
    if signing_domain:
        said = Authentication(Verdict.PASS, f"mail.{signing_domain}", "tls", signing_domain)
    body = builders.report(number, builders.policy(successful=content), organization_name="Google Inc.")
    return replace(delivery(number, body, item=next(_items)), authentication=said)


contents_of_strangers = st.integers(1, 3)
strangers = st.tuples(contents_of_strangers, st.none())
signing_strangers = st.tuples(st.just(4), st.just("evil.example"))
real = (100, REAL)


@settings(max_examples=60)
@given(st.data())
def test_what_the_reporting_domain_signed_counts_in_any_order(engine: Engine, data: st.DataObject) -> None:
    """Beside forgeries without a signature, those with a stranger's own, and copies of the real one, broken or not."""
    others = data.draw(
        st.lists(st.one_of(strangers, signing_strangers, st.just((100, None)), st.just(real)), max_size=6)
    )
    arrivals = data.draw(st.permutations([real, *others]))
    check(engine, data.draw(batches(arrivals)), {100} | {content for content, domain in others if domain})


@settings(max_examples=30)
@given(st.data())
def test_without_any_signature_the_first_counts(engine: Engine, data: st.DataObject) -> None:
    arrivals = data.draw(st.lists(strangers, min_size=1, max_size=6))
    check(engine, data.draw(batches(arrivals)), {arrivals[0][0]})


def batches(arrivals: Sequence[Arrival]) -> st.SearchStrategy[list[Sequence[Arrival]]]:
    """The arrivals in order, in some transactions."""
    cuts = st.lists(st.integers(0, len(arrivals)), max_size=4).map(lambda at: [0, *sorted(at), len(arrivals)])
    return cuts.map(lambda at: [arrivals[start:end] for start, end in itertools.pairwise(at)])


def check(engine: Engine, transactions: Sequence[Sequence[Arrival]], counted: set[int]) -> None:
    """Record the transactions, twice, and look at what counts then."""
    number = next(_numbers)
    made = [[arrival(number, *one) for one in transaction] for transaction in transactions]
    for _again in range(2):
        for transaction in made:
            record(engine, transaction)
        assert sessions(engine, number) == sorted(counted)
    rows = ledger(engine, number)
    assert len(rows) == sum(map(len, made))
    # Each counted report was recorded by one delivery; what is a duplicate is one of a counted report.
    for outcome, counts, _content in rows:
        assert (outcome in (Outcome.RECORDED, Outcome.DUPLICATE)) == counts
    assert sum(outcome == Outcome.RECORDED for outcome, *_ in rows) == len(counted)


def sessions(engine: Engine, number: int) -> list[int]:
    """The sessions of each counted report of the day; their sum is what the view has."""
    report, policy, daily = tables.report.c, tables.policy.c, views.daily_sessions.c
    day = delivery(number).reading.report.date_range.start_datetime  # type: ignore[union-attr] # it has one
    with engine.connect() as connection:
        found = connection.scalars(
            select(policy.total_successful_session_count)
            .join_from(tables.policy, tables.report)
            .where(report.conflicts_with.is_(None), report.start_datetime == day.replace(tzinfo=None))
        ).all()
        total = connection.scalar(select(daily.successful).where(daily.day == day.date()))
    assert total == sum(found)
    return sorted(found)


def ledger(engine: Engine, number: int) -> list[tuple[str, bool, Any]]:
    """Of each delivery of the day its outcome, whether its report counts, and who is said to have signed it."""
    report = tables.report.c
    day = delivery(number).reading.report.date_range.start_datetime  # type: ignore[union-attr] # it has one
    asked = (
        select(tables.delivery.c.outcome, report.conflicts_with, tables.delivery.c.signing_domain)
        .join_from(tables.delivery, tables.report, tables.delivery.c.report_pk == report.pk)
        .where(report.start_datetime == day.replace(tzinfo=None))
    )
    with engine.connect() as connection:
        return [(outcome, beside is None, domain) for outcome, beside, domain in connection.execute(asked)]


def test_the_same_on_each_database(database: str) -> None:
    engine = open_engine(database)
    schema.upgrade(engine)
    orders = itertools.permutations([(1, None), (2, None), (4, "evil.example"), (100, None), real])
    for arrivals in itertools.islice(orders, 0, 120, 7):
        check(engine, [[one] for one in arrivals], {4, 100})
    engine.dispose()
