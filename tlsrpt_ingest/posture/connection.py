"""A connection that ends at its deadline, whatever the other side does, and the certificate that it is shown."""

import errno
import io
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.rfc8461 import matches

CONNECT: Final = 10.0
"""Seconds for one address to accept a connection, so that the next one has its turn."""

_NO_WAY: Final = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_CODES: Final = {
    # OpenSSL's X509_V_ERR_*, which `ssl` has no names for.
    9: ("certificate-not-yet-valid", "is not valid yet"),
    10: ("certificate-expired", "has expired"),
    18: ("certificate-self-signed", "is self-signed"),
    19: ("certificate-untrusted", "is of an authority that is not trusted here"),
    20: ("certificate-untrusted", "is of an authority that is not known here, or the server does not send its chain"),
    21: ("certificate-untrusted", "cannot be verified, as the server does not send its chain"),
}


class ConnectionFailed(Exception):
    """What cannot be reached, or not be trusted; `code` is a fixed word.

    `no_way` says that this host has no way to any of the addresses, as one without IPv6: others may have.
    """

    def __init__(self, code: str, words: str, *, no_way: bool = False) -> None:
        super().__init__(words)
        self.code = code
        self.no_way = no_way


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach hosts of one kind, and what to trust of them."""

    context: ssl.SSLContext
    port: int
    seconds: float
    """For everything that is asked of one host."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate; names and expiry are there if it was verified up to an authority that is trusted."""

    names: tuple[str, ...]
    """Its DNS-IDs (RFC 6125), where `*.` may stand for one label."""
    expires: datetime | None
    der: bytes
    tls_version: str

    def covers(self, host: str) -> bool:
        """Whether it is for this host."""
        return any(matches(name, host) for name in self.names)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities, or those of a PEM file; raises Misconfigured where it cannot be read."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"ca_file in [posture]: cannot read {ca_file}: {error}") from error
    # By `Certificate.covers`, so that the names which are there can be told; OpenSSL would only say no.
    context.check_hostname = False
    return context


def no_trust() -> ssl.SSLContext:
    """For looking at a certificate that nobody vouches for, as DANE does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """A TCP connection to the first of the addresses that accepts it; `file` reads it, also for http.client."""

    def __init__(self, addresses: Sequence[str], way: Way) -> None:
        """Raises ConnectionFailed: "refused" if somebody said no, else "unreachable"."""
        self._deadline = time.monotonic() + way.seconds
        self._context = way.context
        code = "unreachable"
        failures = []
        no_way = True
        for address in addresses:
            try:
                self._socket: socket.socket = socket.create_connection((address, way.port), min(CONNECT, self._left()))
            except OSError as error:
                failures.append(f"{address}: {error.strerror or 'timed out'}")
                no_way = no_way and error.errno in _NO_WAY
                code = "refused" if isinstance(error, ConnectionError) else code
            else:
                self.address = address
                self.file = self.makefile()
                return
        raise ConnectionFailed(code, f"no connection to port {way.port} of {'; '.join(failures)}", no_way=no_way)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def start_tls(self, host: str) -> Certificate:
        """Shake hands for `host`; raises ConnectionFailed: "certificate-..." or "tls". The name is not checked."""
        self._socket.settimeout(self._left())
        try:
            secured = self._context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            code, words = _CODES.get(
                error.verify_code, ("certificate-untrusted", f"cannot be verified ({error.verify_message})")
            )
            raise ConnectionFailed(code, f"the certificate that {self.address} shows for {host} {words}") from error
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            # ValueError: a name that is none for SNI.
            reason = getattr(error, "reason", None) or error
            raise ConnectionFailed("tls", f"no TLS with {self.address} for {host}: {reason}") from error
        # A new file: what came in the clear behind the answer to STARTTLS is nobody's (CVE-2011-0411).
        self._socket, self.file = secured, self.makefile()
        return _certificate(secured)

    @property
    def own_name(self) -> str:
        """What to say in EHLO: this end's address (RFC 5321 section 4.1.3), as we receive no mail."""
        address: str = self._socket.getsockname()[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def send(self, octets: bytes) -> None:
        """Send everything; raises OSError."""
        self._socket.settimeout(self._left())
        self._socket.sendall(octets)

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """A file that reads the connection; raises TimeoutError at the deadline."""
        del mode  # http.client asks for "rb", and nobody for another
        return io.BufferedReader(_Reader(self))

    def receive_into(self, buffer: Any) -> int:
        """As socket.recv_into, before the deadline."""
        self._socket.settimeout(self._left())
        return self._socket.recv_into(buffer)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.receive_into(buffer)


def _certificate(secured: ssl.SSLSocket) -> Certificate:
    # Empty where it was not to be verified.
    said: dict[str, Any] = secured.getpeercert() or {}
    names = tuple(name for kind, name in said.get("subjectAltName", ()) if kind == "DNS")
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(said["notAfter"]), UTC) if said else None
    return Certificate(names, expires, secured.getpeercert(binary_form=True) or b"", secured.version() or "TLS")
