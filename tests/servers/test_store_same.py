"""The three databases hold the same rows and give the same answers after the same deliveries."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests import builders
from tests.deliveries import contents, delivery, moment, other, rejected
from tlsrpt_ingest.store import ask, schema, views
from tlsrpt_ingest.store.delivery import Delivery, Place
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record

NASTY = [
    "Größe", "GRÖSSE", "groesse", "trailing ", "trailing", "", "'quoted' \"twice\" \\ %s %(a)s :a ?", "\t\r\n\x1b[31m",
    "\U0001f600\u202e", "é", "e\u0301", "null", "2024-01-01", "0", "x" * 1000, "\U0001f600" * 1000,
]  # fmt: skip
LOOP = 20


@pytest.fixture
def engines(sqlite: str, postgresql: str, mariadb: str) -> Iterator[list[Engine]]:
    engines = [open_engine(url) for url in (sqlite, postgresql, mariadb)]
    for engine in engines:
        schema.upgrade(engine)
        for at, batch in enumerate(deliveries()):
            record(engine, batch, moment(f"2024-05-01T12:00:0{at}.123456"))
    yield engines
    for engine in engines:
        engine.dispose()


def deliveries() -> list[list[Delivery]]:
    deep: Any = "deep"
    for _ in range(50):
        deep = [deep]
    varied = [
        builders.report(
            number,
            builders.policy(
                f"{name or 'empty'}.example"[:900],
                failures=[
                    builders.failure(
                        name or "empty", 2**63 - 1, additional_information=name, receiving_mx_helo=name * 60
                    ),
                    builders.failure("validation-failure", 0, receiving_ip=builders.ABSENT),
                ],
                failed=2**63 - 1,
                successful=2**63 - 1,
                policy_string=[name, name],
                x_unknown={name: [1, -0.5, 1e300, 10**30, True, None, {"b": 1, "a": deep}]},
            ),
            builders.policy(policy_domain=builders.ABSENT, policy_type=name or "none"),
            organization_name=name,
            contact_info=name * 60,
        )
        for number, name in enumerate(NASTY)
    ]
    # Each of these is about the delivery of the one before.
    varied += [builders.report(100 + number, builders.policy("loop.example", successful=1)) for number in range(LOOP)]
    first = [delivery(number, body) for number, body in enumerate(varied)]
    second = [
        delivery(0, {**varied[0], "contact-info": "another"}, item=100),
        delivery(1, varied[1], item=101),
        other(102, subject=NASTY[7]),
        rejected(103, NASTY[8], octets=bytes(range(256)) * 1000),
        delivery(50, item=104, place=Place("work", "INBOX/é", 2**32 - 1, 2**32 - 1)),
        delivery(51, item=105, submitter=None, message_id=None, sender="x" * 5000, origin="file:///" + "x" * 5000),
    ]
    return [first, second, [rejected(103, "again"), *first[:3]]]


def test_every_row_of_every_table_is_the_same(engines: list[Engine]) -> None:
    one, *rest = [contents(engine) for engine in engines]
    assert len(one["report"]) == len(NASTY) + LOOP + 3
    assert len(one["failure_detail"]) == 2 * (len(NASTY) + 1)
    for another in rest:
        for table, rows in one.items():
            assert another[table] == rows, table


@pytest.mark.parametrize("view", views.metadata.sorted_tables, ids=lambda view: view.name)
def test_every_row_of_every_view_is_the_same(engines: list[Engine], view: Any) -> None:
    columns = [column for column in view.columns if column.name != "report_pk"]
    answers = []
    for engine in engines:
        with engine.connect() as connection:
            answers.append(sorted(map(tuple, connection.execute(select(*columns))), key=repr))
    assert len(answers[0]) > len(NASTY)
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]


def test_the_answers_are_the_same(engines: list[Engine]) -> None:
    totals = [ask.totals(engine) for engine in engines]
    assert totals[0] == totals[1] == totals[2]
    ledgers = [sorted(_facts(row) for row in ask.ledger(engine)) for engine in engines]
    assert ledgers[0] == ledgers[1] == ledgers[2]
    rejected_rows = [list(ask.open_cases(engine)) for engine in engines]
    assert rejected_rows[0] == rejected_rows[1] == rejected_rows[2]


def _facts(row: ask.LedgerRow) -> tuple[str, ...]:
    return tuple(repr(getattr(row, name)) for name in row.__slots__ if name not in ("pk", "report_pk"))
