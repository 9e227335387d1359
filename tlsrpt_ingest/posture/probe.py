"""Asking a mail host itself: SMTP on port 25, STARTTLS, and the certificate that senders would see."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tlsrpt_ingest.posture.connection import Certificate, Connection, ConnectionFailed, Way

_LINE: Final = 2_000
"""Octets of a reply line; RFC 5321 section 4.5.3.1.5 allows 512."""

_LINES: Final = 100
"""Lines of one reply. EHLO of Exchange has 20."""


def probe(host: str, addresses: Sequence[str], way: Way) -> Certificate:
    """The certificate of a mail host, whose names are not checked.

    Raises ConnectionFailed; its codes besides the connection's: "slow", "smtp", "no-starttls".
    """
    try:
        with Connection(addresses, way) as connection:
            _expect(connection, b"", 220)
            offered = _expect(connection, f"EHLO {connection.own_name}\r\n".encode(), 250)
            if not any(line.split()[:1] == ["STARTTLS"] for line in offered[1:]):
                raise ConnectionFailed("no-starttls", f"{connection.address} does not offer STARTTLS")
            _expect(connection, b"STARTTLS\r\n", 220)
            certificate = connection.start_tls(host)
            with suppress(OSError):
                connection.send(b"QUIT\r\n")
            return certificate
    except TimeoutError as error:
        raise ConnectionFailed("slow", f"it did not come to TLS within {way.seconds:g} seconds") from error
    except OSError as error:
        raise ConnectionFailed("smtp", f"it broke off: {error}") from error


def _expect(connection: Connection, command: bytes, code: int) -> list[str]:
    """Send a command; the lines of its reply, which has to have this code."""
    connection.send(command)
    lines = []
    for _ in range(_LINES):
        line = connection.file.readline(_LINE).decode("latin-1").rstrip("\r\n")
        if line[:3] != str(code):
            sent = command.split()[0].decode() if command else "its greeting"
            raise ConnectionFailed("smtp", f"{connection.address} answers {sent} with {line[:200]!r} and not {code}")
        lines.append(line[4:])
        if line[3:4] != "-":
            return lines
    raise ConnectionFailed("smtp", f"{connection.address} answers with more than {_LINES} lines")
