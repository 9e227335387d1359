"""Where alerts go: standard output, mail by SMTP or sendmail, a webhook, apprise. Each takes a message or raises."""

import json
import logging
import smtplib
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import SHUT_RDWR
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

from tlsrpt_ingest.config import AlertMail, Alerts, AlertWebhook, Secret
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable
from tlsrpt_ingest.output.alerts.message import Message, as_json, text, title
from tlsrpt_ingest.sources.secret import reveal

log = logging.getLogger(__name__)

OWN_HOST: Final = frozenset({"localhost", "127.0.0.1", "::1"})

PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}

ANSWER: Final = 64 * 1024
"""Octets of an answer that are read, so that the server is not cut off while it writes."""


class Outlet(Protocol):
    """Takes messages; has a name that the database remembers it by."""

    name: str

    def tell(self, message: Message) -> None:
        """Deliver, within bounded time; raises Unavailable or Misconfigured where it was not taken."""


def outlets(config: Alerts, environment: Mapping[str, str], write: Callable[[Message], None]) -> tuple[Outlet, ...]:
    """The outlets of the config, or `write` (standard output) where there is none."""
    found: list[Outlet] = []
    if config.mail:
        found.append(_mail(config.mail, environment))
    if config.webhook:
        found.append(Webhook(config.webhook, environment))
    found += [
        Apprise(f"apprise-{number}", secret, environment) for number, secret in enumerate(config.apprise, start=1)
    ]
    return tuple(found) or (Output(write),)


class Output:
    """Standard output, which cron mails: `write` has to raise where nobody takes it."""

    name = "output"

    def __init__(self, write: Callable[[Message], None]) -> None:
        self._write = write

    def tell(self, message: Message) -> None:
        """Print."""
        self._write(message)


def _mail(config: AlertMail, environment: Mapping[str, str]) -> Outlet:
    return Sendmail(config) if config.sendmail else Smtp(config, environment)


def mail(message: Message, config: AlertMail) -> EmailMessage:
    """The mail: no header field of it has a word of a stranger's, but for a host name."""
    made = EmailMessage()
    made["From"] = config.sender
    made["To"] = ", ".join(config.to)
    made["Subject"] = title(message)
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid("tlsrpt-ingest", domain=config.sender.rpartition("@")[2] or "localhost")
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation answers
    made.set_content(text(message), cte="quoted-printable")
    return made


class Smtp:
    """A mail server."""

    name = "mail"

    def __init__(self, config: AlertMail, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._host = str(config.host)
        if config.security == "none" and not config.insecure and self._host not in OWN_HOST:
            raise Misconfigured(
                f'[alerts.mail] host {self._host}: security = "none" talks in the clear; '
                'use "starttls" or "tls", or insecure = true'
            )

    def tell(self, message: Message) -> None:
        """Send one mail to all."""
        config = self._config
        where = f"[alerts.mail] {self._host}"
        try:
            with self._connect() as client:
                if config.user and config.password:
                    client.login(config.user, reveal(config.password, "[alerts.mail] password", self._environment))
                refused = client.send_message(mail(message, config), config.sender, list(config.to))
        except smtplib.SMTPAuthenticationError as error:
            raise LoginRefused(f"{where} refused the login: {_said(error)}; see user and password") from error
        except smtplib.SMTPException as error:
            raise Unavailable(f"{where} did not take the alerts: {_said(error)}") from error
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(f"{where}: {error.verify_message}; see ca_file") from error
        except OSError as error:
            raise Unavailable(f"{where} is not available: {error.strerror or error}") from error
        if refused:
            # The others have it, and are not to get it again and again.
            log.warning("%s did not take the alerts for %s", where, ", ".join(refused))

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        port = config.port or PORTS[config.security]
        if config.security == "none":
            return smtplib.SMTP(self._host, port, timeout=config.timeout)
        context = _context(config.ca_file, "[alerts.mail]")
        if config.security == "tls":
            return smtplib.SMTP_SSL(self._host, port, timeout=config.timeout, context=context)
        client = smtplib.SMTP(self._host, port, timeout=config.timeout)
        try:
            client.starttls(context=context)
        except BaseException:
            client.close()
            raise
        return client


class Sendmail:
    """A program that takes a mail on standard input."""

    name = "mail"

    def __init__(self, config: AlertMail) -> None:
        self._config = config

    def tell(self, message: Message) -> None:
        """Hand over one mail to all."""
        config = self._config
        command = [str(config.sendmail), "-i", "-f", config.sender, "--", *config.to]
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own program, without a shell
                command, input=mail(message, config).as_bytes(), stdout=subprocess.DEVNULL, timeout=config.timeout,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Unavailable(f"[alerts.mail] {command[0]} took more than {config.timeout} seconds") from None
        except OSError as error:
            raise Misconfigured(f"[alerts.mail] cannot start {command[0]}: {error.strerror}") from error
        if done.returncode:
            raise Unavailable(f"[alerts.mail] {command[0]} ended with status {done.returncode}; its words are above")


class Webhook:
    """A URL that takes JSON. Where it redirects to is somewhere else, and is not told."""

    name = "webhook"

    def __init__(self, config: AlertWebhook, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment

    def tell(self, message: Message) -> None:
        """POST once."""
        url = self._url()
        # Of a secret URL no more than the host is for others' eyes.
        where = f"[alerts.webhook] {url.hostname}"
        headers = {"Content-Type": "application/json", "User-Agent": "tlsrpt-ingest"}
        if self._config.token:
            token = reveal(self._config.token, "[alerts.webhook] token", self._environment)
            headers["Authorization"] = f"Bearer {token}"
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection = self._connection(url)
        watch = threading.Timer(self._config.timeout, _hang_up, [connection])
        watch.start()
        try:
            connection.request("POST", path, json.dumps(as_json(message)).encode(), headers)
            answer = connection.getresponse()
            answer.read(ANSWER)
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(f"{where}: {error.verify_message}; see ca_file") from error
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(f"{where} did not take the alerts: {error or type(error).__name__}") from error
        finally:
            watch.cancel()
            connection.close()
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
            raise Unavailable(f"{where} answered {answer.status} {answer.reason[:80]}")

    def _url(self) -> SplitResult:
        config = self._config
        secret = config.secret_url
        text_ = reveal(secret, "[alerts.webhook] secret_url", self._environment) if secret else str(config.url)
        try:
            url = urlsplit(text_)
            _ = url.port
        except ValueError as error:
            raise Misconfigured(f"[alerts.webhook] url cannot be read: {error}") from error
        if url.scheme not in ("https", "http") or not url.hostname or url.username is not None:
            raise Misconfigured("[alerts.webhook] url: write https://HOST/PATH; a password belongs into token")
        if url.scheme == "http" and url.hostname not in OWN_HOST and not config.insecure:
            raise Misconfigured(
                f"[alerts.webhook] {url.hostname}: http:// talks in the clear; use https://, or insecure = true"
            )
        return url

    def _connection(self, url: SplitResult) -> HTTPConnection:
        host, timeout = str(url.hostname), self._config.timeout
        if url.scheme == "http":
            return HTTPConnection(host, url.port, timeout=timeout)
        return HTTPSConnection(
            host, url.port, timeout=timeout, context=_context(self._config.ca_file, "[alerts.webhook]")
        )


class Apprise:
    """Whatever apprise knows, by its URL (extra `apprise`)."""

    def __init__(self, name: str, secret: Secret, environment: Mapping[str, str]) -> None:
        self.name = name
        self._secret = secret
        self._environment = environment

    def tell(self, message: Message) -> None:
        """Notify."""
        try:
            import apprise  # noqa: PLC0415 - an extra, and slow to import
        except ModuleNotFoundError as missing:
            raise Misconfigured(
                "[alerts] apprise is not installed; type: pip install 'tlsrpt-ingest[apprise]'"
            ) from missing
        where = f"[alerts] {self.name}"
        knows = apprise.Apprise()
        if not knows.add(reveal(self._secret, where, self._environment)):
            raise Misconfigured(f"{where}: that is no URL that apprise knows")
        if not knows.notify(text(message), title=title(message), body_format=apprise.NotifyFormat.TEXT):
            raise Unavailable(f"{where} did not take the alerts")


def _context(ca_file: str | None, where: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"{where} ca_file: cannot read {ca_file}: {error.strerror or error}") from error


def _hang_up(connection: HTTPConnection) -> None:
    """End the wait of whoever reads; each read by itself has a time limit, a server that drips has none."""
    socket: Any = connection.sock
    with suppress(OSError, AttributeError):
        socket.shutdown(SHUT_RDWR)


def _said(error: smtplib.SMTPException) -> str:
    said = getattr(error, "smtp_error", None)
    code = getattr(error, "smtp_code", "")
    return f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said or error}".strip()
