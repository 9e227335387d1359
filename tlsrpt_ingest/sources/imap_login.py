"""Connect and log in to an IMAP server, and tell apart the ways in which that fails."""

import imaplib
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Final

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, LoginError

from tlsrpt_ingest.config import Imap, OAuth
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable
from tlsrpt_ingest.sources.secret import reveal
from tlsrpt_ingest.sources.token import token

log = logging.getLogger(__name__)

WORDS: Final = 200
"""Characters of a server's own words that we repeat."""

BROKEN: Final = (imaplib.IMAP4.abort, OSError)
"""What imaplib raises when the connection is of no use any more (ssl.SSLError and TimeoutError are OSErrors)."""

# RFC 5530 response codes with which a server refuses for a reason that passes, and is not what we asked for.
_PASSING: Final = ("[UNAVAILABLE]", "[LIMIT]", "[INUSE]", "[SERVERBUG]", "[THROTTLED]", "socket error", "timed out")


def said(error: BaseException) -> str:
    """What the server said, on one short line."""
    words = error.args[0] if error.args else error
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    # imapclient puts the repr of the server's octets into some of its own errors.
    text = text[2:-1] if text.startswith(("b'", 'b"')) else text
    return " ".join(text.split())[:WORDS] or type(error).__name__


def is_passing(error: BaseException) -> bool:
    """Whether a refusal is worth another try later, with the same words."""
    return any(code.lower() in said(error).lower() for code in _PASSING)


def connect(account: Imap, environment: Mapping[str, str]) -> IMAPClient:
    """A client that is logged in. Raises Unavailable, Misconfigured or LoginRefused, each naming the account."""
    who = f"account {account.name!r}"
    client = _connected(account, who)
    try:
        _log_in(client, account, environment, who)
    except BaseException:
        drop(client)
        raise
    return client


def _connected(account: Imap, who: str) -> IMAPClient:
    port = account.port or (993 if account.security == "tls" else 143)
    if account.security == "none" and not account.insecure and not _is_loopback(account.host):
        raise Misconfigured(
            f'{who}: security = "none" would send the password in the clear to {account.host}; use "tls" or '
            '"starttls", or add insecure = true if this network is your own'
        )
    context = _context(account, who) if account.security != "none" else None
    try:
        with ExitStack() as unless_connected:
            client = IMAPClient(
                account.host,
                port,
                ssl=account.security == "tls",
                ssl_context=context,
                timeout=SocketTimeout(account.timeout, account.timeout),
            )
            unless_connected.callback(drop, client)
            _quiet(client)
            # Naive local times otherwise.
            client.normalise_times = False
            if account.security == "starttls":
                client.starttls(context)
            unless_connected.pop_all()
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(
            f"{who}: the certificate of {account.host}:{port} is not trusted: {error.verify_message}; if a CA of "
            "your own signed it, name its PEM file in ca_file; check host too"
        ) from error
    except CapabilityError as error:
        raise Misconfigured(
            f'{who}: {account.host}:{port} does not offer STARTTLS; use security = "tls", or find out who takes '
            "the offer away"
        ) from error
    except ssl.SSLError as error:
        hint = '; is this a port for security = "starttls"?' if "WRONG_VERSION" in str(error) else ""
        raise Unavailable(f"{who}: no TLS with {account.host}:{port}: {said(error)}{hint}") from error
    except (OSError, imaplib.IMAP4.error) as error:
        raise Unavailable(f"{who}: cannot reach {account.host}:{port}: {_reason(error)}") from error
    return client


def _log_in(client: IMAPClient, account: Imap, environment: Mapping[str, str], who: str) -> None:
    key = "oauth" if account.oauth else "password" if account.password else "client_certificate"
    try:
        _method(client, account, environment, who)()
    except LoginError as error:
        words = said(error)
        if is_passing(error):
            raise Unavailable(f"{who}: {account.host} takes no login now: {words}; try again later") from error
        user = f"user {account.user!r} and " if account.user else ""
        raise LoginRefused(
            f"{who}: {account.host} refused the login: {words}; look at {user}{key} of [[imap]] {account.name}"
        ) from error
    except BROKEN as error:
        raise Unavailable(f"{who}: {account.host} hung up during the login: {_reason(error)}") from error
    except imaplib.IMAP4.error as error:
        raise LoginRefused(
            f"{who}: {account.host} does not take this kind of login: {said(error)}; look at {key} of [[imap]] "
            f"{account.name}"
        ) from error


def _method(client: IMAPClient, account: Imap, environment: Mapping[str, str], who: str) -> Callable[[], Any]:
    user = account.user or ""
    if account.oauth is not None:
        access = _token(account.oauth, environment, who)
        if account.oauth.mechanism == "OAUTHBEARER":
            return lambda: client.oauthbearer_login(user, access)
        return lambda: client.oauth2_login(user, access)
    if account.password is None:
        return lambda: client.sasl_login("EXTERNAL", lambda _challenge: user.encode())
    password = reveal(account.password, f"{who}: password", environment)
    # LOGIN takes ASCII only; AUTHENTICATE PLAIN (RFC 4616) is UTF-8, and is what is left under LOGINDISABLED.
    if not (user + password).isascii() or client.has_capability("LOGINDISABLED"):
        return lambda: client.plain_login(user, password)
    return lambda: client.login(user, password)


def _token(oauth: OAuth, environment: Mapping[str, str], who: str) -> str:
    if oauth.token is not None:
        return reveal(oauth.token, f"{who}: oauth.token", environment)
    return token(oauth, who, lambda secret, key: reveal(secret, f"{who}: oauth.{key}", environment))


def _context(account: Imap, who: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=account.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"{who}: ca_file {account.ca_file} cannot be used: {_reason(error)}") from error
    if account.client_certificate is not None:
        try:
            context.load_cert_chain(account.client_certificate, account.client_key)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"{who}: client_certificate {account.client_certificate} cannot be used: {_reason(error)}"
            ) from error
    return context


def _quiet(client: IMAPClient) -> None:
    """Stop imaplib from formatting every body twice for a debug log: half of the client's CPU, and twice its memory."""
    # imapclient sets 5 always; there is no public way (tests/servers/test_imap*.py holds us to it).
    if hasattr(client, "_imap"):
        client._imap.debug = 0  # noqa: SLF001 - as said


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or said(error)


def hang_up(client: IMAPClient) -> None:
    """End whatever another thread waits for on this connection; to close it stays that thread's business.

    Closing it under the other's hands would make its read fail in ways of its own, a ValueError among them.
    """
    with suppress(OSError):
        # The socket below TLS: what ssl keeps of the session is in use by the other thread.
        socket.socket.shutdown(client.socket(), socket.SHUT_RDWR)


def drop(client: IMAPClient) -> None:
    """Close the socket, whatever state it is in; a logout would wait for an answer that may never come."""
    try:
        client.shutdown()
    except (*BROKEN, imaplib.IMAP4.error) as error:
        log.debug("closing the connection: %s", said(error))
