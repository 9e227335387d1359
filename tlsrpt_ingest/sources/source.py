"""The seam between the places that mail lies in and the loop: Source, Item, Mailbox."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.outcome import Outcome


class Mailbox(NamedTuple):
    """An IMAP mailbox in one epoch: UIDs mean something only together with these (RFC 3501 section 2.3.1.1)."""

    account: str
    name: str
    uidvalidity: int


@dataclass(slots=True)  # a frozen one takes four times as long to make, and there is one for each message
class Item:
    """One message, or one file, as it lies in its source."""

    origin: str
    """Where it lies, as a URI: `file:///srv/2024.mbox#1234` (octet offset), `file:///srv/a.zip#b.json`,
    `imap://account/INBOX;UIDVALIDITY=7/;UID=42` (RFC 5092), `post://192.0.2.1/path` (by whom, and where to), `stdin:`.
    Percent-encoded: printable ASCII only."""
    octets: bytes
    """The message or document as it lies there; empty when `failure` is set."""
    name: str | None = None
    """The file name, where it has one: a hint (RFC 8460 section 5.1), still a stranger's text."""
    position: int = 0
    """Its place in the source, growing in the order of reading: octet offset, UID, running number."""
    repeatable: bool = True
    """Whether `origin` can be read again; if not, the ledger keeps the octets of what could not be stored."""
    failure: Unreadable | None = None
    """Why the source could not hand out the octets of this one item."""
    mailbox: Mailbox | None = None
    """For IMAP: with `position` as UID, what the next poll looks up in the ledger."""
    media_type: str | None = None
    """What whoever posted it calls it ("" where that is forgotten): meant as a report, so never other mail."""


class Source(Protocol):
    """A place that items come from."""

    origin: str
    """The URI of the whole: what is before `#` in its items' origins."""

    @property
    def octets_total(self) -> int | None:
        """How much there is to read, for a progress bar; None where nobody can say beforehand."""
        ...

    @property
    def octets_read(self) -> int:
        """How much of it has been read."""
        ...

    def items(self) -> Iterator[Item]:
        """Every item once, lazily, holding one at a time. Raises Unavailable when the place itself is out of reach."""
        ...

    def settle(self, settled: Sequence[tuple[Item, Outcome]]) -> None:
        """Do what the owner wants done with items whose outcome is committed; for read-only sources nothing."""
        ...
