"""Every captured report is recorded. The captures are no part of the project: skipped where they are not."""

import csv
import json
from pathlib import Path

from tests.end_to_end.databases import REPORT_TABLES, rows
from tests.installed import Program

NO_REPORT = {"MANIFEST.tsv"}
"""Files of the folder that are no reports by any reading."""

SAME = "rfc8460-example__"
"""Three files of this name hold one report, the example of RFC 8460 appendix B."""


def test_every_sample_is_recorded_and_a_second_run_changes_nothing(
    program: Program, sqlite: str, samples: Path
) -> None:
    with (samples / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        reports = [row["file"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    ran = program("backfill", "--json", "--database", sqlite, samples)
    counts = json.loads(ran.stdout)
    assert ran.status == 0
    assert counts["rejected"] == 0, ran.stderr
    same = sum(name.startswith(SAME) for name in reports)
    assert (counts["recorded"], counts["duplicate"]) == (len(reports) - same + 1, same - 1)
    assert counts["not_a_report"] == len(NO_REPORT)
    before = rows(sqlite)
    again = json.loads(program("backfill", "--json", "--database", sqlite, samples).stdout)
    after = rows(sqlite)
    assert again["recorded"] == 0
    assert {name: after[name] for name in REPORT_TABLES} == {name: before[name] for name in REPORT_TABLES}
