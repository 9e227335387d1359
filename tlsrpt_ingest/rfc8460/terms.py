"""The words of RFC 8460: policy types, result types, media types, header names, members."""

from typing import Final, Literal, get_args

STS: Final = "sts"
TLSA: Final = "tlsa"
NO_POLICY_FOUND: Final = "no-policy-found"
PolicyType = Literal["tlsa", "sts", "no-policy-found"]
POLICY_TYPES: Final[tuple[str, ...]] = get_args(PolicyType)
"""The policy types of section 4.4, "presently the only three": senders write others, so nothing rejects by this."""

ResultType = Literal[
    # Section 4.3.1, negotiation failures.
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    # Section 4.3.2.1, DANE.
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    # Section 4.3.2.2, MTA-STS.
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
]
RESULT_TYPES: Final[tuple[str, ...]] = get_args(ResultType)
"""The result types of section 4.3, as IANA's registry has them; the list "is expected to grow" and is never closed."""

UNKNOWN: Final = "unknown"
"""What stands for a policy type or result type that the sender left out."""

TLSRPT_JSON: Final = "application/tlsrpt+json"
TLSRPT_GZIP: Final = "application/tlsrpt+gzip"
MEDIA_TYPES: Final = (TLSRPT_JSON, TLSRPT_GZIP)
"""The media types of sections 6.4 and 6.5."""

REPORT_TYPE: Final = "tlsrpt"
"""The report-type of multipart/report (section 5.3)."""

TLS_REPORT_DOMAIN: Final = "TLS-Report-Domain"
TLS_REPORT_SUBMITTER: Final = "TLS-Report-Submitter"
"""The header fields of section 5.3."""

REPORT_MEMBERS: Final = ("organization-name", "date-range", "contact-info", "report-id", "policies")
"""The members of a report (section 4.4)."""
