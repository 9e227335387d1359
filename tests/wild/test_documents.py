"""One document of our own for each deviation of docs/deviations.md, with what read() makes of it (expected.toml)."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tlsrpt_ingest.rfc8460 import CODES, Hints, SeveralReports, UnreadableReport, read

FOLDER = Path(__file__).parent / "documents"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((FOLDER / "expected.toml").read_text(encoding="utf-8"))
ABSENT = "<absent>"


def test_each_document_has_its_expectation() -> None:
    assert set(EXPECTED) == {path.name for path in FOLDER.iterdir()} - {"expected.toml"}


@pytest.mark.parametrize("name", EXPECTED)
def test_document(name: str) -> None:
    expected = EXPECTED[name]
    document = (FOLDER / name).read_bytes()
    hints = Hints(**expected.get("hints", {}))
    if "refused" in expected:
        with pytest.raises(UnreadableReport) as refusal:
            read(document, hints)
        assert refusal.value.code == expected["refused"]
        return
    if "reports" in expected:
        with pytest.raises(SeveralReports) as several:
            read(document, hints)
        assert len(several.value.documents) == expected["reports"]
        assert read(several.value.documents[0], hints).deviations == ()
        return
    reading = read(document, hints)
    assert [f"{deviation.code} {deviation.path}" for deviation in reading.deviations] == expected["deviations"]
    report = json.loads(reading.report.model_dump_json(by_alias=True))
    for place, value in expected.get("report", {}).items():
        assert value_at(report, place) == value, place


def test_each_deviation_has_a_document() -> None:
    met = {deviation.split(" ")[0] for expected in EXPECTED.values() for deviation in expected.get("deviations", ())}
    # These need more than a small file: tests/unit/test_rfc8460_limits.py.
    assert set(CODES) - met == {"more-deviations", "policies-cut", "strings-cut", "failure-details-cut"}


def value_at(report: Any, place: str) -> Any:
    value = report
    for step in place.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return ABSENT if value is None else value if not isinstance(value, (list, dict)) else absent_for_null(value)


def absent_for_null(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, list):
        return [absent_for_null(one) for one in value]
    if isinstance(value, dict):
        return {name: absent_for_null(one) for name, one in value.items()}
    return ABSENT if value is None else value
