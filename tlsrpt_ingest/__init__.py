"""Mailbox processor for SMTP TLS reports (RFC 8460)."""

__version__ = "0.1.0"
