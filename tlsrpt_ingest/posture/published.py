"""What a domain publishes, as far as it could be seen: filled by the checks, read by recommendation and memory."""

from dataclasses import dataclass, field
from typing import Final

from tlsrpt_ingest import rfc8461
from tlsrpt_ingest.rfc8460 import record as rfc8460_record
from tlsrpt_ingest.rfc8460.seen import Tlsa

TLSRPT_RECORD: Final = "tlsrpt-record"
STS_RECORD: Final = "sts-record"
STS_POLICY: Final = "sts-policy"
MX: Final = "mx"
TLSA: Final = "tlsa"


@dataclass(slots=True)
class Published:
    """The parts that are in order; None where there is none, or none that senders would read. TTLs are seconds."""

    domain: str
    texts: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """(domain or MX host, one of the five words above) -> its text, None for a certain no. What could not be looked up
    is not there."""
    tlsrpt_record: rfc8460_record.Record | None = None
    tlsrpt_ttl: int | None = None
    sts_record: rfc8461.Record | None = None
    sts_ttl: int | None = None
    policy: rfc8461.Policy | None = None
    takes_mail: bool = True
    """Whether it does not say by a null MX (RFC 7505) that it takes none."""
    mx: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Host -> addresses, in the order in which senders try them."""
    tlsa: dict[str, frozenset[Tlsa]] = field(default_factory=dict)
    """Host -> its TLSA records, where the resolver has validated them."""

    def keep(self, what: str, text: str | None, host: str | None = None) -> None:
        """Note the text of something, or that it is certainly not there."""
        self.texts[host or self.domain, what] = text
