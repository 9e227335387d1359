"""What is asked of a report before it counts: who vouches for it, and about whom it is."""

import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from tests import builders
from tests.deliveries import delivery
from tlsrpt_ingest.cli.trust import trust as from_config
from tlsrpt_ingest.config import Trust as Wanted
from tlsrpt_ingest.config import parse
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.judging import judge
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.source import Mailbox
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.trust import Trust

SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256; d=reporter.example; s=tls; h=from; bh=AAAA; b=AAAA\n"
PASSED = b"Authentication-Results: mx.example.com; dkim=pass header.d=reporter.example\n" + SIGNED
REQUIRED = Wanted(require="authenticated", authserv_ids=("mx.example.com",))


def judged(octets: bytes, trust: Trust, **item: Any) -> tuple[Delivery, ...]:
    return judge(Item("file:///srv/a.mbox#1", octets, **item), trust=trust)


def test_what_is_vouched_for_counts_and_what_is_not_is_kept() -> None:
    (passed,) = judged(PASSED + builders.mail(), Trust(REQUIRED))
    assert passed.reading is not None
    assert passed.authentication is not None
    assert (passed.refused, passed.authentication.domain) == (None, "reporter.example")
    octets = builders.mail()
    (refused,) = judged(octets, Trust(REQUIRED), mailbox=Mailbox("main", "INBOX", 7), position=3)
    assert (refused.refused, refused.reading, refused.octets) == (Outcome.UNAUTHENTICATED, None, octets)
    assert refused.failure is not None
    assert (refused.failure.stage, refused.failure.code) == ("trust", "none")
    assert "nobody vouches for it" in str(refused.failure)
    assert refused.authentication is not None
    assert refused.authentication.verdict == "none"


def test_a_file_of_the_owners_is_not_kept_twice() -> None:
    (refused,) = judged(builders.mail(), Trust(REQUIRED))
    assert (refused.refused, refused.octets) == (Outcome.UNAUTHENTICATED, None)
    (posted,) = judged(builders.document(), Trust(REQUIRED), repeatable=False)
    assert (posted.refused, posted.octets) == (Outcome.UNAUTHENTICATED, builders.document())


def test_the_octets_of_several_reports_are_kept_once_with_one_that_does_not_count() -> None:
    trust = Trust(Wanted(domains=("example.com",)))
    bodies = [builders.policy("example.com"), builders.policy("other.example"), builders.policy("third.example")]
    lines = b"\n".join(builders.document(builders.report(n, body)) for n, body in enumerate(bodies))
    found = judged(lines, trust, repeatable=False)
    assert [one.refused for one in found] == [None, Outcome.FOREIGN, Outcome.FOREIGN]
    assert (found[1].octets, found[2].octets) == (lines, None)


def test_without_a_wish_the_verdict_is_noted_and_the_report_counts() -> None:
    (noted,) = judged(SIGNED + builders.mail(), Trust(keys=lambda _name: ()))
    assert noted.reading is not None
    assert noted.authentication is not None
    assert (noted.authentication.verdict, noted.authentication.selector) == ("fail", "tls")
    (nobody_looked,) = judged(SIGNED + builders.mail(), Trust())
    assert nobody_looked.authentication is None


def test_what_the_dns_did_not_tell_is_rejected_for_now() -> None:
    (later,) = judged(SIGNED + builders.mail(), Trust(REQUIRED, keys=lambda _name: None))
    assert (later.refused, later.failure and later.failure.code) == (Outcome.REJECTED, "temperror")


def about(*domains: str | None, mx: dict[str, Sequence[str]] | None = None, **wanted: Any) -> Outcome | None:
    """The outcome of a report about these domains, None where it counts; `mx` is what the DNS knows."""
    trust = Trust(Wanted(**{"domains": ("example.com", "Example.ORG."), **wanted}), mx=None if mx is None else mx.get)
    refusal = trust.refusal(domains, None)
    return refusal and refusal[0]


@pytest.mark.parametrize(
    "domains",
    [("example.com",), ("EXAMPLE.com.",), ("mx1.example.org",), ("other.example", "example.com"), (), (None,)],
)
def test_reports_about_us_count(domains: tuple[str | None, ...]) -> None:
    """One domain of ours makes a report ours (mox reports on all domains of an MX host), and so does naming none."""
    assert about(*domains) is None


@pytest.mark.parametrize("domains", [("other.example",), ("example.com.evil.example",), ("notexample.com",), ("com",)])
def test_reports_about_others_are_foreign(domains: tuple[str, ...]) -> None:
    assert about(*domains) is Outcome.FOREIGN
    assert about(*domains, mx={"example.com": ["mx.provider.example"], "example.org": []}) is Outcome.FOREIGN
    assert about(*domains, domains=()) is None


def test_our_mx_hosts_are_ours() -> None:
    """For DANE the policy domain is the MX host."""
    assert about("mx.provider.example", mx_hosts=("MX.provider.example",)) is None
    assert about("mx.provider.example", mx={"example.com": ["mx.provider.example"], "example.org": []}) is None
    assert about("mx.provider.example", mx={"example.com": ["mx.provider.example"]}) is Outcome.REJECTED


def test_words_about_hostile_domains_are_plain() -> None:
    trust = Trust(Wanted(domains=("example.com",)))
    refusal = trust.refusal([f"\x1b[31m\u202e{number}.example" for number in range(10)], None)
    assert refusal
    words = str(refusal[1])
    assert words.isascii()
    assert words.isprintable()
    assert "and 7 more" in words


def test_trust_goes_to_another_process() -> None:
    config = parse('[trust]\ndomains = ["example.com"]')
    asked = from_config(config, fresh=True)
    assert asked
    there = pickle.loads(pickle.dumps(asked))  # noqa: S301 - our own
    assert there.wanted == asked.wanted
    assert from_config(parse(""), fresh=False) is None


def test_an_archive_is_judged_by_what_mail_servers_said_and_without_a_cap() -> None:
    config = parse('[trust]\nrequire = "authenticated"\nauthserv_ids = ["mx.example.com"]\nreports_per_day = 5')
    old, new = (from_config(config, fresh=fresh) for fresh in (False, True))
    assert old
    assert new
    assert (old.keys, old.cap) == (None, None)
    assert (new.keys is not None, new.cap) == (True, 5)


def test_a_wish_that_nobody_can_meet_is_refused() -> None:
    with pytest.raises(Misconfigured, match="needs authserv_ids or dkim = true"):
        parse('[trust]\nrequire = "authenticated"\ndkim = false')
    assert delivery(0).authentication is None
