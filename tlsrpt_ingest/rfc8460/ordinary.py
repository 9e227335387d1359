"""The fast way through the ordinary document: one that needs no repair at all.

Its models are those of `document` with everything refused that the complete way (`reading.read_completely`) would
repair, validated by pydantic straight from the octets, and one count proves that no member stood twice. None is the
answer to whatever is not plainly ordinary, and the complete way decides; where this way has an answer, it is the
complete way's (tests/property/test_ordinary_document.py).
"""

import re
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import Deviation, Notes
from tlsrpt_ingest.rfc8460.deviations import policy_string
from tlsrpt_ingest.rfc8460.document import Count, DateRange, FailureDetail, Policy, PolicyEntry, Report, Summary


def read_ordinary(document: bytes) -> tuple[Report, tuple[Deviation, ...]] | None:
    """The report of an ordinary document, and its deviations; None where the complete way has to look.

    The one deviation that counts as ordinary is Microsoft's: TLSA records packed in one string, in every report of it
    about a domain with DANE (catalogue 20).
    """
    if not document.startswith(b"{"):
        return None
    if len(document) > limits.JSON_CONTAINERS < document.count(b"{") + document.count(b"["):
        return None
    escaped = 0
    if b"\\" in document:
        escaped = document.count(b'\\"')
        if document.count(b"\\") != escaped:
            return None  # another escape than that of a quote: \u0000 and halves of surrogate pairs are among them
    try:
        report: Report = OrdinaryReport.model_validate_json(document)
    except ValidationError:
        return None
    # A member that stands twice leaves strings in the document that are not in the report.
    if document.count(b'"') - escaped != 2 * _strings(report):
        return None
    return _unpacked(report) if escaped else (report, ())


def _strings(report: Report) -> int:
    """How many JSON strings, names and values, the report takes with each member once.

    A negative number for a report that is not ordinary for a reason that would be dearer to say in the models.
    """
    period = report.date_range
    if period.end_datetime < period.start_datetime:
        return -1
    # Of a report's members, date-range and policies are no strings, and the two dates with their names are four.
    strings = 2 * len(_set(report)) + 2
    if report.contact_info is None and "contact_info" in _set(report):
        strings -= 1
    details = 0
    for entry in report.policies:
        policy = entry.policy
        lines = policy.policy_string
        text = "\n".join(lines)
        if " \n" in text or text.endswith(" ") or (text.lstrip().startswith("[") and not text.startswith('["')):
            return -1
        strings += len(_set(entry)) + 2 + len(_set(policy)) + 2 + len(lines) + len(policy.mx_host)
        if entry.failure_details:
            details += len(entry.failure_details)
            strings += 2 * sum(map(len, map(_set, entry.failure_details)))
    return strings - details if details <= limits.FAILURE_DETAILS else -1  # failed-session-count is no string


def _unpacked(report: Report) -> tuple[Report, tuple[Deviation, ...]]:
    """The report with its packed policy strings unpacked as the complete way unpacks them."""
    notes = Notes()
    entries = list(report.policies)
    for position, entry in enumerate(entries):
        lines = entry.policy.policy_string
        if len(lines) == 1 and lines[0].startswith("["):
            lines = policy_string(list(lines), notes, ("policies", position, "policy", "policy-string"))
            policy = entry.policy.model_copy(update={"policy_string": lines})
            entries[position] = entry.model_copy(update={"policy": policy})
    return report.model_copy(update={"policies": tuple(entries)}), notes.deviations()


_set: Final = attrgetter("__pydantic_fields_set__")


_DATE_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z").fullmatch


def _moment(value: Any) -> datetime:
    """A date-time as every sender of ordinary reports writes it: RFC 3339 in UTC, to the second."""
    if type(value) is str and _DATE_TIME(value):
        found = datetime.fromisoformat(value)
        if limits.EARLIEST <= found <= limits.LATEST:
            return found
    raise ValueError("no ordinary date-time")


_ORDINARY: Final = ConfigDict(extra="forbid", validate_by_name=False)

Name = Annotated[str, Field(min_length=1, max_length=limits.NAME)]
Text = Annotated[str, Field(min_length=1, max_length=limits.TEXT)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=limits.NAME)]
Domain = Annotated[str, Field(pattern=r"^[a-z0-9*_-]+(?:\.[a-z0-9*_-]+)*$", max_length=limits.NAME)]
Address = Annotated[str, Field(pattern=r"^[^<>:]+$", max_length=limits.NAME)]
Line = Annotated[str, Field(max_length=limits.TEXT)]

ABSENT: Final[Any] = None
"""The value of a member that is not there: its type takes no null."""

Moment = Annotated[datetime, BeforeValidator(_moment)]


class OrdinaryDateRange(DateRange):
    """Both ends in UTC."""

    model_config = _ORDINARY

    start_datetime: Moment
    end_datetime: Moment


class OrdinaryPolicy(Policy):
    """Whose policy it is, it says itself."""

    model_config = _ORDINARY

    policy_type: Word
    policy_string: Annotated[tuple[Line, ...], Field(max_length=limits.STRINGS)] = ()
    policy_domain: Domain
    mx_host: Annotated[tuple[Domain, ...], Field(max_length=limits.STRINGS)] = ()


class OrdinarySummary(Summary):
    """Both counts are there."""

    model_config = _ORDINARY

    total_successful_session_count: Count
    total_failure_session_count: Count


class OrdinaryFailureDetail(FailureDetail):
    """Absent members are absent, and neither null nor empty."""

    model_config = _ORDINARY

    result_type: Word
    sending_mta_ip: Name = ABSENT
    receiving_mx_hostname: Domain = ABSENT
    receiving_mx_helo: Text = ABSENT
    receiving_ip: Name = ABSENT
    failed_session_count: Count
    additional_information: Text = ABSENT
    failure_reason_code: Text = ABSENT


class OrdinaryPolicyEntry(PolicyEntry):
    """Policy and summary are there."""

    model_config = _ORDINARY

    policy: OrdinaryPolicy
    summary: OrdinarySummary
    failure_details: tuple[OrdinaryFailureDetail, ...] = ()


class OrdinaryReport(Report):
    """Everything that identifies it is there; contact-info may be null, as at Stalwart."""

    model_config = _ORDINARY

    organization_name: Name
    date_range: OrdinaryDateRange
    contact_info: Address | None = None
    report_id: Name
    policies: Annotated[tuple[OrdinaryPolicyEntry, ...], Field(max_length=limits.POLICIES)]
