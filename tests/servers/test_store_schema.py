"""The schema's history: up, down and up on each database, and equal to the tables that the code writes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from tests.deliveries import contents, delivery
from tests.servers.databases import PASSWORD, QUOTED
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import schema, tables, views
from tlsrpt_ingest.store.engine import open_engine, writing
from tlsrpt_ingest.store.record import record

TABLES = {*tables.metadata.tables, "alembic_version"}

ONLY_MIGRATED = {"ix_report_day", "ix_delivery_rejected_at", "ix_delivery_rejected_uid", "ix_delivery_refused_at"}
"""Indexes that MariaDB cannot have, and Alembic not compare; `test_store_plans.py` sees that they are used."""

pytestmark = pytest.mark.filterwarnings(
    "ignore:Skipped unsupported reflection of expression-based index ix_report_day:sqlalchemy.exc.SAWarning"
)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


def revisions() -> list[str]:
    """From the first to the head."""
    scripts = ScriptDirectory.from_config(schema.alembic_config()).walk_revisions()
    return [script.revision for script in scripts][::-1]


def downgrade(engine: Engine, revision: str) -> None:
    with writing(engine) as connection:
        command.downgrade(schema.alembic_config(connection), revision)


def test_the_history_is_one_line_and_its_end_is_what_the_code_needs() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert scripts.get_heads() == [schema.HEAD] == [schema.head()]
    assert all(not script.is_branch_point and not script.is_merge_point for script in scripts.walk_revisions())


def test_up_down_and_up(engine: Engine) -> None:
    assert schema.current(engine) is None
    assert schema.upgrade(engine) == (None, schema.HEAD)
    assert schema.upgrade(engine) == (schema.HEAD, schema.HEAD)
    first = _described(engine)
    for revision in [*revisions()[-2::-1], "base"]:
        downgrade(engine, revision)
        assert schema.current(engine) == (None if revision == "base" else revision)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert inspect(engine).get_view_names() == []
    assert schema.upgrade(engine) == (None, schema.HEAD)
    assert _described(engine) == first
    assert record(engine, [delivery(0)]) == [Outcome.RECORDED]


def test_each_earlier_revision_is_brought_up_with_its_rows(engine: Engine) -> None:
    schema.upgrade(engine)
    record(engine, [delivery(0), delivery(1)])
    rows = contents(engine)
    for revision in revisions()[-2::-1]:
        downgrade(engine, revision)
        assert schema.upgrade(engine) == (revision, schema.HEAD)
        assert contents(engine) == rows


def test_the_migrated_schema_is_that_of_the_tables(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": _differ, "include_name": _compared})
        assert compare_metadata(context, tables.metadata) == []


def _compared(name: str | None, _kind: str, _parents: object) -> bool:
    return name not in ONLY_MIGRATED


def _differ(context: MigrationContext, _there: object, _wanted: object, there: Any, wanted: Any) -> bool:
    # As the database spells them: Alembic takes a TypeDecorator for its `impl`.
    spelled = [_WIDTH.sub("", one.compile(dialect=context.dialect)) for one in (there, wanted)]
    return spelled[0] != spelled[1].replace("BOOL", "TINYINT" if context.dialect.name == "mariadb" else "BOOL")


_WIDTH = re.compile(r" COLLATE.*|(?<=INT)\(\d+\)|(?<=INTEGER)\(\d+\)")
"""What a database tells of a type and nobody asked for."""


def test_the_views_have_the_columns_that_the_code_reads(engine: Engine) -> None:
    schema.upgrade(engine)
    inspector = inspect(engine)
    found = {name: [one["name"] for one in inspector.get_columns(name)] for name in inspector.get_view_names()}
    assert found == {name: list(view.columns.keys()) for name, view in views.metadata.tables.items()}


def test_counts_of_the_views_are_integers_of_64_bits(postgresql: str) -> None:
    engine = open_engine(postgresql)
    schema.upgrade(engine)
    columns = {one["name"]: str(one["type"]) for one in inspect(engine).get_columns("daily_sessions")}
    assert (columns["successful"], columns["failed"], columns["day"]) == ("BIGINT", "BIGINT", "DATE")
    engine.dispose()


def test_sqlite_is_made_and_migrated_on_first_use(sqlite: str) -> None:
    engine = open_engine(sqlite)
    schema.ready(engine)
    assert schema.current(engine) == schema.HEAD
    downgrade(engine, "base")
    schema.ready(engine)
    assert record(engine, [delivery(0)]) == [Outcome.RECORDED]
    engine.dispose()


def test_a_new_sqlite_file_is_what_the_revisions_make(sqlite: str) -> None:
    made, migrated = (open_engine(sqlite + name) for name in ("-made", "-migrated"))
    schema.ready(made)
    schema.upgrade(migrated)
    everything = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    rows = []
    for engine in (made, migrated):
        with engine.connect() as connection:
            rows.append(connection.exec_driver_sql(everything).all())
            assert connection.exec_driver_sql("SELECT * FROM alembic_version").all() == [(schema.HEAD,)]
        engine.dispose()
    assert rows[0] == rows[1]


def test_a_server_is_not_changed_but_the_command_is_named(server: str) -> None:
    engine = open_engine(server)
    with pytest.raises(Misconfigured) as error:
        schema.ready(engine)
    said = str(error.value)
    assert "has no tables yet; type: tlsrpt-ingest db upgrade --database " in said
    assert PASSWORD not in said
    assert QUOTED not in said
    assert inspect(engine).get_table_names() == []
    schema.upgrade(engine)
    schema.ready(engine)
    engine.dispose()


def test_an_older_schema_on_a_server_is_refused_with_the_command(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(server)
    schema.upgrade(engine)
    # As a later version would see it.
    monkeypatch.setattr(schema, "HEAD", "9999")
    with pytest.raises(Misconfigured, match=rf"earlier version \({revisions()[-1]}\); type: tlsrpt-ingest db upgrade"):
        schema.ready(engine)
    engine.dispose()


def test_a_newer_schema_is_refused(engine: Engine) -> None:
    schema.upgrade(engine)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    for refused in (schema.ready, schema.upgrade):
        with pytest.raises(Misconfigured, match=r"'later'.* newer tlsrpt-ingest made it; upgrade this one"):
            refused(engine)


def test_the_tables_of_another_program_are_left_alone(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE report (a INTEGER)"))
    with pytest.raises(Misconfigured, match="already holds report"):
        schema.upgrade(engine)
    assert inspect(engine).get_table_names() == ["report"]


def test_several_processes_at_once_make_one_schema(database: str, engine: Engine) -> None:
    several_processes(database, "upgrade")
    assert {*inspect(engine).get_table_names()} == TABLES


def test_several_runs_at_once_make_one_sqlite_file(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'new.db'}"
    several_processes(database, "ready")
    assert {*inspect(open_engine(database)).get_table_names()} == TABLES


def several_processes(database: str, how: str) -> None:
    """Three processes that make the schema in the same moment, and end well."""
    program = (
        "import sys; from tlsrpt_ingest.store import schema; from tlsrpt_ingest.store.engine import open_engine; "
        "engine = open_engine(sys.argv[1]); "
        f"said = sys.stdin.read(); schema.{how}(engine); print(said, schema.current(engine))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ends = [process.communicate("done") for process in processes]
    assert ends == [(f"done {schema.HEAD}\n", "")] * 3


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"password": "wrong"}, LoginRefused, "refused the login"),
        ({"username": "nobody"}, LoginRefused, "refused the login"),
        ({"database": "nowhere"}, Misconfigured, "is not ours to use"),
        ({"port": 1}, Unavailable, "is not available"),
    ],
    ids=str,
)
def test_a_server_that_does_not_let_us_in(
    server: str, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    url = open_engine(server).url.set(**change)
    engine = open_engine(url.render_as_string(hide_password=False))
    with pytest.raises(error, match=words) as raised:
        schema.ready(engine)
    assert type(raised.value) is error
    assert "wrong" not in str(raised.value)
    assert PASSWORD not in str(raised.value)


def _described(engine: Engine, *, views: bool = True) -> dict[str, Any]:
    """Everything that the database says of its tables and views."""
    inspector = inspect(engine)
    described: dict[str, Any] = {
        name: {
            "columns": [{**one, "type": repr(one["type"])} for one in inspector.get_columns(name)],
            "keys": inspector.get_pk_constraint(name),
            "foreign": sorted(inspector.get_foreign_keys(name), key=repr),
            "unique": sorted(inspector.get_unique_constraints(name), key=repr),
            "indexes": sorted(str(_index(one)) for one in inspector.get_indexes(name)),
            "options": inspector.get_table_options(name),
        }
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }
    if views:
        described |= {name: inspector.get_view_definition(name) for name in inspector.get_view_names()}
    if engine.dialect.supports_sequences:
        described["sequences"] = inspector.get_sequence_names()
    return described


def _index(one: Any) -> dict[str, Any]:
    options = {name: str(value) for name, value in one.get("dialect_options", {}).items()}
    return {**one, "dialect_options": options}
