"""The name of every deviation of a document from RFC 8460, and the list of those met while one is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tlsrpt_ingest import limits

At = tuple[str | int, ...]
"""Where in the document: member names and array positions from the root on."""

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # The JSON text (RFC 8259, RFC 7493).
        "byte-order-mark": "U+FEFF stood in front of the JSON text; skipped",
        "utf-16": "the text was UTF-16; decoded as such",
        "utf-32": "the text was UTF-32; decoded as such",
        "latin-1": "the text was not UTF-8; decoded as ISO 8859-1",
        "line-broken": "a relay broke a line of over 900 octets inside a JSON token; joined again",
        "control-character": "control characters stood unescaped in a string; kept",
        "nul": "NUL stood in the text; became U+FFFD, or was removed at the end",
        "lone-surrogate": "half of a surrogate pair stood alone; became U+FFFD",
        "duplicate-member": "a member stood more than once in one object; the last one counts",
        "trailing-data": "something that is no report stood behind the report; left out",
        "array-of-reports": "the report stood in an array; taken out",
        "not-finite": "NaN, Infinity or a number beyond every bound; taken as absent",
        # Any object.
        "snake-case-member": "a member was spelled with _ where RFC 8460 has -; read as the one meant",
        "unknown-member-cut": "an unknown member was larger or deeper than its bound; left out",
        "more-deviations": "there were more deviations than are recorded for one report",
        # Any text.
        "number-for-text": "a number stood where text belongs; its digits became the text",
        "array-for-text": "an array stood where one text belongs; its first text was taken",
        "not-text": "something else stood where text belongs; taken as absent",
        "text-cut": "a text was longer than its bound; cut",
        "blank": "blanks stood around a name; removed",
        "upper-case": "a domain or type had upper-case letters; lowered",
        "trailing-dot": "a domain ended in a dot; removed",
        "u-label": "a domain was written in Unicode; became A-labels",
        # The report.
        "organization-name-from-submitter": "organization-name was absent; the submitter's domain stands in",
        "organization-name-from-contact-info": "organization-name was absent; contact-info's domain stands in",
        "contact-info-mailto": "contact-info was a mailto URI; the address was taken out",
        "contact-info-display-name": "contact-info had a display name or brackets; the address was taken out",
        "report-id-from-subject": "report-id was absent; the Subject's stands in",
        "report-id-from-filename": "report-id was absent; the file name's unique-id stands in",
        "report-id-from-content": "report-id was absent; the digest of the document stands in",
        # Dates.
        "date-range-from-filename": "a date was absent or no date; the file name's stands in",
        "date-range-not-an-object": "date-range was no object; taken as absent",
        "start-datetime-assumed": "start-datetime was absent or no date; the first second of the end's day stands in",
        "end-datetime-assumed": "end-datetime was absent or no date; a day after the start stands in",
        "end-before-start": "end-datetime lay before start-datetime; swapped",
        "datetime-without-offset": "a date-time had no offset; taken as UTC",
        "datetime-blank": "a date-time had a blank where T belongs",
        "datetime-24-00": "a date-time had the hour 24; became the midnight after",
        "datetime-leap-second": "a date-time had the second 60; became 59",
        "datetime-date-only": "a date stood where a date-time belongs; became its first or last second",
        "datetime-epoch": "seconds or milliseconds since 1970 stood where a date-time belongs",
        "datetime-iso-8601": "a date-time was ISO 8601 and not RFC 3339",
        "datetime-rfc-5322": "a date-time was written as in a mail header",
        "datetime-unreadable": "no date, or none between 1990 and 2100; taken as absent",
        # Policies.
        "draft-single-policy": "policy, summary and failure-details stood in the report itself, as in drafts",
        "policies-null": "policies was null; taken as empty",
        "policies-not-an-array": "policies was a single object; taken as an array of one",
        "policies-cut": "policies had more entries than the bound; cut",
        "policy-set-aside": "an entry of policies had nothing of a policy in it; left out",
        "policy-missing": "an entry of policies had no policy object; its counts are kept",
        "policy-type-missing": "policy-type was absent; became unknown",
        "policy-domain-from-header": "policy-domain was absent; TLS-Report-Domain stands in",
        "policy-domain-from-subject": "policy-domain was absent; the Subject's stands in",
        "policy-domain-from-filename": "policy-domain was absent; the file name's stands in",
        "policy-domain-from-report-id": "policy-domain was absent; the report-id's tail stands in",
        "policy-string-cr": "lines of policy-string ended in CR; removed",
        "policy-string-blank": "lines of policy-string ended in blanks; removed",
        "string-for-array": "a text stood where an array of texts belongs; taken as an array of one",
        "array-in-string": "an array was packed in a text; unpacked",
        "strings-cut": "an array of texts had more elements than the bound; cut",
        "strings-set-aside": "something else than text stood in an array of texts; left out",
        "mx-host-prefix": "elements of mx-host began with 'mx: '; removed",
        "mx-host-pattern": "mx-host was called mx-host-pattern",
        # Counts.
        "summary-missing": "summary was absent; its counts are 0",
        "draft-name": "a count had its name of an earlier draft",
        "count-missing": "a count was absent; became 0",
        "count-as-text": "a count was written as text",
        "count-as-float": "a count was written with a fraction of zero or an exponent",
        "count-unreadable": "a count was negative, fractional, boolean, too large or no number; became 0",
        # Failure details.
        "failure-details-not-an-array": "failure-details was a single object; taken as an array of one",
        "failure-details-cut": "there were more failure details than the bound; cut",
        "failure-detail-set-aside": "something else than a failure detail stood in failure-details; left out",
        "result-type-missing": "result-type was absent; became unknown",
        "result-type-detail": "result-type had a ':' and a reason behind it; split",
        "additional-info-uri": "additional-information was called additional-info-uri",
        "failure-error-code": "failure-reason-code was called failure-error-code",
    }
)
"""Each code, and what it says of the document and of what was done."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One way in which a sender left RFC 8460, and where: `code` is a name in docs/deviations.md."""

    code: str
    path: str = "$"
    """A JSON path ("$.policies[0].summary"), or "mail" for one of the mail around the document."""


class Notes:
    """The deviations met so far: at most limits.DEVIATIONS, the last of which then says that there were more."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Deviation] = []

    def add(self, code: str, at: At = ()) -> None:
        """Record a deviation of CODES."""
        count = len(self._found)
        if count < limits.DEVIATIONS - 1:
            self._found.append(Deviation(code, json_path(at)))
        elif count < limits.DEVIATIONS:
            self._found.append(Deviation("more-deviations"))

    def deviations(self) -> tuple[Deviation, ...]:
        """All of them, in the order met."""
        return tuple(self._found)


_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def json_path(at: At) -> str:
    """The JSON path of a place; a member name that is no plain word (a stranger's) stands quoted and shortened."""
    path = "$"
    for step in at:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            path += f".{step}"
        else:
            path += f"[{step[:32]!a}]"
    return path
