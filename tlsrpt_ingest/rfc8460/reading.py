"""From the octets of a document to a report and the deviations that had to be repaired on the way.

Pure: no file, no network, no clock.
"""

from dataclasses import dataclass, field

from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.rfc8460.document import Report


@dataclass(frozen=True, slots=True)
class Hints:
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
class Deviation:
    """One way in which a sender left RFC 8460, and where: `code` is a name in docs/deviations.md."""

    code: str
    path: str = "$"
    """A JSON path ("$.policies[0].summary"), or "mail" for one of the mail around the document."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A report, and what had to be repaired to read it."""

    report: Report
    deviations: tuple[Deviation, ...] = field(default=())


class UnreadableReport(Unreadable):
    """A document that is no report by any reading; `stage` is "document"."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__("document", code, reason)


class NotAReport(UnreadableReport):
    """Well-formed, but something else than a TLS report: no member of RFC 8460 in it, or a DMARC report."""


class SeveralReports(UnreadableReport):
    """The document holds several JSON texts (an array of reports, JSON Lines): read each of `documents`."""

    def __init__(self, documents: tuple[bytes, ...]) -> None:
        super().__init__("several-reports", f"the document holds {len(documents)} reports")
        self.documents = documents


def read(document: bytes, hints: Hints = Hints()) -> Reading:
    """Read one report document (inflated JSON text).

    Raises `UnreadableReport` (or its kinds `NotAReport` and `SeveralReports`), and nothing else, whatever the octets.
    """
    raise NotImplementedError
