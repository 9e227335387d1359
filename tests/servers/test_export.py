"""`export`: what a spreadsheet, a script and a data frame get, on each database; read back by others' programs."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyarrow import parquet

from tests import builders
from tests.deliveries import delivery
from tests.installed import Program
from tlsrpt_ingest.output.export import Format, write
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.store import extract as extract_store
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.extract import What, extract
from tlsrpt_ingest.store.record import record

FORMULAS = (
    "=cmd|'/C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    'x"; =1',
    "\x1b[2J\u202e<script>",
)


@pytest.fixture
def url(database: str) -> str:
    """A database with eleven reports of eleven days, one of them conflicting."""
    engine = open_engine(database)
    schema.upgrade(engine)
    deliveries = [
        delivery(number, builders.report(number, *policies(number), organization_name=FORMULAS[number]))
        for number in range(len(FORMULAS))
    ]
    deliveries.append(delivery(10, builders.report(10, builders.policy("other.example", successful=2**62))))
    conflicting = delivery(20, builders.report(10, builders.policy("other.example", successful=1)))
    record(engine, [*deliveries, conflicting])
    engine.dispose()
    return database


def policies(number: int) -> list[builders.JsonObject]:
    failure = builders.failure(count=number, failure_reason_code=FORMULAS[number], receiving_ip=builders.ABSENT)
    return [builders.policy(failures=[failure] * 2), builders.policy("b.example", "tlsa")]


def exported(url: str, what: What, form: Format, **chosen: Any) -> bytes:
    engine = open_engine(url)
    file = io.BytesIO()
    write(extract(engine, what, **chosen), form, file)
    engine.dispose()
    return file.getvalue()


def lines(url: str, what: What, **chosen: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(url, what, Format.JSONL, **chosen).splitlines()]


def test_json_lines_are_exact(url: str) -> None:
    reports = lines(url, What.REPORTS)
    assert [one["organization_name"] for one in reports] == [*FORMULAS, "Reporter Example"]
    assert reports[0]["start_datetime"] == "2024-01-01T00:00:00Z"
    assert len(lines(url, What.POLICIES)) == 21
    assert lines(url, What.POLICIES)[-1]["total_successful_session_count"] == 2**62
    failures = lines(url, What.FAILURES)
    assert [one["failure_reason_code"] for one in failures] == [one for one in FORMULAS for _ in range(2)]
    assert failures[3]["failed_session_count"] == 1
    assert failures[3]["receiving_ip"] is None


def test_days_and_domain(url: str) -> None:
    days = {"since": datetime(2024, 1, 3, tzinfo=UTC).date(), "until": datetime(2024, 1, 4, tzinfo=UTC).date()}
    assert len(lines(url, What.REPORTS, **days)) == 2
    assert len(lines(url, What.POLICIES, **days, domain="b.example")) == 2
    assert len(lines(url, What.REPORTS, domain="other.example")) == 1
    assert lines(url, What.FAILURES, domain="b.example") == []


def test_pages_have_each_row_once_and_in_order(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {what: lines(url, what) for what in What}
    monkeypatch.setattr(extract_store, "PAGE", 3)
    for what in What:
        assert lines(url, what) == whole[what]


def test_no_cell_is_a_formula_and_numbers_are_numbers(url: str) -> None:
    text = exported(url, What.FAILURES, Format.CSV).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == 20
    assert all(cell.isprintable() for row in rows for cell in row.values())
    assert [row["failure_reason_code"] for row in rows[::2]] == [
        *(f"'{clean(one)}" for one in FORMULAS[:8]),
        "x\";' =1",
        *map(clean, FORMULAS[9:]),
    ]
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
    assert [row["failed_session_count"] for row in rows[2:4]] == ["1", "1"]
    assert rows[0]["receiving_ip"] == ""
    assert rows[0]["start_datetime"] == "2024-01-01T00:00:00Z"


def test_no_cell_is_a_formula_where_a_spreadsheet_splits_at_semicolons(sqlite: str) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    nasty = 'x;=1+1; @SUM(1);a;"=2'
    policy = builders.policy(policy_string=[nasty, "v=STSv1; id=1;"])
    record(engine, [delivery(0, builders.report(0, policy, organization_name=nasty))])
    engine.dispose()
    text = exported(sqlite, What.POLICIES, Format.CSV).decode()
    cells = [cell for line in csv.reader(text.splitlines(), delimiter=";") for cell in line]
    assert len(cells) > 10
    assert not any(cell.strip('" ').startswith(("=", "+", "-", "@")) for cell in cells)
    assert "v=STSv1; id=1;" in text


def test_parquet_is_read_by_pyarrow_and_by_duckdb(url: str, tmp_path: Path) -> None:
    for what in What:
        file = tmp_path / f"{what}.parquet"
        file.write_bytes(exported(url, what, Format.PARQUET))
        rows = parquet.read_table(file).to_pylist()
        as_json = [
            {name: f"{one.isoformat()[:-6]}Z" if isinstance(one, datetime) else one for name, one in row.items()}
            for row in rows
        ]
        assert as_json == lines(url, what)
    columns = (
        "policy_domain, sum(total_failure_session_count), max(total_successful_session_count), "
        "any_value(policy_string[1])"
    )
    found = duckdb.read_parquet(str(tmp_path / "policies.parquet")).aggregate(columns).order("policy_domain").fetchall()
    assert found == [
        ("b.example", 0, 100, f"3 1 1 {'ab' * 32}"),
        ("example.com", 90, 100, "version: STSv1"),
        ("other.example", 0, 2**62, "version: STSv1"),
    ]


def test_row_groups_are_bounded(sqlite: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    many = [builders.policy(f"d{number}.example") for number in range(1_000)]
    record(engine, [delivery(0, builders.report(0, *many))])
    engine.dispose()
    monkeypatch.setattr(extract_store, "PAGE", 100)
    monkeypatch.setattr("tlsrpt_ingest.output.export.GROUP_ROWS", 250)
    file = tmp_path / "policies.parquet"
    file.write_bytes(exported(sqlite, What.POLICIES, Format.PARQUET))
    described = parquet.ParquetFile(file).metadata
    assert (described.num_rows, described.num_row_groups) == (1_000, 4)


def test_an_empty_database_has_headings(sqlite: str, tmp_path: Path) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    engine.dispose()
    assert exported(sqlite, What.REPORTS, Format.CSV).startswith(b"report_pk,organization_name,")
    assert exported(sqlite, What.REPORTS, Format.JSONL) == b""
    file = tmp_path / "reports.parquet"
    file.write_bytes(exported(sqlite, What.REPORTS, Format.PARQUET))
    assert parquet.read_table(file).num_rows == 0


def test_a_domain_may_be_written_as_people_write_it(program: Program, sqlite: str, tmp_path: Path) -> None:
    report = builders.report(0, builders.policy("xn--bcher-kva.example"))
    archive = builders.write_mbox(tmp_path / "a.mbox", [builders.mail(builders.gzipped(builders.document(report)))])
    program("backfill", "--database", sqlite, archive)
    for command in (["export", "policies"], ["summary"]):
        for name in ("Bücher.Example.", "xn--bcher-kva.example"):
            ran = program(*command, "--database", sqlite, "--domain", name)
            assert "xn--bcher-kva.example" in ran.stdout, ran.stderr
    other = program("summary", "--database", sqlite, "--domain", "example.net")
    assert other.stdout.startswith("No reports of these days and this domain.")
    assert "is no day: write one as 2026-11-24" in program("summary", "--database", sqlite, "--since", "soon").stderr


def test_the_file_is_there_once_it_is_whole(program: Program, sqlite: str, tmp_path: Path) -> None:
    archive = builders.write_mbox(tmp_path / "a.mbox", [builders.mail(number=number) for number in range(3)])
    program("backfill", "--database", sqlite, archive)
    file = tmp_path / "out" / "reports.csv"
    file.parent.mkdir()
    ran = program("export", "reports", "--database", sqlite, "-o", file)
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    assert [one.name for one in file.parent.iterdir()] == ["reports.csv"]
    printed = program("export", "reports", "--database", sqlite)
    assert printed.stdout.encode() == file.read_bytes()
    assert printed.stdout.count("\n") == 4
    assert program("export", "reports", "--database", sqlite, "-o", tmp_path / "none" / "x").status == 78
