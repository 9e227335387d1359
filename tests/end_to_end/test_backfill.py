"""`backfill`: archives in, each report once, with a status and numbers that tell the truth."""

import json
from pathlib import Path

from tests import builders
from tests.end_to_end.databases import REPORT_TABLES, outcomes, ready, rows
from tests.installed import Program


def archive(folder: Path) -> Path:
    """Three reports, one of them twice, one that conflicts, one that cannot be read and one other mail."""
    changed = builders.report(2, builders.policy(successful=7))
    mails = [
        *(builders.mail(number=number) for number in range(3)),
        builders.mail(number=1, message_id="<again@reporter.example>"),
        builders.mail(builders.gzipped(builders.document(changed)), message_id="<changed@reporter.example>"),
        builders.mail(b"\x1f\x8b\x08 broken"),
        builders.other_mail(),
    ]
    return builders.write_mbox(folder / "archive.mbox", mails)


def test_every_item_has_its_outcome(program: Program, database: str, tmp_path: Path) -> None:
    ready(program, database)
    ran = program("backfill", "--json", "--database", database, archive(tmp_path))
    assert ran.status == 0
    counts = json.loads(ran.stdout)
    named = ("items", "deliveries", "recorded", "duplicate", "conflicting", "rejected", "not_a_report")
    assert {name: counts[name] for name in named} == {
        "items": 7,
        "deliveries": 7,
        "recorded": 3,
        "duplicate": 1,
        "conflicting": 1,
        "rejected": 1,
        "not_a_report": 1,
    }
    assert outcomes(database) == {"recorded": 3, "duplicate": 1, "conflicting": 1, "rejected": 1, "not_a_report": 1}


def test_a_second_run_records_nothing_and_changes_no_row_of_a_report(
    program: Program, database: str, tmp_path: Path
) -> None:
    ready(program, database)
    path = archive(tmp_path)
    assert program("backfill", "--database", database, path).status == 0
    before = rows(database)
    ran = program("backfill", "--json", "--database", database, path)
    counts = json.loads(ran.stdout)
    assert (counts["items"], counts["recorded"]) == (7, 0)
    after = rows(database)
    assert {name: after[name] for name in REPORT_TABLES} == {name: before[name] for name in REPORT_TABLES}
    assert len(after["delivery"]) == len(before["delivery"])


def test_an_archive_of_the_same_reports_elsewhere_adds_deliveries_only(
    program: Program, sqlite: str, tmp_path: Path
) -> None:
    program("backfill", "--database", sqlite, archive(tmp_path))
    before = rows(sqlite)
    (tmp_path / "copy").mkdir()
    program("backfill", "--database", sqlite, archive(tmp_path / "copy"))
    after = rows(sqlite)
    assert after["report"] == before["report"]
    assert after["policy"] == before["policy"]
    assert len(after["delivery"]) == 2 * len(before["delivery"])


def test_a_run_from_cron_that_went_well_prints_nothing(program: Program, sqlite: str, tmp_path: Path) -> None:
    path = builders.write_mbox(tmp_path / "a.mbox", [builders.mail()])
    ran = program("backfill", "--database", sqlite, path)
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")


def test_strict_turns_a_rejected_item_into_65_and_names_it(program: Program, sqlite: str, tmp_path: Path) -> None:
    path = archive(tmp_path)
    ran = program("backfill", "--strict", "--database", sqlite, path)
    assert ran.status == 65
    assert f"file://{path}#" in ran.stderr


def test_a_dry_run_says_the_same_and_leaves_no_trace(program: Program, sqlite: str, tmp_path: Path) -> None:
    path = archive(tmp_path)
    dry = json.loads(program("backfill", "--dry-run", "--json", "--database", sqlite, path).stdout)
    assert not Path(sqlite.removeprefix("sqlite:///")).exists()
    wet = json.loads(program("backfill", "--json", "--database", sqlite, path).stdout)
    assert dry | {"seconds": 0} == wet | {"seconds": 0}


def test_the_default_database_is_in_the_state_directory(program: Program, tmp_path: Path) -> None:
    path = builders.write_mbox(tmp_path / "a.mbox", [builders.mail()])
    assert program("backfill", path).status == 0
    assert (program.home / ".local/state/tlsrpt-ingest/tlsrpt.db").exists()
    state = tmp_path / "state"
    assert program("backfill", path, env={"STATE_DIRECTORY": str(state)}).status == 0
    assert (state / "tlsrpt.db").exists()


def test_a_mail_on_standard_input(program: Program, sqlite: str) -> None:
    ran = program("backfill", "--json", "--database", sqlite, "-", stdin=builders.mail())
    assert json.loads(ran.stdout)["recorded"] == 1
    again = program("backfill", "--json", "--database", sqlite, "-", stdin=builders.mail())
    assert json.loads(again.stdout)["duplicate"] == 1


def test_what_standard_input_cannot_give_again_is_kept(program: Program, sqlite: str) -> None:
    broken = builders.mail(b"\x1f\x8b\x08 broken")
    program("backfill", "--database", sqlite, "-", stdin=broken)
    (delivery,) = rows(sqlite)["delivery"]
    assert dict(delivery)["octets"] == broken
    ran = program("reprocess", "--json", "--database", sqlite)
    assert json.loads(ran.stdout)["rejected"] == 1
    (delivery,) = rows(sqlite)["delivery"]
    assert dict(delivery)["attempts"] == 2


def test_nothing_in_the_archive_is_changed(program: Program, sqlite: str, tmp_path: Path) -> None:
    folder = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1.M1P1.mx").write_bytes(builders.mail())
    (folder / "cur" / "2.M1P1.mx:2,S").write_bytes(builders.mail(number=1))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    ran = program("backfill", "--json", "--database", sqlite, folder)
    assert json.loads(ran.stdout)["recorded"] == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
