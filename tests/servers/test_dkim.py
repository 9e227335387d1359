"""A report signed with a real key, that a real DNS server has or has not: each way to fail is a verdict of its own."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import pytest

from tests import builders
from tests.servers.dns import SERVFAIL, Dns
from tests.signing import SIGNED, Key
from tlsrpt_ingest import limits
from tlsrpt_ingest.cli import trust
from tlsrpt_ingest.mail.authentication import Vouching
from tlsrpt_ingest.verdict import Authentication, Verdict

DOMAIN = "reporter.example"
FROM = f"noreply-tls-reports@{DOMAIN}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key(tmp_path_factory.mktemp("key"))


RECORDS = {
    "tls": "s=tlsrpt",
    "email": "s=email",
    "any": "s=*",
    "list": "s=email:tlsrpt",
    "plain": "n=none",
    "calendar": "s=calendar",
    "testing": "t=y",
    "huge": "n=" + "x" * 3000,
}
"""By selector, the tags of the key's record besides the key."""

ODD = {
    "revoked": "v=DKIM1; p=",
    "garbage": "v=DKIM1; p=AAAA",
    "twice": "v=DKIM1; v=DKIM1; p=x",
    "none": "no key at all",
}


@pytest.fixture(scope="module")
def resolver(dns_server: Dns, key: Key) -> trust.Dns:
    """The DNS, in which the keys are published."""
    domain = f"_domainkey.{DOMAIN}"
    dns_server.publish(
        {
            **{f"{selector}.{domain}": [key.record(tags)] for selector, tags in RECORDS.items()},
            **{f"{selector}.{domain}": [f'TXT "{text}"'] for selector, text in ODD.items()},
            f"below.empty.{domain}": ["A 127.0.0.1"],
        }
    )
    return trust.Dns(dns_server.host, dns_server.port)


def verdict(message: bytes, resolver: trust.Dns, *addresses: str) -> Authentication:
    return Vouching(message, keys=resolver.keys).authentication(addresses or (FROM,))


def test_a_signature_of_the_reporting_domain_is_a_pass(key: Key, resolver: trust.Dns) -> None:
    """RFC8460-5.3-dkim: a valid signature by the reporting domain."""
    passed = Authentication(Verdict.PASS, DOMAIN, "tls", DOMAIN)
    assert verdict(key.sign(builders.mail()), resolver) == passed
    # As it goes over the wire, and as mboxes have it.
    assert verdict(key.sign(builders.mail()).replace(b"\n", b"\r\n"), resolver) == passed
    assert verdict(b"From x Mon Jan  1 00:00:00 2024\n" + key.sign(builders.mail()), resolver) == passed


@pytest.mark.parametrize(
    "addresses",
    [
        ("reports@mail.reporter.example",),
        ("someone@elsewhere.example", "reporter.example"),
        ("someone@elsewhere.example", "mx 1 and blanks", "tls@corp.reporter.example"),
    ],
    ids=["From below it", "submitter", "contact-info"],
)
def test_one_of_from_submitter_and_contact_is_enough(key: Key, resolver: trust.Dns, addresses: tuple[str, ...]) -> None:
    assert verdict(key.sign(builders.mail()), resolver, *addresses).verdict is Verdict.PASS


def test_an_altered_mail_fails(key: Key, resolver: trust.Dns) -> None:
    signed = key.sign(builders.mail())
    body = verdict(signed.replace(b"aggregate", b"External: aggregate"), resolver)
    assert (body.verdict, body.domain, body.organizational_domain) == (Verdict.FAIL, DOMAIN, None)
    assert "body hash" in (body.reason or "")
    for altered in (
        signed.replace(b"From: noreply", b"From: another"),
        signed.replace(b"\nFrom:", b"\nFrom: boss@elsewhere.example\nFrom:"),
        signed.replace(b"t=1", b"t=2", 1),
    ):
        assert verdict(altered, resolver).verdict is Verdict.FAIL


def test_an_expired_signature_fails(key: Key, resolver: trust.Dns) -> None:
    assert verdict(key.sign(builders.mail(), expires=3600), resolver).verdict is Verdict.PASS
    expired = verdict(key.sign(builders.mail(), expires=-100_000), resolver)
    assert (expired.verdict, expired.reason) == (Verdict.FAIL, "the signature has expired (x=)")


@pytest.mark.parametrize("selector", ["tls", "email", "any", "list", "plain"])
def test_a_key_for_mail_or_for_reports_may_sign(key: Key, resolver: trust.Dns, selector: str) -> None:
    """RFC8460-3-service-type: s=tlsrpt."""
    assert verdict(key.sign(builders.mail(), selector=selector), resolver).verdict is Verdict.PASS


def test_a_key_for_another_service_does_not_count(key: Key, resolver: trust.Dns) -> None:
    wrong = verdict(key.sign(builders.mail(), selector="calendar"), resolver)
    assert wrong.verdict is Verdict.POLICY_MISMATCH
    assert "service type" in (wrong.reason or "")


def test_a_key_in_testing_mode_does_not_count(key: Key, resolver: trust.Dns) -> None:
    testing = verdict(key.sign(builders.mail(), selector="testing"), resolver)
    assert (testing.verdict, testing.reason) == (Verdict.POLICY_MISMATCH, "the key is in testing mode (t=y)")


def test_a_signature_with_a_length_does_not_count(key: Key, resolver: trust.Dns) -> None:
    limited = verdict(key.sign(builders.mail(), length=100), resolver)
    assert limited.verdict is Verdict.POLICY_MISMATCH
    assert "l=" in (limited.reason or "")


def test_a_signature_by_sha1_does_not_count(key: Key, resolver: trust.Dns) -> None:
    assert verdict(key.sign(builders.mail(), algorithm="rsa-sha1"), resolver).verdict is Verdict.POLICY_MISMATCH


def test_another_domains_signature_does_not_count(key: Key) -> None:
    asked: list[str] = []

    def keys(name: str) -> None:
        asked.append(name)

    other = Vouching(key.sign(builders.mail(), "elsewhere.example"), keys=keys).authentication([FROM])
    assert (other.verdict, other.domain) == (Verdict.POLICY_MISMATCH, "elsewhere.example")
    assert asked == []  # a stranger cannot make us ask the DNS about whatever he likes


def test_the_reporting_domains_signature_is_found_among_others(key: Key, resolver: trust.Dns) -> None:
    signed = key.sign(key.sign(builders.mail()), "list.example")
    assert verdict(signed, resolver).verdict is Verdict.PASS
    assert verdict(key.sign(signed, selector="gone"), resolver).verdict is Verdict.PASS


def test_a_signature_that_does_not_cover_from_fails(key: Key, resolver: trust.Dns) -> None:
    assert verdict(key.sign(builders.mail(), names=SIGNED[1:]), resolver).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("gone", "not in the DNS"),
        ("empty", "not in the DNS"),
        ("none", "not in the DNS"),
        ("revoked", "revoked"),
        ("twice", "revoked"),
        ("huge", "octets"),
        ("garbage", ""),
    ],
)
def test_a_key_that_is_gone_fails(key: Key, resolver: trust.Dns, selector: str, words: str) -> None:
    gone = verdict(key.sign(builders.mail(), selector=selector), resolver)
    assert (gone.verdict, gone.selector) == (Verdict.FAIL, selector)
    assert words in (gone.reason or "")


def test_another_key_than_the_signers_fails(resolver: trust.Dns, tmp_path: Path) -> None:
    assert verdict(Key(tmp_path).sign(builders.mail()), resolver).verdict is Verdict.FAIL


def test_no_signature_is_none(resolver: trust.Dns) -> None:
    assert verdict(builders.mail(), resolver) == Authentication(Verdict.NONE, reason="there is no DKIM signature")


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A socket that takes questions and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taker:
        taker.bind(("127.0.0.1", 0))
        taker.settimeout(0)
        yield taker


def test_a_silent_dns_is_a_temporary_error_and_not_waited_for_again(key: Key, silent: socket.socket) -> None:
    host, port = silent.getsockname()
    resolver = trust.Dns(host, port, 0.05)
    for number in range(10):
        name = f"d{number}.example"
        error = verdict(key.sign(builders.mail(), name), resolver, name)
        assert (error.verdict, error.domain) == (Verdict.TEMPERROR, name)
    asked = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            asked.add(dns.message.from_wire(silent.recv(4096)).question[0].name.to_text())
    assert asked == {f"tls._domainkey.d{number}.example." for number in range(limits.DNS_SILENCES)}


def test_a_broken_zone_is_a_temporary_error(key: Key, resolver: trust.Dns) -> None:
    assert verdict(key.sign(builders.mail(), SERVFAIL), resolver, SERVFAIL).verdict is Verdict.TEMPERROR
    # It says nothing about the DNS as a whole.
    for number in range(5):
        name = f"d{number}.{SERVFAIL}"
        verdict(key.sign(builders.mail(), name), resolver, name)
    assert verdict(key.sign(builders.mail()), resolver).verdict is Verdict.PASS


def test_an_answer_is_kept_as_long_as_it_lives(key: Key, dns_server: Dns) -> None:
    dns_server.publish({f"kept._domainkey.{DOMAIN}": [key.record()]})
    resolver = trust.Dns(dns_server.host, dns_server.port)
    signed = key.sign(builders.mail(), selector="kept")
    assert verdict(signed, resolver).verdict is Verdict.PASS
    dns_server.publish({})
    assert verdict(signed, resolver).verdict is Verdict.PASS
    assert verdict(signed, trust.Dns(dns_server.host, dns_server.port)).verdict is Verdict.FAIL
