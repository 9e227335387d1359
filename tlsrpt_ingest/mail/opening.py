"""The way into a mail: the fast one if it is ordinary, else the complete one."""

from tlsrpt_ingest.mail import attachment
from tlsrpt_ingest.mail.attachment import Mail
from tlsrpt_ingest.mail.ordinary import open_ordinary


def open_mail(octets: bytes, name: str | None = None, media_type: str | None = None) -> Mail:
    """Open a message (RFC 5322), or a bare document (JSON, gzip or zip by its magic octets); never raises.

    With the `media_type` of a POST (RFC 8460 section 5.4) it is a document and no message, whatever it looks like.
    """
    if media_type is not None:
        return attachment.open_posted(octets, media_type)
    return open_ordinary(octets) or attachment.open_mail(octets, name)
