"""Explanations: every failure gets one, and no command ever holds what a stranger wrote."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import RESULT_TYPES
from tlsrpt_ingest.rfc8460 import FailureDetail, Policy
from tlsrpt_ingest.rfc8460.explanations import (
    Explanation,
    Side,
    explain,
    explain_policy_type,
    explain_result_type,
    host_name,
    sts_mode,
)

STS = Policy(
    policy_type="sts",
    policy_domain="example.org",
    policy_string=("version: STSv1", "mode: enforce", "mx: mx1.example.org", "mx: *.backup.example.org"),
)
TLSA = Policy(policy_type="tlsa", policy_domain="mx1.example.org", policy_string=(f"3 1 1 {'ab' * 32}",))


def explained(reason: str | None, result_type: str = "validation-failure", policy: Policy = STS) -> Explanation:
    return explain(
        FailureDetail(result_type=result_type, failure_reason_code=reason, receiving_mx_hostname="mx1.example.org"),
        policy,
    )


def test_each_result_type_has_words_of_its_own() -> None:
    general = explain_result_type("quantum-handshake-flux").what
    whats = {explain_result_type(one).what for one in RESULT_TYPES}
    assert len(whats) == 11
    assert general not in whats
    for result_type in RESULT_TYPES:
        one = explain_result_type(result_type)
        assert one.check
        assert one.commands


@pytest.mark.parametrize(
    ("reason", "words", "side"),
    [
        # Microsoft.
        ("MX_HOSTS_MISMATCH", "policy does not list", Side.YOURS),
        ("VALIDATION_FAILURE", "says no more", Side.EITHER),
        # Stalwart.
        ("MX not authorized by policy.", "policy does not list", Side.YOURS),
        ("MTA-STS is required and no policy was found.", "demands MTA-STS", Side.SENDERS),
        # Postfix: OpenSSL's sentences with _ for blanks.
        ("self-signed_certificate", "signs itself", Side.YOURS),
        ("certificate_has_expired", "had expired", Side.YOURS),
        ("unable_to_get_local_issuer_certificate", "between its own and the authority's", Side.YOURS),
        # RFC 8460 appendix B: OpenSSL's constants.
        ("X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED", "in the chain", Side.YOURS),
        ("X509_V_ERR_CERT_HAS_EXPIRED", "had expired", Side.YOURS),
        # mox.
        ("tls-remote-40-handshake-failure", "in common", Side.EITHER),
        ("tls-remote-80-internal-error", "with an alert", Side.YOURS),
        ("connection-closed-during-handshake", "broke or stood still", Side.EITHER),
        ("io-timeout-during-handshake", "broke or stood still", Side.EITHER),
        ("dns-extended-error-7-signature-expired", "DNSSEC", Side.YOURS),
    ],
)
def test_reason_codes_about_the_mx_host(reason: str, words: str, side: Side) -> None:
    one = explained(reason)
    assert words in one.what
    assert one.side is side


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        # Mail.ru: Go's net/http.
        ("bad https response code: 404", "HTTP error"),
        ("bad https response code: 500", "HTTP error"),
        ("bad https response code: 301", "redirects"),
        (
            'unable to do http request: Get "https://mta-sts.example.org/": context deadline exceeded',
            "in time",
        ),
        ('Get "https://mta-sts.example.org/": dial tcp: lookup mta-sts.example.org: no such host', "in DNS"),
        ('Get "https://mta-sts.example.org/": x509: certificate signed by unknown authority', "is not valid"),
        # Stalwart.
        ("HTTP error 404", "HTTP error"),
        # mox.
        ("no-policy-served", "HTTP error"),
        ("multiple-mta-sts-records", "doubled"),
        ("policy-syntax-error", "could not be understood"),
        (None, "could not fetch"),
    ],
)
def test_reason_codes_about_fetching_the_policy(reason: str | None, words: str) -> None:
    one = explained(reason, "sts-policy-fetch-error")
    assert words in one.what
    assert all("mta-sts" in command and "openssl s_client -starttls" not in command for command in one.commands)


def test_the_same_words_mean_the_web_server_or_the_mail_server() -> None:
    assert "web server" in explained("timeout", "sts-policy-fetch-error").what
    assert "handshake" in explained("timeout").what


def test_a_self_signed_certificate_means_another_thing_under_dane() -> None:
    assert "TLSA" in explained("self-signed_certificate", policy=TLSA).what
    assert "TLSA" not in explained("self-signed_certificate").what


@pytest.mark.parametrize(
    ("mx", "listed"),
    [
        ("mx1.example.org", True),
        ("MX1.example.org.", True),
        ("a.backup.example.org", True),
        ("a.b.backup.example.org", False),
        ("backup.example.org", False),
        ("mx9.example.org", False),
    ],
)
def test_an_mx_host_that_no_pattern_lists_is_found_without_a_reason(mx: str, listed: bool) -> None:  # noqa: FBT001 - pytest calls it
    one = explain(FailureDetail(result_type="validation-failure", receiving_mx_hostname=mx), STS)
    assert ("does not list" in one.what) is not listed


def test_nothing_is_said_to_be_missing_from_a_policy_that_was_not_looked_at_whole() -> None:
    long = Policy(policy_type="sts", policy_string=tuple(f"mx: mx{n}.example.com" for n in range(200)))
    one = explain(FailureDetail(result_type="validation-failure", receiving_mx_hostname="mx.example.org"), long)
    assert "does not list" not in one.what


def test_commands_name_the_domain_and_the_mx_host() -> None:
    one = explained(None, "sts-policy-fetch-error")
    assert one.commands[0] == "curl -sSi https://mta-sts.example.org/.well-known/mta-sts.txt"
    assert "-connect mx1.example.org:25" in explained(None, "certificate-expired").commands[0]


def test_the_only_mx_host_of_the_policy_stands_in_for_a_missing_one() -> None:
    one = Policy(policy_type="sts", policy_domain="example.org", mx_host=("mx7.example.org",))
    several = Policy(policy_type="sts", policy_domain="example.org", mx_host=("mx7.example.org", "mx8.example.org"))
    detail = FailureDetail(result_type="certificate-expired")
    assert "-connect mx7.example.org:25" in explain(detail, one).commands[0]
    assert "-connect YOUR_MX:25" in explain(detail, several).commands[0]


SAFE = re.compile(r"[A-Za-z0-9 ._:/|<+=-]+")
HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "$(reboot).example.org",
            "`id`.example.org",
            "a.example.org;reboot",
            "a.example.org\nreboot",
            "-oProxyCommand=x.example.org",
            "a.example.org/../..",
            "mx 1.example.org",
            "a..example.org",
            "192.0.2.1",
            "{domain}",
            "{0.__class__}",
        ]
    ),
)


@given(
    HOSTILE, HOSTILE, HOSTILE, st.sampled_from([*RESULT_TYPES, "no-such-type"]), st.sampled_from(["sts", "tlsa", "x"])
)
def test_no_command_holds_a_strangers_text(
    domain: str, mx: str, reason: str, result_type: str, policy_type: str
) -> None:
    detail = FailureDetail(result_type=result_type, receiving_mx_hostname=mx, failure_reason_code=reason)
    one = explain(detail, Policy(policy_type=policy_type, policy_domain=domain))
    for command in one.commands:
        assert SAFE.fullmatch(command)
        words = shlex.split(command, comments=True)
        assert words[0] in ("openssl", "curl", "dig", "delv")
    assert (one.what + one.check + one.effect).isascii()
    checked = FailureDetail(result_type=result_type, receiving_mx_hostname=host_name(mx), failure_reason_code=reason)
    assert one == explain(checked, Policy(policy_type=policy_type, policy_domain=host_name(domain)))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "localhost",
        "192.0.2.1",
        "example.org\n",
        " example.org",
        "-a.example.org",
        "a-.example.org",
        "a_b.example.org",
        "ex\u0430mple.org",
        "exampl\u00e9.org",
        "\u0131.example.org",
        "\u212a.example.org",
        f"{'a' * 64}.example.org",
        "a." * 130 + "org",
    ],
)
def test_what_is_no_host_name(text: str | None) -> None:
    assert host_name(text) is None


def test_host_names() -> None:
    assert host_name("MX1.Example.org.") == "mx1.example.org"
    assert host_name("xn--mnchen-3ya.example") == "xn--mnchen-3ya.example"
    assert host_name("1and1.example") == "1and1.example"


@pytest.mark.parametrize(
    ("strings", "mode"),
    [
        (("version: STSv1", "mode: testing"), "testing"),
        (("mode:enforce",), "enforce"),
        (("version: STSv1 mode: none max_age: 86400",), "none"),
        (("mode: strict",), None),
        (("x-mode: enforce",), None),
        ((), None),
    ],
)
def test_the_mode_of_a_policy(strings: tuple[str, ...], mode: str | None) -> None:
    assert sts_mode(Policy(policy_type="sts", policy_string=strings)) == mode


@pytest.mark.parametrize(
    ("policy", "result_type", "words"),
    [
        (STS, "certificate-expired", "held back"),
        (STS.model_copy(update={"policy_string": ("mode: testing",)}), "certificate-expired", "delivered all the same"),
        (STS, "sts-policy-fetch-error", "older policy"),
        (TLSA, "tlsa-invalid", "held back"),
        (Policy(policy_type="no-policy-found"), "starttls-not-supported", "clear text"),
    ],
)
def test_what_became_of_the_mail(policy: Policy, result_type: str, words: str) -> None:
    assert words in explained(None, result_type, policy).effect


def test_policy_types() -> None:
    assert "MTA-STS" in explain_policy_type("sts")
    assert "DANE" in explain_policy_type("tlsa")
    assert "does not list" in explain_policy_type("none-policy-found")
