"""Where alerts go: a real SMTP server, a sendmail, a webhook and apprise on loopback; up, down and unfriendly."""

import email
import json
import logging
import smtplib
import ssl
import threading
from collections.abc import Iterator
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.process import free_port
from tests.servers.test_alerts import Mailbox, headlines, small
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable

__all__ = ["small"]

NASTY = (
    "\x1b[2J<!channel> <script>alert(1)</script>\r\nBcc: victim@example.org\u202e =cmd|'/C calc'!A0 [x](http://e.test)"
)


class Hook:
    """A web server on loopback that answers as the test says, and keeps what it was told."""

    def __init__(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                octets = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.append((self.path, dict(self.headers), json.loads(octets)))
                if hook.drips:
                    hook.drip(self)
                    return
                self.send_response(hook.status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
                del format, args

        self.told: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        self.location = ""
        self.drips = False
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=1"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """A status line that never ends, an octet at a time."""
        handler.wfile.write(b"HTTP/1.0 2")
        try:
            while not self._done.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            pass

    def close(self) -> None:
        self._done.set()
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


class Inbox:
    """What an SMTP server took."""

    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, Any]] = []
        self.refuses: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session
        if address in self.refuses:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((envelope, email.message_from_bytes(content, policy=default)))
        return "250 taken"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def smtp(inbox: Inbox, certificates: Certificates) -> Iterator[int]:
    """The port of an SMTP server that wants STARTTLS and a login."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)

    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == b"secret"
        return AuthResult(success=right, handled=False)

    port = free_port()
    controller = Controller(
        inbox, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True,
        authenticator=login,
    )  # fmt: skip
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, in the same process
    controller.start()
    yield port
    controller.stop()


def configured(mailbox: Mailbox, tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    (tmp_path / "secret").write_text("secret\n", encoding="utf-8")
    config.write_text(text.replace("SECRET", f'{{ file = "{tmp_path / "secret"}" }}'), encoding="utf-8")
    mailbox.config = str(config)


def mail_config(port: int, ca: Path, more: str = "") -> str:
    return (
        f'[alerts.mail]\nto = ["postmaster@solarmora.com", "second@solarmora.com"]\nsender = "tlsrpt@solarmora.com"\n'
        f'host = "127.0.0.1"\nport = {port}\nca_file = "{ca}"\nuser = "me"\npassword = SECRET\n{more}'
    )


def fail(mailbox: Mailbox, sender: str = "Alpha") -> None:
    mailbox.report(0, sender, builders.failure())


def test_a_mail_by_smtp(small: Mailbox, smtp: int, inbox: Inbox, certificates: Certificates, tmp_path: Path) -> None:
    configured(small, tmp_path, mail_config(smtp, certificates.ca))
    fail(small, NASTY)
    assert small.alerts(1) == ""
    assert small.alerts(1, hour=13) == ""
    ((envelope, mail),) = inbox.mails
    assert envelope.mail_from == "tlsrpt@solarmora.com"
    assert envelope.rcpt_tos == ["postmaster@solarmora.com", "second@solarmora.com"]
    assert mail["Subject"] == "TLS reports: 1 new (solarmora.com)"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Bcc"] is None
    body = mail.get_content()
    assert headlines(body) == ["NEW: certificate-expired at solarmora.com"]
    assert harmless(body)


def harmless(text: str) -> bool:
    """Nothing acts on a terminal or a page, nothing looks like a mention or a link of a chat."""
    # The commands to type are ours, and are not to be changed.
    text = "".join(line for line in text.splitlines() if not line.startswith("    "))
    return text.isprintable() and not set("<>@[]") & set(text) and "\u202e" not in text


def test_a_login_that_is_refused(
    small: Mailbox, smtp: int, inbox: Inbox, certificates: Certificates, tmp_path: Path
) -> None:
    configured(small, tmp_path, mail_config(smtp, certificates.ca))
    (tmp_path / "secret").write_text("wrong", encoding="utf-8")
    fail(small)
    ran = small.run(1)
    assert isinstance(ran.exception, LoginRefused)
    assert "wrong" not in str(ran.exception)
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    assert small.alerts(1, hour=13) == ""
    assert len(inbox.mails) == 1


def test_a_server_that_nobody_vouches_for(
    small: Mailbox, smtp: int, certificates: Certificates, tmp_path: Path
) -> None:
    configured(small, tmp_path, mail_config(smtp, certificates.other_ca))
    fail(small)
    ran = small.run(1)
    assert isinstance(ran.exception, Misconfigured)
    assert "ca_file" in str(ran.exception)


def test_one_recipient_that_is_refused_does_not_make_the_others_hear_it_again(
    small: Mailbox,
    smtp: int,
    inbox: Inbox,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    inbox.refuses = {"second@solarmora.com"}
    configured(small, tmp_path, mail_config(smtp, certificates.ca))
    fail(small)
    ran = small.run(1)
    assert ran.exception is None
    assert "did not take the alerts for second@solarmora.com" in ran.stderr
    assert small.alerts(1, hour=13) == ""
    assert len(inbox.mails) == 1


def test_all_recipients_refused(
    small: Mailbox, smtp: int, inbox: Inbox, certificates: Certificates, tmp_path: Path
) -> None:
    inbox.refuses = {"second@solarmora.com", "postmaster@solarmora.com"}
    configured(small, tmp_path, mail_config(smtp, certificates.ca))
    fail(small)
    assert isinstance(small.run(1).exception, Unavailable)
    inbox.refuses = set()
    assert small.alerts(1, hour=13) == ""
    assert len(inbox.mails) == 1


def test_clear_text_only_to_this_host(small: Mailbox, tmp_path: Path) -> None:
    configured(
        small, tmp_path, '[alerts.mail]\nto=["a@b.test"]\nsender="a@b.test"\nhost="mx.b.test"\nsecurity="none"\n'
    )
    fail(small)
    assert isinstance(small.run(1).exception, Misconfigured)


def test_sendmail(small: Mailbox, tmp_path: Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/words\ncat >{tmp_path}/mail\n', encoding="utf-8")
    program.chmod(0o755)
    configured(
        small, tmp_path, f'[alerts.mail]\nto = ["root", "-oQ/tmp@x"]\nsender = "tlsrpt"\nsendmail = "{program}"\n'
    )
    fail(small)
    assert small.alerts(1) == ""
    assert (tmp_path / "words").read_text().split() == ["-i", "-f", "tlsrpt", "--", "root", "-oQ/tmp@x"]
    mail = email.message_from_bytes((tmp_path / "mail").read_bytes(), policy=default)
    assert mail["To"] == "root, -oQ/tmp@x"
    assert headlines(mail.get_content()) == ["NEW: certificate-expired at solarmora.com"]


def test_a_sendmail_that_fails(small: Mailbox, tmp_path: Path) -> None:
    configured(small, tmp_path, '[alerts.mail]\nto = ["root"]\nsender = "tlsrpt"\nsendmail = "/bin/false"\n')
    fail(small)
    ran = small.run(1)
    assert isinstance(ran.exception, Unavailable)
    assert "/bin/false ended with status 1" in str(ran.exception)


def test_a_webhook(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, f'[alerts.webhook]\nurl = "{hook.url}"\ntoken = SECRET\n')
    fail(small, NASTY)
    assert small.alerts(1) == ""
    assert small.alerts(1, hour=13) == ""
    ((path, headers, body),) = hook.told
    assert path == "/hook?key=1"
    assert headers["Authorization"] == "Bearer secret"
    assert body["title"] == "TLS reports: 1 new (solarmora.com)"
    assert harmless(body["text"])
    (alert,) = body["alerts"]
    assert (alert["kind"], alert["state"], alert["count"]) == ("failure", "new", 1)
    assert alert["subjects"][0]["policy_domain"] == "solarmora.com"


def test_a_webhook_that_is_down_loses_nothing(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, f'[alerts.webhook]\nurl = "{hook.url}"\n')
    fail(small)
    hook.status = 503
    for hour in (12, 13):
        ran = small.run(1, hour=hour)
        assert isinstance(ran.exception, Unavailable)
        assert "127.0.0.1 answered 503" in str(ran.exception)
    hook.status = 204
    hook.told.clear()
    assert small.alerts(1, hour=14) == ""
    assert small.alerts(1, hour=15) == ""
    assert len(hook.told) == 1


def test_a_webhook_that_redirects_is_not_followed(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, f'[alerts.webhook]\nurl = "{hook.url}"\n')
    fail(small)
    hook.status, hook.location = 307, "/elsewhere"
    assert isinstance(small.run(1).exception, Unavailable)
    assert [path for path, _headers, _body in hook.told] == ["/hook?key=1"]


def test_a_webhook_that_never_ends_its_answer(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, f'[alerts.webhook]\nurl = "{hook.url}"\ntimeout = 1\n')
    fail(small)
    hook.drips = True
    assert isinstance(small.run(1).exception, Unavailable)


def test_a_secret_url_is_in_no_message(small: Mailbox, tmp_path: Path) -> None:
    configured(small, tmp_path, "[alerts.webhook]\nsecret_url = SECRET\ntimeout = 1\n")
    (tmp_path / "secret").write_text("http://127.0.0.1:9/very-secret", encoding="utf-8")
    fail(small)
    ran = small.run(1)
    assert isinstance(ran.exception, Unavailable)
    assert "very-secret" not in str(ran.exception)


@pytest.mark.parametrize("url", ["http://hooks.example/x", "ftp://hooks.example/x", "https://me:pw@hooks.example/x"])
def test_a_url_that_will_not_do(small: Mailbox, tmp_path: Path, url: str) -> None:
    configured(small, tmp_path, f'[alerts.webhook]\nurl = "{url}"\n')
    fail(small)
    assert isinstance(small.run(1).exception, Misconfigured)


# apprise's own imports, which we do not choose.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_apprise(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, "[alerts]\napprise = [SECRET]\n")
    (tmp_path / "secret").write_text(hook.url.replace("http://", "json://"), encoding="utf-8")
    fail(small, NASTY)
    assert small.alerts(1) == ""
    ((_path, _headers, body),) = hook.told
    assert body["title"] == "TLS reports: 1 new (solarmora.com)"
    assert harmless(body["message"])


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # as above
def test_apprise_that_is_down_and_one_that_is_none(small: Mailbox, hook: Hook, tmp_path: Path) -> None:
    configured(small, tmp_path, "[alerts]\napprise = [SECRET]\n")
    (tmp_path / "secret").write_text(hook.url.replace("http://", "json://"), encoding="utf-8")
    fail(small)
    hook.status = 500
    assert isinstance(small.run(1).exception, Unavailable)
    (tmp_path / "secret").write_text("nothing at all", encoding="utf-8")
    ran = small.run(1, hour=13)
    assert isinstance(ran.exception, Misconfigured)
    assert "nothing at all" not in str(ran.exception)


def test_both_are_told_by_all_that_the_config_names(
    small: Mailbox, hook: Hook, smtp: int, inbox: Inbox, certificates: Certificates, tmp_path: Path
) -> None:
    more = f'[alerts.webhook]\nurl = "{hook.url}"\n'
    configured(small, tmp_path, mail_config(smtp, certificates.ca, more))
    fail(small)
    hook.status = 500
    assert isinstance(small.run(1).exception, Unavailable)
    assert (len(inbox.mails), len(hook.told)) == (1, 1)
    hook.status = 200
    assert small.alerts(1, hour=13) == ""
    assert (len(inbox.mails), len(hook.told)) == (1, 2)


def test_no_server_at_all(small: Mailbox, certificates: Certificates, tmp_path: Path) -> None:
    configured(small, tmp_path, mail_config(9, certificates.ca))
    fail(small)
    ran = small.run(1)
    assert isinstance(ran.exception, Unavailable)
    assert not isinstance(ran.exception, smtplib.SMTPException)
