"""What people ask the database: the daily sessions, the sums of a period, the ledger."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests import builders
from tests.deliveries import delivery, moment, other, rejected
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import ask, schema, views
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record

DAY = date(2024, 1, 1)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def daily(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return sorted(map(tuple, connection.execute(select(views.daily_sessions))), key=repr)


@pytest.mark.parametrize(
    ("policies", "successful", "failed"),
    [
        pytest.param([("sts", 10, 2)], 10, 2, id="one policy"),
        pytest.param([("sts", 10, 2), ("tlsa", 10, 2)], 10, 2, id="Microsoft: the same sessions under sts and tlsa"),
        pytest.param([("sts", 10, 0), ("tlsa", 8, 2)], 8, 2, id="failed for one of them is failed"),
        pytest.param([("sts", 10, 0), ("sts", 5, 1)], 15, 1, id="the same type twice adds up"),
        pytest.param([("sts", 5, 0), ("sts", 5, 1), ("tlsa", 9, 3)], 9, 3, id="the largest total over the types"),
        pytest.param([("no-policy-found", 0, 0)], 0, 0, id="nothing"),
        pytest.param([("sts", 2**63 - 1, 2**63 - 1)] * 3, 10**12 * 3, 10**12 * 3, id="claims that overflow a sum"),
    ],
)
def test_sessions_of_a_report_and_domain_are_the_largest_over_policy_types(
    engine: Engine, policies: list[tuple[str, int, int]], successful: int, failed: int
) -> None:
    body = builders.report(
        0, *(builders.policy("a.example", kind, successful=ok, failed=no) for kind, ok, no in policies)
    )
    record(engine, [delivery(0, body)])
    assert daily(engine) == [(DAY, "Reporter Example", "a.example", successful, failed)]


def test_reports_domains_organizations_and_days_add_up_apart(engine: Engine) -> None:
    reports = [
        builders.report(0, builders.policy("a.example", successful=1), builders.policy("b.example", successful=2)),
        builders.report(0, builders.policy("a.example", successful=10), report_id="second"),
        builders.report(0, builders.policy("a.example", successful=100), organization_name="Other"),
        builders.report(1, builders.policy("a.example", successful=1000)),
        builders.report(1, builders.policy(policy_domain=builders.ABSENT, successful=5), organization_name="Other"),
    ]
    record(engine, [delivery(0, body, item=at) for at, body in enumerate(reports)])
    assert daily(engine) == [
        (DAY, "Other", "a.example", 100, 0),
        (DAY, "Reporter Example", "a.example", 11, 0),
        (DAY, "Reporter Example", "b.example", 2, 0),
        (date(2024, 1, 2), "Other", None, 5, 0),
        (date(2024, 1, 2), "Reporter Example", "a.example", 1000, 0),
    ]


def test_totals_of_a_period_and_of_a_domain(engine: Engine) -> None:
    failures = [builders.failure(count=3), builders.failure(count=2), builders.failure("validation-failure", 9)]
    for number in range(3):
        policies = [builders.policy("a.example", failures=failures), builders.policy("b.example", successful=1)]
        record(engine, [delivery(number, builders.report(number, *policies))], moment(f"2024-01-0{number + 1}T12:00"))
    late = builders.report(2, builders.policy("b.example"), organization_name="Other")
    record(engine, [delivery(9, late), rejected(10), other(11)], moment("2024-01-03T23:59:59.999999"))
    record(engine, [delivery(2, {**late, "contact-info": "x"}, item=12)], moment("2024-01-09"))

    whole = ask.totals(engine)
    a, b = (
        ask.Failures("validation-failure", "Reporter Example", 27),
        ask.Failures("certificate-expired", "Reporter Example", 15),
    )
    days = [date(2024, 1, number) for number in (1, 2, 3)]
    a_days = tuple(ask.DaySessions(day, 100, 14) for day in days)
    b_days = tuple(ask.DaySessions(day, count, 0) for day, count in zip(days, (1, 1, 101), strict=True))
    assert [(one.day, one.successful, one.failed) for one in whole.days] == [
        (days[0], 101, 14),
        (days[1], 101, 14),
        (days[2], 201, 14),
    ]
    assert whole == ask.Totals(
        domains=(
            ask.DomainTotal("a.example", 300, 42, (a, b), a_days),
            ask.DomainTotal("b.example", 103, 0, (), b_days),
        ),
        senders=(
            ask.SenderTotal("Reporter Example", 3, moment("2024-01-03")),
            ask.SenderTotal("Other", 1, moment("2024-01-03")),
        ),
        reports=4,
        conflicting=1,
        rejected=1,
        first_day=DAY,
        last_day=date(2024, 1, 3),
    )
    # Both days are included; a moment stands for its day.
    middle = ask.totals(engine, date(2024, 1, 2), moment("2024-01-02T18:00"))
    assert [(one.policy_domain, one.successful, one.failed) for one in middle.domains] == [
        ("a.example", 100, 14),
        ("b.example", 1, 0),
    ]
    assert (middle.reports, middle.conflicting, middle.rejected) == (1, 0, 0)
    assert ask.totals(engine, date(2024, 1, 3)).rejected == 1
    only = ask.totals(engine, domain="a.example")
    assert [one.policy_domain for one in only.domains] == ["a.example"]
    assert (only.reports, [one.organization_name for one in only.senders]) == (3, ["Reporter Example"])
    assert ask.totals(engine, domain="A.example").domains == ()


def test_an_empty_database_has_empty_totals(engine: Engine) -> None:
    assert ask.totals(engine) == ask.Totals((), (), 0, 0, 0, None, None)
    assert [*ask.ledger(engine), *ask.open_cases(engine)] == []


def test_a_claim_of_very_many_sessions_breaks_no_answer(engine: Engine) -> None:
    failures = [builders.failure(f"x{at}", 2**63 - 1) for at in range(50)]
    body = builders.report(0, *[builders.policy(failures=failures, failed=2**63 - 1) for _ in range(50)])
    record(engine, [delivery(0, body)])
    (total,) = ask.totals(engine).domains
    assert total.failed == 50 * 10**12
    assert sum(one.sessions for one in total.failures) == 2500 * 10**12


def test_the_ledger_newest_first(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "PAGE", 3)
    record(engine, [delivery(number) for number in range(5)], moment("2024-02-01"))
    record(engine, [rejected(10 + number) for number in range(4)], moment("2024-02-02"))
    rows = list(ask.ledger(engine))
    assert len(rows) == len({row.pk for row in rows}) == 9
    assert [row.outcome for row in rows] == [Outcome.REJECTED] * 4 + [Outcome.RECORDED] * 5
    assert rows[-1].report_id is not None
    assert rows[-1].last_at == moment("2024-02-01")
    assert (rows[0].stage, rows[0].code, rows[0].reason) == ("inflate", "truncated-gzip", "the gzip stream ends early")
    assert list(ask.ledger(engine, Outcome.RECORDED)) == rows[4:]
    assert list(ask.ledger(engine, limit=4)) == rows[:4]
    assert list(ask.ledger(engine, limit=3)) == rows[:3]
    assert list(ask.ledger(engine, since=moment("2024-02-02T01:00+01:00"))) == rows[:4]


def test_rejected_items_are_handed_out_in_the_order_of_reading_while_they_are_recorded(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask, "PAGE", 3)
    items = list(range(8))
    record(engine, [rejected(item, octets=b"%d" % item if item % 2 else None) for item in reversed(items)])
    record(engine, [rejected(3, part=1), delivery(20)])
    seen = []
    for row in ask.open_cases(engine):
        seen.append((int.from_bytes(row.item[4:]), row.part, row.octets))
        record(engine, [delivery(int.from_bytes(row.item[4:]), part=row.part)])
    expected = [(item, 0, b"%d" % item if item % 2 else None) for item in items]
    assert seen == [*expected[:4], (3, 1, None), *expected[4:]]
    assert list(ask.open_cases(engine)) == []


def test_reports_about_the_delivery_of_a_report_are_told_apart(engine: Engine) -> None:
    """One session, on the day after a report of the same organization on the same domain."""

    def about(number: int, sessions: int, domain: str = "example.com", **members: Any) -> Delivery:
        return delivery(number, builders.report(number, builders.policy(domain, successful=sessions), **members))

    record(
        engine,
        [
            about(0, 40), about(1, 1), about(2, 1), about(3, 2), about(4, 1, organization_name="Other"),
            about(5, 1), about(6, 1, "other.example"), about(8, 1), about(9, 0), about(10, 2**63 - 1),
        ],
    )  # fmt: skip
    loop = views.loop_report.c
    with engine.connect() as connection:
        found = connection.execute(select(loop.day, loop.policy_domain, loop.organization_name).order_by(loop.day))
        assert [(row.day.day, row.policy_domain, row.organization_name) for row in found] == [
            (2, "example.com", "Reporter Example"), (3, "example.com", "Reporter Example")
        ]  # fmt: skip
