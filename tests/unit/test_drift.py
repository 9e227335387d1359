"""What senders saw beside what is published: the verdict of each sighting."""

from datetime import date, datetime, timedelta

import pytest

from tlsrpt_ingest.store.drift import Sighting, Verdict, compare
from tlsrpt_ingest.store.published import MX, STS_POLICY, TLSA, Edition, History

DOMAIN = "solarmora.com"
TESTING = "version: STSv1\nmode: testing\nmax_age: 86400\nmx: mx1.solarmora.com\n"
ENFORCE = TESTING.replace("testing", "enforce")
JUNE = date(2026, 6, 1)


def sighting(policy: str, first: int, last: int, *, kind: str = "sts", of: str = DOMAIN, by: str = "A") -> Sighting:
    """Days are counted from 1 June 2026."""
    days = JUNE + timedelta(days=first), JUNE + timedelta(days=last)
    return Sighting(by, of, kind, tuple(policy.splitlines()), *days, reports=1)


def editions(*texts: tuple[str | None, int, int]) -> tuple[Edition, ...]:
    start = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - as the database has it
    return tuple(
        Edition(text, start + timedelta(days=first), start + timedelta(days=last)) for text, first, last in texts
    )


def verdicts(history: History, *found: Sighting) -> list[Verdict]:
    return [one.verdict for one in compare(found, history, DOMAIN)]


CHANGED = {(DOMAIN, STS_POLICY): editions((TESTING, 0, 20), (ENFORCE, 21, 60))}


@pytest.mark.parametrize(
    ("policy", "last", "verdict"),
    [
        (ENFORCE, 60, Verdict.SAME),
        (ENFORCE.replace("\n", "\r\n"), 60, Verdict.SAME),
        ("\n".join(reversed(ENFORCE.splitlines())), 60, Verdict.SAME),
        (TESTING, 28, Verdict.EARLIER),
        (TESTING, 59, Verdict.STALE),
        (ENFORCE.replace("mx1", "mx9"), 59, Verdict.OTHER),
        (ENFORCE.replace("mx1", "mx9"), 28, Verdict.EARLIER),
        ("mode: enforce", 59, Verdict.UNREADABLE),
    ],
)
def test_an_mta_sts_policy(policy: str, last: int, verdict: Verdict) -> None:
    found = [sighting(ENFORCE, 25, 60, by="B"), sighting(policy, 1, last)]
    assert verdicts(CHANGED, *found)[1] == verdict


def test_what_was_not_seen_lately_is_no_drift() -> None:
    assert verdicts(CHANGED, sighting(ENFORCE, 50, 60), sighting(TESTING, 1, 45)) == [Verdict.SAME, Verdict.EARLIER]


def test_a_policy_that_just_changed_is_given_its_time() -> None:
    history = {(DOMAIN, STS_POLICY): editions((TESTING, 0, 57), (ENFORCE, 58, 60))}
    assert verdicts(history, sighting(TESTING, 1, 60)) == [Verdict.EARLIER]


def test_on_the_first_look_reports_tell_since_when() -> None:
    history = {(DOMAIN, STS_POLICY): editions((ENFORCE, 60, 60))}
    found = sighting(ENFORCE, 10, 60, by="B"), sighting(TESTING, 1, 59)
    assert verdicts(history, *found) == [Verdict.SAME, Verdict.OTHER]
    # Nobody saw it before: it may be of today.
    assert verdicts(history, found[1]) == [Verdict.EARLIER]


def test_a_policy_that_is_gone_is_no_policy_to_compare_with() -> None:
    history = {(DOMAIN, STS_POLICY): editions((ENFORCE, 0, 20), (None, 21, 60))}
    assert verdicts(history, sighting(ENFORCE, 1, 60)) == [Verdict.STALE]


def test_a_sender_that_lost_the_policy() -> None:
    saw, lost = sighting(ENFORCE, 20, 40), sighting("", 41, 60, kind="no-policy-found")
    assert verdicts(CHANGED, saw, lost) == [Verdict.SAME, Verdict.NONE]
    # Who never saw one may not look for it: Postfix does DANE only.
    assert verdicts(CHANGED, sighting("", 41, 60, kind="no-policy-found")) == []


OLD, NEW = f"3 1 1 {'ab' * 32}", f"3 1 1 {'cd' * 32}"


def test_tlsa_records_belong_to_the_mx_host_and_at_some_senders_to_the_domain() -> None:
    history = {
        (DOMAIN, MX): editions(("10 mx1.solarmora.com\n20 mx2.solarmora.com", 0, 60)),
        ("mx1.solarmora.com", TLSA): editions((OLD, 0, 20), (NEW, 21, 60)),
        ("mx2.solarmora.com", TLSA): editions((OLD, 0, 60)),
    }
    of_host = sighting(NEW.upper(), 25, 60, kind="tlsa", of="mx1.solarmora.com")
    stale = sighting(OLD, 1, 60, kind="tlsa", of="mx1.solarmora.com")
    assert verdicts(history, of_host, stale) == [Verdict.SAME, Verdict.STALE]
    of_domain = [sighting(one, 25, 60, kind="tlsa") for one in (OLD, NEW, f"{OLD}\n{NEW}")]
    assert verdicts(history, *of_domain) == [Verdict.SAME, Verdict.SAME, Verdict.OTHER]


def test_nothing_is_compared_with_what_nobody_looked_up() -> None:
    assert verdicts({}, sighting(ENFORCE, 1, 60), sighting(OLD, 1, 60, kind="tlsa")) == []
