"""Date-times of RFC 3339 and what stands in their place (RFC8460-4.4-date-time)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests import builders
from tlsrpt_ingest.rfc8460 import Hints, Reading, UnreadableReport, read


def reading(start: Any = builders.ABSENT, end: Any = builders.ABSENT, filename: str | None = None) -> Reading:
    pairs = {"start-datetime": start, "end-datetime": end}
    date_range = {name: value for name, value in pairs.items() if value is not builders.ABSENT}
    body = builders.report(0) | {"date-range": date_range}
    return read(builders.document(body), Hints(filename=filename))


def start_of(value: Any) -> datetime:
    return reading(value, "2024-03-09T00:00:00Z").report.date_range.start_datetime


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T23:59:59Z", datetime(2024, 3, 5, 23, 59, 59, tzinfo=UTC)),
        ("2024-03-05T23:59:59z", datetime(2024, 3, 5, 23, 59, 59, tzinfo=UTC)),
        ("2024-03-05T00:30:00+01:00", datetime(2024, 3, 4, 23, 30, tzinfo=UTC)),
        ("2024-03-05T00:30:00-00:00", datetime(2024, 3, 5, 0, 30, tzinfo=UTC)),
        ("2024-03-05T00:00:00.25Z", datetime(2024, 3, 5, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2024-03-05T00:00:00.123456789Z", datetime(2024, 3, 5, 0, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_what_rfc_3339_allows_is_no_deviation(text: str, expected: datetime) -> None:
    found = reading(text, "2024-03-09T00:00:00Z")
    assert found.report.date_range.start_datetime == expected
    assert found.report.date_range.start_datetime.tzinfo is UTC
    assert found.deviations == ()


@pytest.mark.parametrize(
    "value",
    [
        "2024-02-30T00:00:00Z",
        "2024-03-05T24:00:01Z",
        "2024-03-05T00:00:00+99:00",
        "\u0662\u0660\u0662\u0664-03-05T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2100-01-01T00:00:01Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "yesterday",
        "0",
        "9" * 5000,
        0,
        -1,
        10**20,  # beyond what the C library takes, in milliseconds too
        10**40,
        1e300,
        True,
        ["2024-03-05T00:00:00Z"],
        {"date": "2024-03-05"},
    ],
)
def test_no_date_is_taken_as_absent(value: Any) -> None:
    found = reading(value, "2024-03-05T23:59:59Z")
    assert found.report.date_range.start_datetime == datetime(2024, 3, 5, tzinfo=UTC)
    assert [deviation.code for deviation in found.deviations] == ["datetime-unreadable", "start-datetime-assumed"]


def test_a_number_is_seconds_or_milliseconds() -> None:
    expected = datetime(2024, 3, 5, tzinfo=UTC)
    assert start_of(1709596800) == start_of(1709596800000) == start_of("1709596800.0") == expected


@pytest.mark.parametrize(
    ("filename", "start", "end"),
    [
        ("a.example!b.example!1709596800!1709683199!001.json.gz", "05T00:00:00", "05T23:59:59"),
        ("a.example!b.example!2024-03-05.json", "05T00:00:00", "05T23:59:59"),
        ("a.example!b.example!1709596800000!1709683199000.json", "05T00:00:00", "05T23:59:59"),
        ("a.example!b.example!1709596800!.json", "05T00:00:00", "05T23:59:59"),
        ("a.example!b.example!!1709683199.json", "05T00:00:00", "05T23:59:59"),
    ],
)
def test_the_file_name_says_the_day_of_a_report_that_does_not(filename: str, start: str, end: str) -> None:
    """RFC8460-5.1-filename."""
    date_range = reading(filename=filename).report.date_range
    assert date_range.start_datetime == datetime.fromisoformat(f"2024-03-{start}+00:00")
    assert date_range.end_datetime == datetime.fromisoformat(f"2024-03-{end}+00:00")


def test_a_report_of_no_day_is_refused() -> None:
    with pytest.raises(UnreadableReport, match="does not say which day it is about") as refusal:
        reading("never", None, filename="tls-report.json")
    assert refusal.value.code == "no-date-range"


def test_an_assumed_date_stays_within_the_bounds() -> None:
    assert reading(end="1990-01-01T00:00:00Z").report.date_range.start_datetime == datetime(1990, 1, 1, tzinfo=UTC)
    assert reading("2100-01-01T00:00:00Z").report.date_range.end_datetime == datetime(2100, 1, 1, tzinfo=UTC)
