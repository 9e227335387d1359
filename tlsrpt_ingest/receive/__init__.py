"""Reports by HTTPS POST (RFC 8460 section 5.4): the endpoint that `serve` runs."""

from tlsrpt_ingest.receive.server import serve

__all__ = ["serve"]
