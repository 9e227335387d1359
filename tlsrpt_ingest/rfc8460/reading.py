"""From the octets of a document to a report and the deviations that had to be repaired on the way.

Pure: no file, no network, no clock.
"""

from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from tlsrpt_ingest.rfc8460.codes import Deviation, Notes
from tlsrpt_ingest.rfc8460.deviations import repaired
from tlsrpt_ingest.rfc8460.document import Members, Report
from tlsrpt_ingest.rfc8460.envelope import Envelope, Hints
from tlsrpt_ingest.rfc8460.json_text import report_object
from tlsrpt_ingest.rfc8460.ordinary import read_ordinary
from tlsrpt_ingest.rfc8460.refusals import UnreadableReport

_NO_HINTS = Hints()


@dataclass  # a frozen one takes four times as long to make, and there is one for each report
class Reading:
    """A report, and what had to be repaired to read it."""

    members: Members
    """The report as its JSON spells it, validated: dicts, tuples, datetimes in UTC; an absent one is absent or None."""
    deviations: tuple[Deviation, ...] = ()
    may_be_unknown: bool = field(default=True, compare=False)
    """Whether there may be members that RFC 8460 does not know; False where somebody has looked."""

    @cached_property
    def report(self) -> Report:
        """The same as a model, made when it is first asked for: the database has no need of it."""
        return Report.model_validate(self.members)


def read(document: bytes, hints: Hints = _NO_HINTS) -> Reading:
    """Read one report document (inflated JSON text).

    Raises `UnreadableReport` (or its kinds `NotAReport` and `SeveralReports`), and nothing else, whatever the octets.
    Every text of the result is within its bound and free of NUL and halves of surrogate pairs, every count within
    0..2^63-1, both dates aware, UTC and between 1990 and 2100.
    """
    ordinary = read_ordinary(document)
    return Reading(*ordinary, may_be_unknown=False) if ordinary else read_completely(document, hints)


def read_completely(document: bytes, hints: Hints = _NO_HINTS) -> Reading:
    """The same, without the fast way for documents that need no repair."""
    notes = Notes()
    raw = report_object(document, notes)
    reading = Reading(repaired(raw, notes, Envelope(hints), document), notes.deviations())
    try:
        reading.report  # noqa: B018 - validated now, and kept
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise UnreadableReport("invalid", f"the report breaks its model and no repair knows it: {first}") from None
    return reading
