"""The way into a mail: the fast one if it is ordinary, else the complete one."""

from tlsrpt_ingest.mail import attachment
from tlsrpt_ingest.mail.attachment import Mail
from tlsrpt_ingest.mail.ordinary import open_ordinary


def open_mail(octets: bytes, name: str | None = None) -> Mail:
    """Open a message (RFC 5322), or a bare document (JSON, gzip or zip by its magic octets); never raises."""
    return open_ordinary(octets) or attachment.open_mail(octets, name)
