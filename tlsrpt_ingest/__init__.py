"""Mailbox processor for SMTP TLS reports (RFC 8460)."""

from importlib.metadata import version

__version__ = version("tlsrpt-ingest")
