"""Find every report document in a message, wherever it sits and whatever it is labelled (RFC 8460 section 5)."""

from dataclasses import dataclass

from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.rfc8460 import Deviation, Hints


@dataclass(frozen=True, slots=True)
class Document:
    """One report document found in a message."""

    octets: bytes
    """The JSON text, inflated within limits.DOCUMENT."""
    gzip: bytes | None
    """The gzip stream it came in, where that is one clean member (kept as it is); None where it came otherwise."""
    hints: Hints
    deviations: tuple[Deviation, ...] = ()
    """What the mail around it did otherwise than RFC 8460 section 5 (path "mail")."""


@dataclass(frozen=True, slots=True)
class Mail:
    """What one message, or bare file, holds."""

    documents: tuple[Document | Unreadable, ...]
    """Every report document in order of appearance; an Unreadable where one is there and cannot be had."""
    claims: bool
    """Whether headers or labels call it a TLS report, so that finding none in it is a fault and not other mail."""
    message_id: str | None = None
    """Header values: decoded (RFC 2047), unfolded, shortened to limits.NAME; still a stranger's text."""
    sender: str | None = None
    """The addr-spec of From."""
    subject: str | None = None
    submitter: str | None = None


def open_mail(octets: bytes, name: str | None = None) -> Mail:
    """Open a message (RFC 5322), or a bare document (JSON, gzip or zip by its magic octets); never raises."""
    raise NotImplementedError
