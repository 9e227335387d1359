"""What senders do otherwise than RFC 8460 section 4.4 says, and how each of it is repaired.

One function for each object and each habit. The numbers are those of the catalogue in docs/deviations.md, which names
the sample of each in tests/wild.
"""

import hashlib
import re
from datetime import datetime
from typing import Any

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import At, Notes
from tlsrpt_ingest.rfc8460.dates import DAY, SECOND, date_time
from tlsrpt_ingest.rfc8460.envelope import Envelope, domain_name
from tlsrpt_ingest.rfc8460.json_text import Object
from tlsrpt_ingest.rfc8460.members import Shape, count, domain, kept, text, texts, word
from tlsrpt_ingest.rfc8460.refusals import UnreadableReport
from tlsrpt_ingest.rfc8460.terms import RESULT_TYPES, UNKNOWN

NAME, TEXT = limits.NAME, limits.TEXT

REPORT = Shape({"organization-name": NAME, "date-range": 0, "contact-info": 0, "report-id": NAME, "policies": 0})
DATE_RANGE = Shape({"start-datetime": 0, "end-datetime": 0})
ENTRY = Shape({"policy": 0, "summary": 0, "failure-details": 0})
POLICY = Shape(
    {"policy-type": NAME, "policy-string": 0, "policy-domain": NAME, "mx-host": 0},
    # parsedmarc and others read this name, which is the grammar's (27).
    {"mx-host-pattern": ("mx-host", "mx-host-pattern")},
)
SUMMARY = Shape(
    {"total-successful-session-count": 0, "total-failure-session-count": 0},
    # Drafts up to -04 (40).
    {
        "success-aggregate": ("total-successful-session-count", "draft-name"),
        "failure-aggregate": ("total-failure-session-count", "draft-name"),
        "failure-aggregate:": ("total-failure-session-count", "draft-name"),
    },
)
FAILURE_DETAIL = Shape(
    {
        "result-type": NAME,
        "sending-mta-ip": NAME,
        "receiving-mx-hostname": NAME,
        "receiving-mx-helo": TEXT,
        "receiving-ip": NAME,
        "failed-session-count": 0,
        "additional-information": TEXT,
        "failure-reason-code": TEXT,
    },
    # The grammar's name of the one value, and drafts' name of the other, which receivers still read (50).
    {
        "additional-info-uri": ("additional-information", "additional-info-uri"),
        "failure-error-code": ("failure-reason-code", "failure-error-code"),
        "session-count": ("failed-session-count", "draft-name"),
        "message-count": ("failed-session-count", "draft-name"),
    },
)


def repaired(raw: Object, notes: Notes, envelope: Envelope, document: bytes) -> Object:
    """The report as RFC 8460 would have it; raises UnreadableReport where it has no period or no policies."""
    report, unknown = REPORT.split(raw, notes, ())
    if (contact := contact_info(report.pop("contact-info", None), notes)) is not None:
        report["contact-info"] = contact
    start, end = date_range(report.get("date-range"), notes, envelope, report)
    fallback = _PolicyDomain(envelope, report.get("report-id"))
    report["policies"] = policies(report.get("policies"), unknown, notes, fallback, present="policies" in raw)
    report["date-range"] |= {"start-datetime": start, "end-datetime": end}
    if "report-id" not in report:
        report["report-id"] = report_id(notes, envelope, document)
    if "organization-name" not in report and (organization := organization_name(notes, envelope, contact)):
        report["organization-name"] = organization
    if unknown:
        report |= kept(unknown, notes, ())
    return report


def contact_info(value: Any, notes: Notes) -> str | None:
    """The addr-spec: it may come as a mailto URI or with a display name (16); null at Stalwart (1) is absent."""
    at = ("contact-info",)
    if value is None or (address := text(value, NAME, notes, at)) is None:
        return None
    if address[:7].lower() == "mailto:" and len(address) > len("mailto:"):
        notes.add("contact-info-mailto", at)
        address = address[7:]
    if match := _DISPLAY_NAME.fullmatch(address):
        notes.add("contact-info-display-name", at)
        address = match[1]
    return address


def organization_name(notes: Notes, envelope: Envelope, contact: str | None) -> str | None:
    """Go programs leave organization-name out where it is not configured (2): the submitter's domain stands in."""
    if submitter := envelope.submitter:
        notes.add("organization-name-from-submitter", ("organization-name",))
        return submitter
    if name := domain_name((contact or "").rpartition("@")[2]):
        notes.add("organization-name-from-contact-info", ("organization-name",))
        return name
    return None


def report_id(notes: Notes, envelope: Envelope, document: bytes) -> str:
    """A report-id for a report without: the same for the same document."""
    if found := envelope.subject.report_id:
        notes.add("report-id-from-subject", ("report-id",))
        return found
    if found := envelope.filename.unique_id:
        notes.add("report-id-from-filename", ("report-id",))
        return found
    notes.add("report-id-from-content", ("report-id",))
    return "sha256:" + hashlib.sha256(document).hexdigest()


def date_range(value: Any, notes: Notes, envelope: Envelope, report: Object) -> tuple[datetime, datetime]:
    """Start and end; the file name stands in for what is missing (9), then the day that the other one says.

    Leaves the unknown members of the object as `report["date-range"]`.
    """
    known: Object = {}
    unknown: Object = {}
    if isinstance(value, dict):
        known, unknown = DATE_RANGE.split(value, notes, ("date-range",))
    elif value is not None:
        notes.add("date-range-not-an-object", ("date-range",))
    report["date-range"] = kept(unknown, notes, ("date-range",)) if unknown else {}
    start = date_time(known.get("start-datetime"), notes, _START)
    end = date_time(known.get("end-datetime"), notes, _END, end=True)
    if start is None and (start := envelope.filename.begin):
        notes.add("date-range-from-filename", _START)
    if end is None and (end := envelope.filename.end):
        notes.add("date-range-from-filename", _END)
    if start is None and end is not None:
        notes.add("start-datetime-assumed", _START)
        start = max((end - SECOND).replace(hour=0, minute=0, second=0, microsecond=0), limits.EARLIEST)
    if start is None:
        raise UnreadableReport(
            "no-date-range",
            "the report does not say which day it is about: it has no readable date-range, nor has its file name",
        )
    if end is None:
        notes.add("end-datetime-assumed", _END)
        end = min(start + DAY - SECOND, limits.LATEST)
    if end < start:
        notes.add("end-before-start", ("date-range",))
        start, end = end, start
    return start, end


def policies(
    value: Any, unknown: Object, notes: Notes, fallback: "_PolicyDomain", *, present: bool
) -> tuple[Object, ...]:
    """The entries; a single object becomes an array, as does the one policy of drafts in the report itself (37)."""
    if value is None and isinstance(unknown.get("policy"), dict):
        notes.add("draft-single-policy", ("policy",))
        value = [{name: unknown.pop(name) for name in ENTRY.bounds if name in unknown}]
    elif isinstance(value, dict):
        notes.add("policies-not-an-array", ("policies",))
        value = [value]
    elif value is None and present:
        notes.add("policies-null", ("policies",))
        value = []
    if type(value) is not list:
        raise UnreadableReport("no-policies", "the report has no policies: the member is missing or no array")
    if len(value) > limits.POLICIES:
        notes.add("policies-cut", ("policies",))
        value = value[: limits.POLICIES]
    found = []
    left = limits.FAILURE_DETAILS
    for position, raw in enumerate(value):
        at = ("policies", position)
        entry, unknown_members = ENTRY.split(raw, notes, at) if isinstance(raw, dict) else ({}, {})
        if not entry:
            notes.add("policy-set-aside", at)
            continue
        entry["policy"] = policy(entry.get("policy"), notes, (*at, "policy"), fallback)
        entry["summary"] = summary(entry.get("summary"), notes, (*at, "summary"))
        if "failure-details" in entry:
            details = failure_details(entry["failure-details"], left, notes, (*at, "failure-details"))
            entry["failure-details"] = details
            left -= len(details)
        found.append(entry | kept(unknown_members, notes, at) if unknown_members else entry)
    return tuple(found)


def policy(raw: Any, notes: Notes, at: At, fallback: "_PolicyDomain") -> Object:
    """What the sender saw; where it does not say whose policy, the mail around it may (17)."""
    if isinstance(raw, dict):
        known, unknown = POLICY.split(raw, notes, at)
    else:
        notes.add("policy-missing", at)
        known, unknown = {}, {}
    policy_type = word(known.get("policy-type"), notes, (*at, "policy-type"))
    if not policy_type:
        notes.add("policy-type-missing", (*at, "policy-type"))
        policy_type = UNKNOWN
    known["policy-type"] = policy_type
    known["policy-domain"] = domain(known.get("policy-domain"), notes, (*at, "policy-domain")) or fallback.stand_in(
        notes, (*at, "policy-domain")
    )
    if "policy-string" in known:
        known["policy-string"] = policy_string(known["policy-string"], notes, (*at, "policy-string"))
    if "mx-host" in known:
        known["mx-host"] = mx_host(known["mx-host"], notes, (*at, "mx-host"))
    return known | kept(unknown, notes, at) if unknown else known


class _PolicyDomain:
    """Whose policy it is, where policy-domain is missing: Postfix and 2019's Google for no-policy-found (17)."""

    def __init__(self, envelope: Envelope, report_id: str | None) -> None:
        self._envelope = envelope
        self._report_id = report_id

    def stand_in(self, notes: Notes, at: At) -> str | None:
        """TLS-Report-Domain's, the Subject's, the file name's, or the tail of `<day>_idx1_<domain>`."""
        envelope = self._envelope
        for found, code in (
            (envelope.report_domain, "policy-domain-from-header"),
            (envelope.subject.domain, "policy-domain-from-subject"),
            (envelope.filename.domain, "policy-domain-from-filename"),
            (domain_name(_TAIL.split(self._report_id or "")[-1]), "policy-domain-from-report-id"),
        ):
            if found:
                notes.add(code, at)
                return domain(found, Notes(), at)
        return None


def policy_string(value: Any, notes: Notes, at: At) -> tuple[str, ...]:
    """The lines of the policy: Google leaves the CR (29) and blanks (30) of the policy file at their ends."""
    lines = texts(value, TEXT, notes, at)
    if not any(line[-1:] in _BLANKS for line in lines if line):
        return lines
    if any(line.endswith("\r") for line in lines):
        notes.add("policy-string-cr", at)
    if any(line.rstrip("\r\n")[-1:] in (" ", "\t") for line in lines):
        notes.add("policy-string-blank", at)
    return tuple(line.rstrip(_BLANKS) for line in lines)


def mx_host(value: Any, notes: Notes, at: At) -> tuple[str, ...]:
    """The MX patterns; appendix B has one in place of the array (25), an anonymised fixture `mx: ` in front (28)."""
    hosts = texts(value, NAME, notes, at)
    if any(host.startswith("mx: ") for host in hosts):
        notes.add("mx-host-prefix", at)
        hosts = tuple(host.removeprefix("mx: ") for host in hosts)
    return tuple(name for position, host in enumerate(hosts) if (name := domain(host, notes, (*at, position))))


def summary(raw: Any, notes: Notes, at: At) -> Object:
    """The two counts; 2019's Google leaves a zero out (38)."""
    if not isinstance(raw, dict):
        notes.add("summary-missing", at)
        return {}
    known, unknown = SUMMARY.split(raw, notes, at)
    for name in SUMMARY.bounds:
        known[name] = count(known.get(name), notes, (*at, name))
    return known | kept(unknown, notes, at) if unknown else known


def failure_details(value: Any, left: int, notes: Notes, at: At) -> tuple[Object, ...]:
    """The failure details, at most `left`; missing, null and empty all mean none (41)."""
    if isinstance(value, dict):
        notes.add("failure-details-not-an-array", at)
        value = [value]
    if type(value) is not list:
        notes.add("failure-detail-set-aside", at)
        return ()
    found: list[Object] = []
    for position, raw in enumerate(value):
        here = (*at, position)
        if len(found) >= left:
            notes.add("failure-details-cut", here)
            break
        known, unknown = FAILURE_DETAIL.split(raw, notes, here) if isinstance(raw, dict) else ({}, {})
        if not known:
            notes.add("failure-detail-set-aside", here)
            continue
        result_type(known, notes, here)
        hostname = known.get("receiving-mx-hostname")
        if hostname is not None:
            known["receiving-mx-hostname"] = domain(hostname, notes, (*here, "receiving-mx-hostname"))
        known["failed-session-count"] = count(known.get("failed-session-count"), notes, (*here, "failed-session-count"))
        found.append(known | kept(unknown, notes, here) if unknown else known)
    return tuple(found)


def result_type(detail: Object, notes: Notes, at: At) -> None:
    """Any text in lower case; libtlsrpt leaves out what it does not know (49), a reason may stand behind `:` (51)."""
    at = (*at, "result-type")
    found = word(detail.get("result-type"), notes, at)
    if not found:
        notes.add("result-type-missing", at)
        found = UNKNOWN
    head, colon, tail = found.partition(":")
    if colon and head in RESULT_TYPES:
        notes.add("result-type-detail", at)
        found = head
        if tail and "failure-reason-code" not in detail:
            detail["failure-reason-code"] = tail
    detail["result-type"] = found


_START = ("date-range", "start-datetime")
_END = ("date-range", "end-datetime")
_BLANKS = " \t\r\n"
_DISPLAY_NAME = re.compile(r"[^<>]*<([^<>\s]+)>\s*")
_TAIL = re.compile(r"[_+]")
