"""Date-times: RFC 3339 section 5.6 as RFC 8460 asks for, and what senders write in its place."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import At, Notes

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def date_time(value: Any, notes: Notes, at: At, *, end: bool = False) -> datetime | None:
    """The date-time in UTC, between limits.EARLIEST and LATEST; None where there is none.

    `end` says that it is an end: a bare date then means its last second.
    """
    if value is None or value == "":
        return None
    try:
        found, code = _read(value, end=end)
        found = found.astimezone(UTC)
        if not limits.EARLIEST <= found <= limits.LATEST:
            raise ValueError("no day of a report")  # noqa: TRY301 - one way out for all that is no date
    except (ValueError, OverflowError, TypeError, IndexError):
        notes.add("datetime-unreadable", at)
        return None
    if code:
        notes.add(code, at)
    return found


def _read(value: Any, *, end: bool) -> tuple[datetime, str | None]:
    """The date-time and the code of how it was written, None for RFC 3339; raises ValueError and its like."""
    if type(value) in (int, float):
        return epoch(value), "datetime-epoch"
    if type(value) is not str or len(value) > _LONGEST:
        raise ValueError("no date-time")
    value = value.strip()
    if match := _RFC_3339.fullmatch(value):
        return _rfc_3339(match)
    if _DATE.fullmatch(value):
        # N of the catalogue (9).
        day = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return (day + DAY - SECOND if end else day), "datetime-date-only"
    if _NUMBER.fullmatch(value):
        return epoch(float(value)), "datetime-epoch"
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)), "datetime-rfc-5322"
    return (found if found.tzinfo else found.replace(tzinfo=UTC)), "datetime-iso-8601"


def _rfc_3339(match: re.Match[str]) -> tuple[datetime, str | None]:
    code = None
    date, separator, hour, minute, second, fraction, offset = match.groups()
    if separator == " ":
        code = "datetime-blank"
    if not offset:
        # Microsoft in 2023-01 and 2024-03 (catalogue 3): UTC is meant.
        code = "datetime-without-offset"
        offset = "Z"
    after = timedelta()
    if hour == "24":
        # RFC 8460 section 4.1 itself speaks of 00:00-24:00 (catalogue 9).
        if minute + second != "0000":
            raise ValueError("no hour 24 but midnight")
        hour, after, code = "00", DAY, "datetime-24-00"
    if second == "60":
        second, code = "59", "datetime-leap-second"
    micro = f".{fraction[:6]:0<6}" if fraction else ""
    return datetime.fromisoformat(f"{date}T{hour}:{minute}:{second}{micro}{offset.upper()}") + after, code


def epoch(seconds: float) -> datetime:
    """A time as seconds since 1970, or as milliseconds where seconds would lie beyond every report."""
    if seconds > limits.LATEST.timestamp():
        seconds /= 1000
    # Not `fromtimestamp`, which asks the C library and raises what that says of 1e17.
    return _EPOCH + timedelta(seconds=seconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64
"""Characters of the longest way to write a date-time; RFC 5322's with the zone's name in a comment takes 40."""
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})([Tt ])([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[0-9]{9,14}(?:\.[0-9]{1,9})?")
