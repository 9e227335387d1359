"""Every statement of the Grafana dashboard, run on a real PostgreSQL with the macros replaced as Grafana does."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests import builders
from tests.deliveries import delivery, rejected
from tlsrpt_ingest.config import Alerts
from tlsrpt_ingest.output.alerts.telling import Look, look
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.store.runs import Run, remember

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "tlsrpt.json").read_text(encoding="utf-8"))
ROLES = (Path(__file__).parents[2] / "deploy" / "postgresql-roles.sql").read_text(encoding="utf-8")
FROM, TO = "'2024-01-01T08:00:00Z'", "'2024-01-10T08:00:00Z'"
HOSTILE = "it's \x1b[31m'; DROP TABLE report; --"


def queries() -> list[Any]:
    """The statements of the panels and of the variables, with their titles."""
    found = [
        pytest.param(panel["type"], target["rawSql"], id=f"{panel['type']} {panel['title']}")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]
    return [
        *found,
        *(
            pytest.param("variable", one["query"], id=f"variable {one['name']}")
            for one in DASHBOARD["templating"]["list"]
            if one["type"] == "query"
        ),
    ]


def grafana(sql: str, domains: list[str]) -> str:
    """As Grafana's PostgreSQL data source expands it."""
    sql = re.sub(r"\$__timeFilter\(([^()]+)\)", rf"\1 BETWEEN {FROM} AND {TO}", sql)
    sql = re.sub(r"\$__timeGroup\((\w+), '1d'\)", r"floor(extract(epoch from \1)/86400)*86400", sql)
    sql = sql.replace("$__timeFrom()", FROM).replace("$__timeTo()", TO)
    quoted = ",".join("'" + domain.replace("'", "''") + "'" for domain in domains)
    sql = sql.replace("${domain:sqlstring}", quoted)
    assert "$" not in sql
    return sql


@pytest.fixture
def connection(postgresql: str) -> Iterator[Connection]:
    engine = open_engine(postgresql)
    schema.upgrade(engine)
    domains = ["solarmora.com", HOSTILE]
    record(
        engine,
        [
            delivery(
                number,
                builders.report(
                    number,
                    *(builders.policy(one, failures=[builders.failure(count=number + 1)]) for one in domains),
                    organization_name=f"Sender {number % 2} {HOSTILE}",
                ),
            )
            for number in range(20)
        ],
    )
    record(engine, [rejected(30)], now=datetime(2024, 1, 5, tzinfo=UTC))
    now = datetime(2024, 1, 10, tzinfo=UTC)
    remember(engine, Run("poll", "mx1", now, now, 0, 20, {}))
    look(engine, Alerts(), [], now, Look(), polls=False)
    with engine.connect() as opened:
        # As a user who may read and nothing else.
        opened.exec_driver_sql(ROLES.replace("%", "%%"))
        opened.exec_driver_sql("SET ROLE tlsrpt_reader")
        yield opened
    engine.dispose()


@pytest.mark.parametrize(("kind", "sql"), queries())
def test_each_statement_answers(connection: Connection, kind: str, sql: str) -> None:
    answer = connection.exec_driver_sql(grafana(sql, ["solarmora.com", HOSTILE]).replace("%", "%%"))
    names, rows = list(answer.keys()), answer.all()
    assert rows
    if kind == "timeseries":
        assert names[0] == "time"
        # Ten days, each begins at midnight.
        assert {int(row[0]) % 86400 for row in rows} == {0}
        assert len({row[0] for row in rows}) == 10
    if kind == "stat":
        assert len(rows) == len(names) == 1
        assert rows[0][0] is not None


def test_the_numbers_are_those_of_the_views(connection: Connection) -> None:
    panels = {panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"] if panel["type"] == "stat"}

    def value(title: str) -> float:
        return float(connection.exec_driver_sql(grafana(panels[title], ["solarmora.com"])).scalar_one())

    assert value("Sessions") == 10 * 100 + sum(range(1, 11))
    assert value("Failure rate") == pytest.approx(55 / 1055)
    assert value("Senders") == 2
    assert value("Rejected deliveries") == 1


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(cells) == len(set(cells)), "two panels lie over one another"
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert {panel["targets"][0]["format"] for panel in panels if panel["type"] == "timeseries"} == {"time_series"}
