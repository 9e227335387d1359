"""Why a document was refused: unreadable, something else, or several reports in one."""

from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.rfc8460.codes import Deviation


class UnreadableReport(Unreadable):
    """A document that is no report by any reading; `stage` is "document"."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__("document", code, reason)

    def __reduce__(self) -> tuple[type["UnreadableReport"], tuple[object, ...]]:
        """Judging runs in worker processes, and an exception with arguments of its own does not pickle by itself."""
        return type(self), (self.code, str(self))


class NotAReport(UnreadableReport):
    """Well-formed, but something else than a TLS report: no member of RFC 8460 in it, or a DMARC report."""


class SeveralReports(UnreadableReport):
    """The document holds several JSON texts (an array of reports, JSON Lines): read each of `documents`.

    None of them holds several reports again. `deviations` are those of the text around them ("utf-16").
    """

    def __init__(self, documents: tuple[bytes, ...], deviations: tuple[Deviation, ...] = ()) -> None:
        super().__init__("several-reports", f"the document holds {len(documents)} reports")
        self.documents = documents
        self.deviations = deviations

    def __reduce__(self) -> tuple[type["UnreadableReport"], tuple[object, ...]]:
        """As above."""
        return type(self), (self.documents, self.deviations)
