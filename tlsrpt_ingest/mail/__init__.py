"""From the octets of a message, or of a bare file, to the report documents in it and what its headers say."""

from tlsrpt_ingest.mail.attachment import Document, Mail
from tlsrpt_ingest.mail.opening import open_mail

__all__ = ["Document", "Mail", "open_mail"]
