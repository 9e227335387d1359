"""What the store is handed: one delivery, ready to be recorded."""

from dataclasses import dataclass

from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.rfc8460 import Reading
from tlsrpt_ingest.verdict import Authentication


@dataclass(frozen=True, slots=True)
class Place:
    """An IMAP message in one epoch of its mailbox."""

    account: str
    mailbox: str
    uidvalidity: int
    uid: int


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each message
class Delivery:
    """One document of an item, or the whole item where it holds none: one row of the ledger.

    Exactly one of three: `reading` and `document` are set (a report), `failure` is set (rejected, or refused), or
    neither (not a report).
    """

    item: bytes
    """16 octets that name the item and its content (`ingest.item_key`)."""
    part: int
    """Which document of the item, from 0."""
    origin: str
    digest: bytes
    """SHA-256 of the item's octets."""
    size: int
    """Octets of the item."""
    message_id: str | None = None
    sender: str | None = None
    subject: str | None = None
    submitter: str | None = None
    reading: Reading | None = None
    document: bytes | None = None
    """The gzip stream of the document that was read."""
    failure: Unreadable | None = None
    octets: bytes | None = None
    """The item's octets, where its source may not be read again: the ledger keeps them while the outcome is open."""
    place: Place | None = None
    authentication: Authentication | None = None
    """Who vouches for it; None where nobody looked."""
    refused: Outcome | None = None
    """UNAUTHENTICATED or FOREIGN, where the report can be read and does not count; `failure` says why."""
