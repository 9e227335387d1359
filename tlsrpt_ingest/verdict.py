"""The one word that the ledger has for who vouches for a delivery, out of RFC 8601, and about which signature."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether the reporting domain signed the report (RFC 8460 section 5.3).

    Of several signatures the first verdict in this order is the message's.
    """

    PASS = "pass"  # noqa: S105 - no password
    """A signature of the reporting domain verifies."""
    TEMPERROR = "temperror"
    """DNS did not answer in time; another time it may."""
    FAIL = "fail"
    """A signature of the reporting domain that does not verify."""
    POLICY_MISMATCH = "policy-mismatch"
    """A signature that may verify and does not count: another domain's, with `l=`, or of a key for something else."""
    NONE = "none"
    """No signature, or nobody of ours says anything about one."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """A verdict, and about which signature; the strings are a stranger's, but for `reason`."""

    verdict: Verdict
    domain: str | None = None
    """The signing domain (`d=`), in lower case."""
    selector: str | None = None
    organizational_domain: str | None = None
    """That of the signing domain where the verdict is pass: who vouches for the report."""
    reason: str | None = None
    """Why it is no pass; or, for a pass, who says so where it was not we who verified. Printable ASCII."""
