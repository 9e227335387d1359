"""What a domain publishes, as far as it could be seen: filled by the checks, read by recommendation and memory."""

from dataclasses import dataclass, field

from tlsrpt_ingest import rfc8461
from tlsrpt_ingest.rfc8460 import record as rfc8460_record
from tlsrpt_ingest.rfc8460.seen import Tlsa
from tlsrpt_ingest.store.published import Key


@dataclass(slots=True)
class Published:
    """The parts that are in order; None where there is none, or none that senders would read. TTLs are seconds."""

    domain: str
    texts: dict[Key, str | None] = field(default_factory=dict)
    """What to remember: its text, None for a certain no. What could not be looked up is not there."""
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

    def keep(self, kind: str, text: str | None, name: str | None = None) -> None:
        """Note a text of the domain, or of an MX host, or that it is certainly not there."""
        self.texts[name or self.domain, kind] = text
