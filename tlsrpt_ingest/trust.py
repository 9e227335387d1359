"""What the owner asks of a report before it counts (`[trust]`): that its sender vouches for it, that it is about him.

Pure but for the functions that are handed in; goes to other processes with them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tlsrpt_ingest.config import Trust as Wanted
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.verdict import Authentication, Verdict

if TYPE_CHECKING:
    from tlsrpt_ingest.mail.authentication import Vouching
    from tlsrpt_ingest.mail.dkim_signature import Keys

NAMED: Final = 3
"""Domains named in a reason."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is asked, and who is asked about it."""

    wanted: Wanted = field(default_factory=Wanted)
    keys: "Keys | None" = None
    """How DKIM keys are looked up; None where signatures are not verified (an archive's keys are long gone)."""
    mx: Callable[[str], Sequence[str] | None] | None = None
    """The MX hosts of a domain, None where the DNS does not answer."""
    cap: int | None = None
    """How many reports of a sender about one day count; None for any number."""

    def vouching(self, octets: bytes) -> "Vouching | None":
        """What there is to say about a message's signatures; None where nobody wants to know."""
        if self.keys is None and not self.wanted.authserv_ids and self.wanted.require == "none":
            return None
        from tlsrpt_ingest.mail.authentication import Vouching  # noqa: PLC0415 - only where there is a message

        return Vouching(octets, frozenset(self.wanted.authserv_ids), self.keys)

    def refusal(self, domains: Iterable[str | None], one: Authentication | None) -> tuple[Outcome, Unreadable] | None:
        """What becomes of a report about these policy domains that does not count, and why; None where it does."""
        if self.wanted.require == "authenticated" and (one is None or one.verdict is not Verdict.PASS):
            verdict, reason = (one.verdict, one.reason) if one else (Verdict.NONE, "it did not come by mail")
            return _refused(Outcome.UNAUTHENTICATED, verdict, f"nobody vouches for it: {reason}")
        return self._foreign({domain.rstrip(".").lower() for domain in domains if domain})

    def _foreign(self, named: set[str]) -> tuple[Outcome, Unreadable] | None:
        """Whether a report is about others: one policy domain of ours makes it ours, and so does naming none at all."""
        ours = self.wanted.domains
        if not ours or not named or any(_is_below(domain, one) for domain in named for one in ours):
            return None
        # For DANE the policy domain is the MX host (RFC 8460 section 1.1).
        hosts = self.wanted.mx_hosts or self._mx_hosts()
        if hosts is not None and not named.isdisjoint(hosts):
            return None
        words = "it is about " + ", ".join(ascii(domain)[1:-1] for domain in sorted(named)[:NAMED])
        words += f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        if hosts is None:
            words += "; whether these are MX hosts of your domains the DNS did not say in time"
            return _refused(Outcome.FOREIGN, Verdict.TEMPERROR, words)
        return _refused(Outcome.FOREIGN, "foreign", f"{words}, and about none of your domains")

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


def _refused(outcome: Outcome, code: str, words: str) -> tuple[Outcome, Unreadable]:
    """What the DNS did not tell in time is rejected for now, so that the next polls ask again."""
    return Outcome.REJECTED if code == Verdict.TEMPERROR else outcome, Unreadable("trust", str(code), words)


def _is_below(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")
