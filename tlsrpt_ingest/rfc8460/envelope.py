"""What stands around a document: the grammars of the Subject (RFC 8460 section 5.3) and of the file name (5.1).

Hints only: the body wins (section 5.6), and no sender writes both as the grammar says.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460.codes import Notes
from tlsrpt_ingest.rfc8460.dates import DAY, SECOND, date_time


class Hints(NamedTuple):
    """What the mail around a document says about it; the body wins (RFC 8460 section 5.6), so these only fill gaps."""

    report_domain: str | None = None
    """TLS-Report-Domain (section 5.3)."""
    submitter: str | None = None
    """TLS-Report-Submitter (section 5.3)."""
    subject: str | None = None
    """The decoded, unfolded Subject (section 5.3)."""
    filename: str | None = None
    """The decoded file name of the part, or of the file (section 5.1)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """`Report Domain: <domain> Submitter: <domain> Report-ID: <left@right>`, as far as it is there.

    Microsoft leaves out the angle brackets and the `@`; Google's id is another than the body's.
    """

    domain: str | None = None
    submitter: str | None = None
    report_id: str | None = None


@dataclass(frozen=True, slots=True)
class Filename:
    """`sender!policy-domain!begin!end[!unique-id].json[.gz]`, as far as it is there.

    halon-extras may write milliseconds or fractions; hMailServer's fork one date in place of the two times.
    """

    sender: str | None = None
    domain: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
    unique_id: str | None = None


def read_subject(subject: str | None) -> Subject:
    """What a decoded Subject says; runs of blanks and line breaks count as one blank."""
    text = _clean(subject)
    domain, submitter, report_id = (pattern.search(text) for pattern in (_DOMAIN, _SUBMITTER, _REPORT_ID))
    return Subject(
        domain_name(domain[1]) if domain else None,
        domain_name(submitter[1]) if submitter else None,
        (report_id[1].strip("<>") or None) if report_id else None,
    )


def read_filename(filename: str | None) -> Filename:
    """What a decoded file name says; folders in front and the extension are left out."""
    name = _EXTENSION.sub("", _clean(filename).replace("\\", "/").rpartition("/")[2])
    parts = name.split("!")
    if len(parts) < 3:  # noqa: PLR2004 - sender, policy-domain and something of the period
        return Filename()
    begin, end = _time(parts[2]), _time(parts[3]) if len(parts) > 3 else None  # noqa: PLR2004 - begin, then end
    if begin and not end and _DATE.fullmatch(parts[2]):
        end = begin + DAY - SECOND
    return Filename(
        domain_name(parts[0]),
        domain_name(parts[1]),
        begin,
        end,
        (parts[4] or None) if len(parts) > 4 else None,  # noqa: PLR2004 - the fifth is unique-id
    )


def domain_name(text: str | None) -> str | None:
    """A text as a domain name in lower case, without the dot at its end; None where it is none."""
    name = _clean(text).strip().rstrip(".").lower()
    return name if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) else None


class Envelope:
    """The hints, taken apart when they are needed."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    @property
    def report_domain(self) -> str | None:
        """TLS-Report-Domain, where it is a domain name."""
        return domain_name(self._hints.report_domain)

    @cached_property
    def subject(self) -> Subject:
        """The Subject, read."""
        return read_subject(self._hints.subject)

    @cached_property
    def filename(self) -> Filename:
        """The file name, read."""
        return read_filename(self._hints.filename)

    @property
    def submitter(self) -> str | None:
        """Who says to have sent it: TLS-Report-Submitter, the Subject's, the file name's."""
        return domain_name(self._hints.submitter) or self.subject.submitter or self.filename.sender


def _time(text: str) -> datetime | None:
    return date_time(text, Notes(), ())


def _clean(text: str | None) -> str:
    """A hint without what no database takes: decoded headers hold halves of surrogate pairs for octets."""
    text = (text or "")[: limits.NAME * 2].replace("\0", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")[: limits.NAME]


_LONGEST_NAME = 253
_NAME = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]*[^\W\d][\w-]*")
"""At least two labels, and a letter in the last: `5665667737528564296` is Stalwart's random number, not a domain."""
_DOMAIN = re.compile(r"report\s+domain:\s*([^\s;,]+)", re.IGNORECASE)
_SUBMITTER = re.compile(r"submitter:\s*([^\s;,]+)", re.IGNORECASE)
_REPORT_ID = re.compile(r"report-id:\s*(<[^>]*>|\S+)", re.IGNORECASE)
_EXTENSION = re.compile(r"(?:\.(?:json|gz|gzip|zip))+\Z", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
