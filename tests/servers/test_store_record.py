"""Recording deliveries: each report once, each delivery in the ledger once, on each of the three databases."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, select, text

from tests import builders
from tests.deliveries import contents, delivery, moment, other, rejected
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import persevering, schema, tables
from tlsrpt_ingest.store.delivery import Delivery, Place
from tlsrpt_ingest.store.engine import open_engine, writing
from tlsrpt_ingest.store.prepared import prepare
from tlsrpt_ingest.store.record import known, record
from tlsrpt_ingest.store.transaction import Transaction

NOON = moment("2024-03-01T12:00")
RECORDED, DUPLICATE, CONFLICTING = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.CONFLICTING
REJECTED, NOT_A_REPORT = Outcome.REJECTED, Outcome.NOT_A_REPORT


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def column(engine: Engine, *columns: Any) -> list[Any]:
    with engine.connect() as connection:
        rows = connection.execute(select(*columns)).all()
    return sorted((row[0] if len(columns) == 1 else tuple(row) for row in rows), key=repr)


def with_failures(number: int = 0) -> dict[str, Any]:
    failures = [
        builders.failure(
            count=3, additional_information="https://reporter.example/?a=%41&b=é", x_unknown=[1, {"a": None}]
        ),
        builders.failure("validation-failure", 2, receiving_mx_helo="mx1", failure_reason_code="x'\\\" -- \t\n"),
    ]
    body = builders.report(
        number,
        builders.policy(failures=failures, x_of_policy={"b": 1, "a": 2.5}),
        builders.policy(policy_type="tlsa", successful=7),
        x_of_report="\U0001f600",
    )
    body["policies"][1]["summary"]["x-of-summary"] = True
    return body


def test_a_report_becomes_rows_in_the_words_of_rfc_8460(engine: Engine) -> None:
    assert record(engine, [delivery(0, with_failures())], NOON) == [RECORDED]
    report, policy, detail = tables.report.c, tables.policy.c, tables.failure_detail.c
    assert column(
        engine, report.organization_name, report.report_id, report.contact_info, report.start_datetime,
        report.end_datetime, report.submitter, report.unknown_members, report.recorded_at, report.conflicts_with,
    ) == [
        (
            "Reporter Example", "2024-01-01.0@reporter.example", "tls-reports@reporter.example", moment("2024-01-01"),
            moment("2024-01-01T23:59:59"), "reporter.example", {"x-of-report": "\U0001f600"}, NOON, None,
        )
    ]  # fmt: skip
    assert column(
        engine, policy.position, policy.policy_type, policy.policy_domain, policy.total_successful_session_count,
        policy.total_failure_session_count,
    ) == [(0, "sts", "example.com", 100, 5), (1, "tlsa", "example.com", 7, 0)]  # fmt: skip
    with engine.connect() as connection:
        first, second = connection.execute(select(tables.policy).order_by(policy.position)).all()
        assert first.policy_string == ["version: STSv1", "mode: enforce", "mx: mx1.example.com", "max_age: 604800"]
        assert (first.mx_host, second.mx_host) == (["mx1.example.com"], [])
        assert (first.unknown_members, second.unknown_members) == (
            {"policy": {"x-of-policy": {"b": 1, "a": 2.5}}},
            {"summary": {"x-of-summary": True}},
        )
        one, two = connection.execute(select(tables.failure_detail).order_by(detail.position)).all()
    assert (one.policy_position, one.result_type, one.failed_session_count) == (0, "certificate-expired", 3)
    assert (one.sending_mta_ip, one.receiving_ip) == ("2001:db8:abcd:0012::1", "203.0.113.56")
    assert (one.additional_information, one.unknown_members) == (
        "https://reporter.example/?a=%41&b=é",
        {"x-unknown": [1, {"a": None}]},
    )
    assert (two.receiving_mx_helo, two.failure_reason_code, two.unknown_members) == ("mx1", "x'\\\" -- \t\n", None)
    assert column(engine, tables.deviation.c.code, tables.deviation.c.path) == [("some-deviation", "$.policies[0]")]
    assert column(engine, tables.document.c.gzip) == [delivery(0, with_failures()).document]


def test_recording_again_changes_nothing(engine: Engine) -> None:
    deliveries = [delivery(0, with_failures()), delivery(1), other(2), rejected(3)]
    assert record(engine, deliveries, NOON) == [RECORDED, RECORDED, NOT_A_REPORT, REJECTED]
    before = contents(engine, "attempts", "last_at")
    again = record(engine, deliveries, moment("2024-03-02"))
    assert again == [DUPLICATE, DUPLICATE, NOT_A_REPORT, REJECTED]
    assert contents(engine, "attempts", "last_at") == before
    delivery_ = tables.delivery.c
    assert column(engine, delivery_.item, delivery_.outcome, delivery_.attempts) == [
        (deliveries[0].item, "recorded", 1),
        (deliveries[1].item, "recorded", 1),
        (deliveries[2].item, "not_a_report", 1),
        (deliveries[3].item, "rejected", 2),
    ]
    assert column(engine, delivery_.last_at) == [NOON, NOON, NOON, moment("2024-03-02")]


def test_the_same_report_by_other_mails_is_a_duplicate(engine: Engine) -> None:
    body = with_failures()
    # The same members in another order, with blanks, in another gzip stream: other octets, the same report.
    shuffled = delivery(0, dict(reversed(body.items())), item=3)
    outcomes = record(engine, [delivery(0, body), delivery(0, body, item=1)])
    assert outcomes == [RECORDED, DUPLICATE]
    assert record(engine, [delivery(0, body, item=2), shuffled]) == [DUPLICATE, DUPLICATE]
    assert count(engine, tables.report) == 1
    assert len(set(column(engine, tables.delivery.c.report_pk))) == 1
    assert count(engine, tables.delivery) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"contact_info": "somebody@else.example"},
        {"x_unknown": 1},
        {"policies": [builders.policy(successful=101)]},
        {"policies": [builders.policy(mx_host=["mx2.example.com"])]},
        {"policies": [builders.policy(failures=[builders.failure()], failed=0)]},
        {"policies": [builders.policy(), builders.policy()]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_identity_with_other_content_is_kept_beside_it(engine: Engine, change: dict[str, Any]) -> None:
    changed = builders.report(0, **change)
    first = record(engine, [delivery(0), delivery(0, changed, item=1), delivery(0, changed, item=2)])
    assert first == [RECORDED, CONFLICTING, CONFLICTING]
    assert record(engine, [delivery(0, changed, item=3), delivery(0, item=4)]) == [CONFLICTING, DUPLICATE]
    assert count(engine, tables.report) == 2
    with engine.connect() as connection:
        counted, beside = connection.execute(
            select(tables.report).order_by(tables.report.c.conflicts_with.is_not(None))
        ).all()
        assert beside.conflicts_with == counted.pk
        assert connection.scalar(text("SELECT SUM(successful) FROM daily_sessions")) == 100
        kept = connection.scalars(select(tables.delivery.c.report_pk).order_by(tables.delivery.c.item)).all()
    assert kept == [counted.pk, beside.pk, beside.pk, beside.pk, counted.pk]


def test_other_organizations_domains_and_periods_are_other_reports(engine: Engine) -> None:
    bodies = [
        builders.report(0),
        builders.report(0, organization_name="Other Example"),
        builders.report(0, organization_name=builders.ABSENT),
        builders.report(0, report_id="another"),
        builders.report(0, builders.policy("example.net")),
        builders.report(0, builders.policy(), builders.policy("example.net")),
        builders.report(0, organization_name="reporter example"),
        builders.report(0, organization_name="Reporter Example "),
        builders.report(0, organization_name="Réporter Example"),
    ]
    assert record(engine, [delivery(0, body, item=at) for at, body in enumerate(bodies)]) == [RECORDED] * len(bodies)
    with engine.connect() as connection:
        # Case, accents and trailing blanks are other names.
        names = connection.scalars(text("SELECT organization_name FROM sender")).all()
    assert len(names) == 6


def test_more_deliveries_than_a_block_has_pks(engine: Engine) -> None:
    many = tables.PK_BLOCK + 5
    assert record(engine, [delivery(number) for number in range(many)]) == [RECORDED] * many
    assert count(engine, tables.policy) == many
    assert record(engine, [delivery(number) for number in range(many + 1)]) == [DUPLICATE] * many + [RECORDED]


def test_two_deliveries_of_one_item_and_the_same_delivery_twice(engine: Engine) -> None:
    first, second = delivery(0, item=7), delivery(1, item=7, part=1)
    assert record(engine, [first, second, first, rejected(8), rejected(8)]) == [
        RECORDED, RECORDED, DUPLICATE, REJECTED, REJECTED,
    ]  # fmt: skip
    assert known(engine, [first.item, rejected(8).item, b"x" * 16]) == {
        first.item: [RECORDED, RECORDED],
        rejected(8).item: [REJECTED],
    }
    assert column(engine, tables.delivery.c.attempts) == [1, 1, 1]


def test_what_was_rejected_and_can_be_read_now_is_recorded(engine: Engine) -> None:
    record(engine, [rejected(0, octets=b"the mail"), rejected(1, octets=b"x")], NOON)
    assert column(engine, tables.delivery.c.octets) == [b"the mail", b"x"]
    later = moment("2024-03-02")
    assert record(engine, [delivery(0), other(1, octets=b"x")], later) == [RECORDED, NOT_A_REPORT]
    row = tables.delivery.c
    assert column(engine, row.outcome, row.stage, row.code, row.reason, row.octets, row.attempts, row.first_at) == [
        ("not_a_report", None, None, None, None, 2, NOON),
        ("recorded", None, None, None, None, 2, NOON),
    ]
    assert len([pk for pk in column(engine, row.report_pk) if pk is not None]) == 1
    # Final now: another reading, by whatever version, changes nothing.
    record(engine, [rejected(0)], moment("2024-03-03"))
    assert column(engine, row.outcome, row.attempts, row.last_at) == [
        ("not_a_report", 2, later),
        ("recorded", 2, later),
    ]


def test_kept_octets_stay_as_long_as_it_is_rejected(engine: Engine) -> None:
    record(engine, [rejected(0, octets=b"the mail")])
    record(engine, [rejected(0, "another reason")])
    assert column(engine, tables.delivery.c.octets, tables.delivery.c.reason) == [(b"the mail", "another reason")]


def test_a_part_that_is_not_found_any_more_is_no_open_case(engine: Engine) -> None:
    record(engine, [rejected(0), rejected(0, part=1), rejected(0, part=2), rejected(1), rejected(1, part=1)])
    record(engine, [delivery(0), rejected(0, part=1)])
    assert known(engine, [rejected(0).item, rejected(1).item]) == {
        rejected(0).item: [RECORDED, REJECTED],
        rejected(1).item: [REJECTED, REJECTED],
    }


def test_mailboxes_are_entered_once_for_each_epoch(engine: Engine) -> None:
    places = [Place("work", "INBOX/Ä" * 100, validity, uid) for validity, uid in [(1, 1), (1, 2), (2, 1)]]
    record(engine, [delivery(at, place=place) for at, place in enumerate(places[:2])])
    record(engine, [delivery(at, place=place) for at, place in enumerate(places)])
    assert count(engine, tables.mailbox) == 2
    with engine.connect() as connection:
        rows = connection.execute(
            select(tables.mailbox.c.uidvalidity, tables.delivery.c.uid)
            .join_from(tables.delivery, tables.mailbox)
            .order_by(tables.delivery.c.item)
        ).all()
    assert [tuple(row) for row in rows] == [(1, 1), (1, 2), (2, 1)]


def _unvalidated(number: int, **changes: Any) -> Delivery:
    """A delivery whose first summary nobody validated."""
    one = delivery(number)
    assert one.reading is not None
    first, *others = one.reading.members["policies"]
    summary = first["summary"] | {name.replace("_", "-"): value for name, value in changes.items()}
    return _with(one, policies=(first | {"summary": summary}, *others))


def _with(one: Delivery, **changes: Any) -> Delivery:
    """A delivery of which nobody validated what is changed in its report."""
    assert one.reading is not None
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    return replace(one, reading=replace(one.reading, members=one.reading.members | changed))


POISON: dict[str, Callable[[], Delivery]] = {
    "2**63": lambda: _unvalidated(7, total_successful_session_count=2**63),
    "2**70": lambda: _unvalidated(7, total_failure_session_count=2**70),
    "surrogate": lambda: _with(delivery(7), contact_info="\ud800"),
    "no type": lambda: _with(delivery(7), contact_info={"a": 1}),
    "no value": lambda: _with(delivery(7), report_id=None),
}


@pytest.mark.parametrize("poison", list(POISON))
def test_what_the_database_refuses_stands_alone(engine: Engine, poison: str) -> None:
    deliveries = [delivery(number) for number in range(20)]
    deliveries[7] = POISON[poison]()
    expected = [RECORDED] * 20
    expected[7] = REJECTED
    assert record(engine, deliveries) == expected
    assert count(engine, tables.report) == count(engine, tables.document) == 19
    row = tables.delivery.c
    with engine.connect() as connection:
        (entry,) = connection.execute(select(tables.delivery).where(row.outcome == "rejected")).all()
    assert (entry.item, entry.stage, entry.code) == (deliveries[7].item, "store", "refused")
    assert entry.reason.startswith("the database refused the report: ")
    assert entry.octets == deliveries[7].document  # from which it can be read again
    assert entry.report_pk is None


def test_a_nul_stands_alone_where_the_database_has_none(engine: Engine) -> None:
    outcomes = record(engine, [delivery(0), _with(delivery(1), contact_info="a\0b"), delivery(2)])
    assert outcomes == [RECORDED, REJECTED if engine.dialect.name == "postgresql" else RECORDED, RECORDED]


def test_a_ledger_row_that_is_refused_itself_is_entered_with_its_reason_only(engine: Engine) -> None:
    outcomes = record(engine, [other(0, subject="\ud800"), rejected(1, "\udfff", sender="\udfff"), delivery(2)])
    assert outcomes == [NOT_A_REPORT, REJECTED, RECORDED]
    with engine.connect() as connection:
        first, second = connection.execute(select(tables.delivery).order_by(tables.delivery.c.item).limit(2)).all()
    assert (first.subject, first.outcome) == (None, "not_a_report")
    assert (second.sender, second.outcome, second.code) == (None, "rejected", "truncated-gzip")
    assert "udfff" in second.reason


def test_an_error_that_is_not_of_the_data_is_raised_and_nothing_is_recorded(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE deviation"))
    with pytest.raises(Misconfigured, match="tlsrpt-ingest db upgrade"):
        record(engine, [delivery(0), delivery(1)])
    assert count(engine, tables.report) == count(engine, tables.delivery) == 0


def _bug() -> None:
    raise KeyError


def test_the_database_stays_as_it_is_when_the_last_statement_fails(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlsrpt_ingest.store.transaction.Transaction._ledger", lambda *_arguments: _bug())
    with pytest.raises(KeyError):
        record(engine, [delivery(0)])
    assert count(engine, tables.report) == 0


def test_what_others_hold_is_waited_for_and_then_unavailable(
    database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlsrpt_ingest.store.engine.BUSY", 1)
    monkeypatch.setattr(persevering, "ATTEMPTS", 2)
    impatient = open_engine(database)
    mine = delivery(0)
    with engine.connect() as connection:
        connection.execution_options(tlsrpt_writes=True)
        # Another writer has inserted the same report and does not come to an end.
        Transaction(connection, NOON).write([prepare(mine)], {mine.item: 1})
        with pytest.raises(Unavailable, match="stayed locked"):
            record(impatient, [mine])
        connection.rollback()
    assert record(impatient, [mine]) == [RECORDED]
    impatient.dispose()
