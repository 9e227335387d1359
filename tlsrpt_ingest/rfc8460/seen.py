"""What policy a sender saw, read from policy-string: an MTA-STS policy (RFC 8461) or TLSA records (RFC 6698).

To compare policies and not texts: the order of lines, their ends, upper-case hex and packed lists say nothing
(docs/deviations.md 20, 29 to 33).
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from tlsrpt_ingest.rfc8460.terms import STS, TLSA
from tlsrpt_ingest.rfc8461 import Policy, parse_policy


class Tlsa(NamedTuple):
    """A TLSA record (RFC 6698 section 2)."""

    usage: int
    selector: int
    matching_type: int
    data: str
    """Hexadecimal digits in lower case."""

    def __str__(self) -> str:
        """As RFC 8460 section 4.4 wants it in policy-string."""
        return f"{self.usage} {self.selector} {self.matching_type} {self.data}"


Seen = Policy | frozenset[Tlsa]
"""A policy in itself, whatever it looked like."""


def seen(policy_type: str, policy_string: Iterable[str]) -> Seen | None:
    """The policy in `policy_string`; None where it says none. Raises ValueError where it cannot be read."""
    lines = [line.strip(" \t\r\n") for text in policy_string for line in text.split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        return None
    if policy_type == STS:
        return parse_policy("\n".join(lines))
    if policy_type == TLSA:
        return frozenset(tlsa(line) for line in lines)
    return None


def tlsa(text: str) -> Tlsa:
    """One record: three numbers, then hexadecimal digits, which may have blanks between. Raises ValueError."""
    match = _TLSA.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:80]!r} is no TLSA record")
    return Tlsa(int(match[1]), int(match[2]), int(match[3]), "".join(match[4].split()).lower())


_TLSA: Final = re.compile(r"([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9]{1,3})\s+\(?([0-9A-Fa-f][0-9A-Fa-f\s]*)\)?")
