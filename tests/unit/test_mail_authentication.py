"""Authentication-Results (RFC 8601) are believed where our mail server put them, and nowhere else."""

from pathlib import Path

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.config import Trust as Wanted
from tlsrpt_ingest.judging import judge
from tlsrpt_ingest.mail.authentication import Vouching, organizational_domain
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.trust import Trust
from tlsrpt_ingest.verdict import Authentication, Verdict

OURS = "mx.example.com"
SIGNATURE = "DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=reporter.example; s=Tls;\r\n\th=from:to; bh=AAAA; b=AAAA\n"
FORGED = f"Authentication-Results: {OURS}; dkim=pass header.d=reporter.example\n"
RECEIVED = "Received: from mta.reporter.example by mx.example.com; Mon, 1 Jan 2024 00:00:00 +0000\n"
FROM = "noreply-tls-reports@reporter.example"


def said(*header: str, signature: str = SIGNATURE, ids: tuple[str, ...] = (OURS,)) -> Authentication:
    """The verdict on a mail with these fields on top."""
    octets = "".join((*header, signature)).encode() + builders.mail()
    return Vouching(octets, frozenset(ids)).authentication([FROM])


def results(text: str, authserv_id: str = OURS) -> str:
    return f"Authentication-Results: {authserv_id}; {text}\n"


def test_what_our_server_says_is_the_verdict() -> None:
    passed = said(results("dkim=pass header.d=reporter.example header.s=tls"))
    assert (passed.verdict, passed.domain, passed.selector) == (Verdict.PASS, "reporter.example", "tls")
    assert passed.organizational_domain == "reporter.example"
    assert passed.reason == "mx.example.com says dkim=pass"


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        ("fail", Verdict.FAIL),
        ("neutral", Verdict.FAIL),
        ("permerror", Verdict.FAIL),
        ("something-new", Verdict.FAIL),
        ("policy", Verdict.POLICY_MISMATCH),
        ("temperror", Verdict.TEMPERROR),
        ("none", Verdict.NONE),
    ],
)
def test_every_result_has_its_verdict(result: str, verdict: Verdict) -> None:
    one = said(results(f"dkim={result} header.d=reporter.example"))
    assert (one.verdict, one.organizational_domain) == (verdict, None)


@pytest.mark.parametrize(
    "text",
    [
        # mox, Fastmail and others, as they write it.
        "iprev=pass\n\tpolicy.iprev=2001:db8::1; dkim=pass (1024 bit rsa)\n\theader.d=reporter.example header.s=tls",
        "\n    dkim=pass (2048-bit rsa key) header.d=reporter.example\n      header.i=@reporter.example header.b=hpRP;",
        "dkim=pass header.i=@Reporter.Example header.s=tls header.b=AAAA; spf=pass (google.com: best; guess)",
        'dkim=pass ("a (nested; comment) dkim=fail") header.d="reporter.example"',
        'dkim/1 = pass reason="good; signature" header.d = reporter.example',
        "dkim=fail header.d=other.example; dkim=pass header.d=reporter.example",
    ],
)  # fmt: skip
def test_as_servers_write_it(text: str) -> None:
    assert said(results(text)).verdict is Verdict.PASS


def test_the_name_may_have_a_version_and_any_case() -> None:
    name = "\n (our own) MX.Example.com 1 "
    assert said(results("dkim=pass header.d=reporter.example", name)).verdict is Verdict.PASS


def test_the_topmost_that_speaks_of_dkim_counts() -> None:
    assert said(results("spf=pass"), results("dkim=pass header.d=reporter.example")).verdict is Verdict.PASS
    assert said(results("dkim=fail header.d=reporter.example"), FORGED).verdict is Verdict.FAIL
    assert said(results("dkim=none"), FORGED).verdict is Verdict.NONE


def test_what_stands_below_a_received_field_is_the_senders() -> None:
    below = said(results("spf=pass"), RECEIVED, FORGED)
    assert (below.verdict, below.domain) == (Verdict.NONE, None)
    # Our own Received may stand above: a delivery agent puts one on top.
    assert said(RECEIVED, results("dkim=pass header.d=reporter.example")).verdict is Verdict.PASS


def test_other_servers_are_not_believed() -> None:
    other = results("dkim=pass header.d=reporter.example", "mx.elsewhere.example")
    assert said(other).verdict is Verdict.NONE
    assert said(other, results("dkim=fail header.d=reporter.example")).verdict is Verdict.FAIL
    assert said(FORGED, ids=("mx.example.com.elsewhere.example",)).verdict is Verdict.NONE
    for name in ("ARC-Authentication-Results", "Authentication-Results-Original", "X-Authentication-Results"):
        assert said(f"{name}: {FORGED.partition(': ')[2]}").verdict is Verdict.NONE


def test_a_pass_without_the_signature_is_forged() -> None:
    """OpenDKIM writes nothing for a mail without a signature, so that a forged field would be the topmost."""
    assert said(results("dmarc=fail"), FORGED, signature="").verdict is Verdict.FAIL
    other = SIGNATURE.replace("reporter.example", "elsewhere.example")
    assert said(FORGED, signature=other).verdict is Verdict.FAIL
    assert said(results("dkim=pass header.d=reporter.example header.s=other")).verdict is Verdict.FAIL


def test_a_pass_of_another_domain_is_a_mismatch() -> None:
    other = SIGNATURE.replace("reporter.example", "elsewhere.example")
    one = said(results("dkim=pass header.d=elsewhere.example"), signature=other)
    assert (one.verdict, one.domain, one.organizational_domain) == (Verdict.POLICY_MISMATCH, "elsewhere.example", None)


def test_what_is_said_of_the_reporting_domain_goes_first() -> None:
    both = "dkim=pass header.d=list.example; dkim=fail header.d=reporter.example"
    one = said(results(both), signature=SIGNATURE + SIGNATURE.replace("reporter.example", "list.example"))
    assert (one.verdict, one.domain) == (Verdict.FAIL, "reporter.example")


def test_a_signature_with_a_length_is_a_mismatch_whoever_verified_it() -> None:
    limited = SIGNATURE.replace("h=from", "l=100; h=from")
    assert said(FORGED, signature=limited).verdict is Verdict.POLICY_MISMATCH


def test_a_broken_signature_counts_if_our_server_saw_it_whole() -> None:
    """A gateway behind the server changes the body; Mail.ru's submitter is not the domain of its contact."""
    octets = (
        results("dkim=pass header.d=corp.mail.example header.s=mail")
        + SIGNATURE.replace("reporter.example", "corp.mail.example").replace("Tls", "mail")
    ).encode() + builders.mail(submitter="mail.example").replace(b"aggregate", b"External: aggregate")
    keys_were_asked: list[str] = []
    vouching = Vouching(octets, frozenset({OURS}), keys_were_asked.append)
    one = vouching.authentication(["tls@corp.mail.example", "mail.example", "tls_support@corp.mail.example"])
    assert (one.verdict, one.organizational_domain) == (Verdict.PASS, "mail.example")
    assert keys_were_asked == []


def test_a_temporary_error_of_our_server_is_verified_again_where_we_verify() -> None:
    octets = (results("dkim=temperror header.d=reporter.example") + SIGNATURE).encode() + builders.mail()
    one = Vouching(octets, frozenset({OURS}), lambda _name: ()).authentication([FROM])
    assert (one.verdict, one.selector) == (Verdict.FAIL, "tls")


def test_without_a_field_we_verify_or_say_nothing() -> None:
    octets = SIGNATURE.encode() + builders.mail()
    assert Vouching(octets, frozenset({OURS})).authentication([FROM]).verdict is Verdict.NONE
    assert Vouching(octets, frozenset({OURS}), lambda _name: None).authentication([FROM]).verdict is Verdict.TEMPERROR


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("someone@a.b.reporter.example", "reporter.example"),
        ("Reporter.Example.", "reporter.example"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", None),
        ("victim.github.io", "victim.github.io"),
        ("mx 1 of ours", None),
        ("", None),
        (None, None),
        ("a." * 200 + "example", None),
    ],
)
def test_organizational_domains(address: str | None, domain: str | None) -> None:
    assert organizational_domain(address) == domain


@pytest.mark.parametrize(
    "value",
    [
        "(" * 60_000,
        "(" * 4_000 + ")" * 4_000,
        '"' * 60_000,
        "\\" * 60_000,
        ";" * 60_000,
        "a=b " * 15_000,
        "dkim=pass header.d=" + "a" * 60_000,
        " " * 60_000,
        "\x00\xff\u202e; dkim=\x1b[31mpass header.d=\x1b",
    ],
)
def test_whatever_stands_in_a_field_there_is_a_verdict(value: str) -> None:
    one = said(f"Authentication-Results: {OURS}; {value}\n" * 3, f"Authentication-Results: {value}\n" * 3)
    assert one.verdict is not Verdict.PASS
    assert (one.reason or "").isascii()
    assert (one.reason or "").isprintable()


def test_floods_are_bounded() -> None:
    flood = "".join(results("spf=pass") for _ in range(limits.AUTHENTICATION_RESULTS))
    assert said(flood[: flood.rindex("Auth")], FORGED).verdict is Verdict.PASS
    assert said(flood, FORGED).verdict is Verdict.NONE
    signatures = SIGNATURE.replace("reporter", "other") * limits.SIGNATURES
    assert said(FORGED, signature=signatures + SIGNATURE).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "octets",
    [
        (SIGNATURE.replace("Tls", "Tls" + " \r\n" * 1_000 + " ")).encode() + builders.mail(),
        SIGNATURE.replace("from:to", "from" + ":to" * limits.SIGNED_FIELDS).encode() + builders.mail(),
        SIGNATURE.encode() + builders.mail() + b" \t" * 200_000,
        SIGNATURE.encode() + b"X-Long: x\n" * 10_000 + builders.mail(),
        SIGNATURE.encode() + builders.mail() + b"x" * limits.SIGNED_MESSAGE,
    ],
    ids=["blanks in the field", "signed fields", "blanks in the body", "header", "size"],
)
def test_what_would_take_for_ever_is_not_computed(octets: bytes) -> None:
    asked: list[str] = []
    vouching = Vouching(octets, keys=asked.append)
    assert vouching.authentication([FROM]).verdict is Verdict.NONE
    assert asked == []


def test_a_message_of_many_reports_is_looked_at_once() -> None:
    asked: list[str] = []
    vouching = Vouching(SIGNATURE.encode() + builders.mail(), keys=asked.append)
    for number in range(10):
        assert vouching.authentication([FROM, f"contact{number}@reporter.example"]).verdict is Verdict.TEMPERROR
    assert asked == ["tls._domainkey.reporter.example"]


def test_what_mox_and_fastmail_wrote_about_captured_reports(samples: Path) -> None:
    found = {}
    for file in samples.glob("*.eml"):
        (report,) = judge(
            Item(file.as_uri(), file.read_bytes()),
            trust=Trust(Wanted(authserv_ids=("komijn.test.xmox.nl", "mail.example.com"))),
        )
        assert report.authentication
        if report.authentication.verdict is Verdict.PASS:
            found[file.name.partition("__")[0]] = report.authentication.organizational_domain
    assert found == {"google": "google.com", "microsoft": "microsoft.com"}
