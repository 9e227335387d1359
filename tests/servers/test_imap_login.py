"""Who we are to a real Dovecot, and whether it is the one that we mean."""

import logging
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import Engine

from tests import builders
from tests.servers.certificates import Certificates
from tests.servers.dovecot import PASSWORD, User, running
from tests.servers.proxy import Proxy
from tests.servers.test_imap_read import ENVIRONMENT, account, engine, poll
from tlsrpt_ingest.config import parse
from tlsrpt_ingest.errors import LoginRefused, Misconfigured, Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.imap import imap_sources
from tlsrpt_ingest.store.messages import Messages

__all__ = ["engine"]


def test_a_starttls_that_is_taken_away_ends_it_before_the_password(mailbox: User, engine: Engine) -> None:
    with Proxy(mailbox.server.port) as proxy:
        proxy.rewrite = (b"STARTTLS", b"XTARTTLS")
        config = account(mailbox).model_copy(update={"security": "starttls", "port": proxy.port})
        with pytest.raises(Misconfigured, match="does not offer STARTTLS"):
            poll(config, engine)
        assert PASSWORD.encode() not in proxy.heard
        assert b"LOGIN" not in proxy.heard
        assert b"AUTHENTICATE" not in proxy.heard


def test_the_certificate_is_checked_after_starttls_too(
    mailbox: User, engine: Engine, certificates: Certificates
) -> None:
    with Proxy(mailbox.server.port) as proxy:
        changes = {"security": "starttls", "port": proxy.port, "ca_file": str(certificates.other_ca)}
        with pytest.raises(Misconfigured, match=r"not trusted.*ca_file"):
            poll(account(mailbox).model_copy(update=changes), engine)
        assert PASSWORD.encode() not in proxy.heard


def test_the_name_in_the_certificate_is_checked(mailbox: User, engine: Engine) -> None:
    """127.0.0.2 is the same Dovecot through the proxy's eyes, and no name of the certificate."""
    with Proxy(mailbox.server.tls_port, host="127.0.0.2") as proxy:
        config = account(mailbox).model_copy(update={"host": "127.0.0.2", "port": proxy.port})
        with pytest.raises(Misconfigured, match=r"not trusted.*check host"):
            poll(config, engine)


def test_tls_on_the_port_of_starttls_says_so(mailbox: User, engine: Engine) -> None:
    config = account(mailbox).model_copy(update={"port": mailbox.server.port})
    with pytest.raises(Unavailable, match="starttls"):
        poll(config, engine)


def test_plain_text_on_the_port_of_tls_ends_in_time(mailbox: User, engine: Engine) -> None:
    with pytest.raises(Unavailable, match="cannot reach"):
        poll(account(mailbox, port=mailbox.server.tls_port, more="timeout = 1"), engine)


def test_a_password_that_is_not_ascii(certificates: Certificates, engine: Engine) -> None:
    extra = "passdb {\n driver = static\n mechanisms = plain\n args = password=Gänseblümchen\n}"
    with running(certificates, extra) as server:
        user = server.user()
        user.deliver(builders.mail())
        with_it = {"IMAP_PASSWORD": "Gänseblümchen"}
        for source in imap_sources(account(user), with_it, Messages(engine), change=False):
            assert len(list(source.items())) == 1
        with pytest.raises(LoginRefused, match="password of"):
            list(imap_sources(account(user), {"IMAP_PASSWORD": "Gänseblum"}, Messages(engine), change=False))


def test_too_many_connections_are_no_wrong_password(certificates: Certificates, engine: Engine) -> None:
    with running(certificates, "mail_max_userip_connections = 1") as server:
        user = server.user()
        with IMAPClient(server.host, server.port, ssl=False) as other:
            other.login(user.name, PASSWORD)
            with pytest.raises(Unavailable, match="Maximum number of connections"):
                poll(account(user), engine)


def test_a_certificate_logs_in(certificates: Certificates, engine: Engine, tmp_path: Path) -> None:
    """SASL EXTERNAL (RFC 4422 appendix A), whose user name may be left to the certificate."""
    extra = (
        f"auth_mechanisms = external plain\nssl_ca = <{certificates.ca}\nssl_verify_client_cert = yes\n"
        "ssl_require_crl = no\nauth_ssl_username_from_cert = yes\n"
        "passdb {\n driver = static\n mechanisms = external\n args = nopassword=yes\n}"
    )
    with running(certificates, extra) as server:
        user = server.user()
        user.deliver(builders.mail())
        pem = certificates.client(user.name)
        lines = [
            f'[[imap]]\nname = "{user.name}"\nhost = "{server.host}"\nport = {server.tls_port}',
            f'ca_file = "{server.ca_file}"\nclient_certificate = "{pem}"',
        ]
        assert poll(parse("\n".join(lines)).imap[0], engine).outcomes == {Outcome.RECORDED: 1}
        named = parse("\n".join([*lines, f'user = "{user.name}"'])).imap[0]
        assert poll(named, engine).items == 0
        (tmp_path / "none.pem").write_text("", encoding="ascii")
        unusable = named.model_copy(update={"client_certificate": str(tmp_path / "none.pem")})
        with pytest.raises(Misconfigured, match="client_certificate"):
            poll(unusable, engine)


@pytest.mark.parametrize("verdict", ["recorded", "refused", "away", "untrusted"])
def test_no_secret_is_in_any_log_or_message(
    verdict: str, mailbox: User, engine: Engine, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.NOTSET)
    mailbox.deliver(builders.mail())
    config = account(mailbox)
    words = ""
    with Proxy(mailbox.server.tls_port) as proxy:
        proxy.cut_after, proxy.always = (1_500, True) if verdict == "away" else (None, False)
        changes = {"port": proxy.port}
        changes |= {"ca_file": str(certificates.other_ca)} if verdict == "untrusted" else {}  # type: ignore[dict-item] # of any type
        environment = {"IMAP_PASSWORD": "refused-s3cret"} if verdict == "refused" else ENVIRONMENT
        try:
            for source in imap_sources(config.model_copy(update=changes), environment, Messages(engine), change=False):
                assert len(list(source.items())) == 1
        except (Unavailable, Misconfigured) as error:
            words = f"{error} {error.__cause__!r}"
            assert verdict != "recorded"
        else:
            assert verdict == "recorded"
    assert not any(secret in caplog.text + words for secret in (PASSWORD, "refused-s3cret"))
