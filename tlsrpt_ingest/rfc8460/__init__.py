"""RFC 8460, SMTP TLS Reporting, for a receiver: a typed library that depends on nothing else of tlsrpt-ingest's floors.

>>> from tlsrpt_ingest.rfc8460 import read
>>> reading = read(document)             # bytes of the JSON text
>>> reading.report.organization_name     # pydantic models in the words of section 4.4
>>> reading.deviations                   # what had to be repaired, by name and JSON path
"""

from tlsrpt_ingest.rfc8460.document import DateRange, FailureDetail, Policy, PolicyEntry, Report, Summary
from tlsrpt_ingest.rfc8460.reading import (
    Deviation,
    Hints,
    NotAReport,
    Reading,
    SeveralReports,
    UnreadableReport,
    read,
)

__all__ = [
    "DateRange",
    "Deviation",
    "FailureDetail",
    "Hints",
    "NotAReport",
    "Policy",
    "PolicyEntry",
    "Reading",
    "Report",
    "SeveralReports",
    "Summary",
    "UnreadableReport",
    "read",
]
