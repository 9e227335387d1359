"""RFC 8460, SMTP TLS Reporting, for a receiver: a typed library that depends on nothing else of tlsrpt-ingest's floors.

>>> from tlsrpt_ingest.rfc8460 import read
>>> reading = read(document)             # bytes of the JSON text
>>> reading.report.organization_name     # pydantic models in the words of section 4.4
>>> reading.deviations                   # what had to be repaired, by name and JSON path
"""

from tlsrpt_ingest.rfc8460.codes import CODES, Deviation
from tlsrpt_ingest.rfc8460.document import DateRange, FailureDetail, Members, Policy, PolicyEntry, Report, Summary
from tlsrpt_ingest.rfc8460.envelope import Filename, Hints, Subject, read_filename, read_subject
from tlsrpt_ingest.rfc8460.reading import Reading, read
from tlsrpt_ingest.rfc8460.refusals import NotAReport, SeveralReports, UnreadableReport

__all__ = [
    "CODES",
    "DateRange",
    "Deviation",
    "FailureDetail",
    "Filename",
    "Hints",
    "Members",
    "NotAReport",
    "Policy",
    "PolicyEntry",
    "Reading",
    "Report",
    "SeveralReports",
    "Subject",
    "Summary",
    "UnreadableReport",
    "read",
    "read_filename",
    "read_subject",
]
