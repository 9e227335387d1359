"""Fetching the policy file as RFC 8461 section 3.3 demands: HTTPS, 200, text/plain, no redirect, bounded."""

import http.client
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from tlsrpt_ingest import __version__, limits
from tlsrpt_ingest.posture.connection import Connection, ConnectionFailed, Way

PATH: Final = "/.well-known/mta-sts.txt"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A policy file, as it came."""

    content: bytes
    expires: datetime | None
    """When the certificate of the policy host does."""


def fetch(host: str, address: str, way: Way) -> Fetched:
    """Fetch the file from the policy host at one of its addresses, whole and in time.

    Raises ConnectionFailed; its codes besides the connection's: "certificate-name", "slow", "redirect", "status",
    "media-type", "too-large", "http".
    """
    try:
        with Connection([address], way) as connection:
            certificate = connection.start_tls(host)
            if not certificate.covers(host):
                names = ", ".join(certificate.names) or "no name at all"
                raise ConnectionFailed("certificate-name", f"the certificate is for {names} and not for {host}")
            name = host if way.port == http.client.HTTPS_PORT else f"{host}:{way.port}"
            connection.send(
                f"GET {PATH} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: tlsrpt-ingest/{__version__}\r\n"
                "Accept: text/plain\r\nConnection: close\r\n\r\n".encode("ascii")
            )
            return Fetched(_content(connection), certificate.expires)
    except TimeoutError as error:
        raise ConnectionFailed("slow", f"{host} did not send the policy file within {way.seconds:g} seconds") from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionFailed("http", f"{host} broke off or sent no HTTP: {error!r}") from error


def _content(connection: Connection) -> bytes:
    # All that it wants of a socket is makefile().
    response = http.client.HTTPResponse(cast("Any", connection), method="GET")
    response.begin()
    if 300 <= response.status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        aim = response.getheader("Location", "")
        raise ConnectionFailed("redirect", f"it answers {response.status} and points to {aim!r}")
    if response.status != http.client.OK:
        raise ConnectionFailed("status", f"it answers {response.status} {response.reason}")
    if "content-type" not in response.headers or response.headers.get_content_type() != "text/plain":
        said = response.getheader("Content-Type")
        raise ConnectionFailed("media-type", f"its Content-Type is {said!r}" if said else "it has no Content-Type")
    content = response.read(limits.POLICY_FILE + 1)
    if len(content) > limits.POLICY_FILE:
        raise ConnectionFailed("too-large", f"it has more than {limits.POLICY_FILE:,} octets")
    if response.length:
        raise ConnectionFailed("http", f"it broke off: {response.length} octets are missing")
    return content
