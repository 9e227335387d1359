"""What the owner asks of a report before it counts (`[trust]`): that its sender vouches for it, that it is about him.

Pure but for the functions that are handed in; goes to other processes with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tlsrpt_ingest.config import Trust as Wanted
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail.authentication import Vouching
from tlsrpt_ingest.mail.dkim_signature import Keys
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import Report
from tlsrpt_ingest.verdict import Authentication, Verdict

NAMED: Final = 3
"""Domains named in a reason."""

TEMPERROR: Final = str(Verdict.TEMPERROR)
"""The code of what another time may end otherwise: polls read it again."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is asked, and who is asked about it."""

    wanted: Wanted = field(default_factory=Wanted)
    keys: Keys | None = None
    """How DKIM keys are looked up; None where signatures are not verified (an archive's keys are long gone)."""
    mx: Callable[[str], Sequence[str] | None] | None = None
    """The MX hosts of a domain, None where the DNS does not answer."""

    def vouching(self, octets: bytes) -> Vouching | None:
        """What there is to say about a message's signatures; None where nobody wants to know."""
        if self.keys is None and not self.wanted.authserv_ids and self.wanted.require == "none":
            return None
        return Vouching(octets, frozenset(self.wanted.authserv_ids), self.keys)

    def refusal(self, report: Report, authentication: Authentication | None) -> tuple[Outcome, Unreadable] | None:
        """The outcome of a report that does not count, and why; None where it does."""
        if self.wanted.require == "authenticated" and (
            authentication is None or authentication.verdict is not Verdict.PASS
        ):
            one = authentication or Authentication(Verdict.NONE, reason="it did not come by mail")
            why = Unreadable("trust", str(one.verdict), f"nobody vouches for it: {one.reason}")
            return Outcome.UNAUTHENTICATED, why
        foreign = self._foreign(report)
        return (Outcome.FOREIGN, foreign) if foreign else None

    def _foreign(self, report: Report) -> Unreadable | None:
        """Why a report is about others: one policy domain of ours makes it ours, and so does naming none at all."""
        named = {domain.rstrip(".").lower() for domain in report.policy_domains}
        ours = self.wanted.domains
        if not ours or not named or any(_is_below(domain, one) for domain in named for one in ours):
            return None
        words = "it is about " + ", ".join(ascii(domain)[1:-1] for domain in sorted(named)[:NAMED])
        words += f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        # For DANE the policy domain is the MX host (RFC 8460 section 4.2).
        hosts = self.wanted.mx_hosts or self._mx_hosts()
        if hosts is None:
            return Unreadable("trust", TEMPERROR, f"{words}; the DNS did not say whether these are MX hosts of yours")
        if named.isdisjoint(hosts):
            return Unreadable("trust", "foreign", f"{words}, and not about your domains")
        return None

    def _mx_hosts(self) -> set[str] | None:
        if self.mx is None:
            return set()
        hosts: set[str] = set()
        for domain in self.wanted.domains:
            found = self.mx(domain)
            if found is None:
                return None
            hosts.update(found)
        return hosts


def _is_below(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")
