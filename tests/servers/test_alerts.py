"""`alerts` over the days: what it tells, that it tells it once, and that nothing is lost or told by two at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from tests import builders
from tests.deliveries import delivery, rejected
from tlsrpt_ingest import limits
from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.program import cli
from tlsrpt_ingest.config import Alerts
from tlsrpt_ingest.errors import Unavailable, Unreadable
from tlsrpt_ingest.output.alerts import message
from tlsrpt_ingest.output.alerts.telling import Look, look
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.alerts import known
from tlsrpt_ingest.store.delivery import Place
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.store.runs import Run, remember

FIRST = datetime(2024, 1, 1, 12, tzinfo=UTC)
DOMAIN = "solarmora.com"
FORMER = ["version: STSv1", "mode: testing", "mx: mx1.solarmora.com", "max_age: 604800"]
LATER = ["version: STSv1", "mode: enforce", "mx: mx1.solarmora.com", "max_age: 604800"]


class Mailbox:
    """A database that reports arrive in, and `alerts` as cron runs it, on a day of the test's choice."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self.engine = open_engine(url)
        schema.upgrade(self.engine)
        self.config = ""
        self._items = 0
        self._monkeypatch = monkeypatch

    def report(self, day: int, sender: str, *failures: builders.JsonObject, **changes: Any) -> None:
        """A report of a day (from 0), as the mail of the next morning brings it."""
        policy = builders.policy(DOMAIN, failures=failures, policy_string=changes.pop("policy_string", FORMER))
        report_id = f"{day}@{sender.lower()}.example"
        body = builders.report(day, *changes.pop("policies", [policy]), organization_name=sender, report_id=report_id)
        self.bring(delivery(body=body, item=self._items))

    def bring(self, *deliveries: Any) -> None:
        self._items += len(deliveries)
        record(self.engine, deliveries)

    def alerts(self, day: int, *more: str, hour: int = 12) -> str:
        """What it prints on a day; it has to end well."""
        ran = self.run(day, *more, hour=hour)
        assert ran.exception is None, ran.exception
        assert (ran.return_value, ran.stderr) == (0, "")
        return str(ran.stdout)

    def run(self, day: int, *more: str, hour: int = 12) -> Any:
        now = FIRST + timedelta(days=day, hours=hour - 12)
        self._monkeypatch.setattr(clock, "now", lambda: now)
        words = ["alerts", "--database", self.url, *more]
        return CliRunner().invoke(
            cli, [*self._configured(), *words], standalone_mode=False, env={"HOME": "/nonexistent"}
        )

    def _configured(self) -> list[str]:
        return ["--config", self.config] if self.config else []


@pytest.fixture
def mailbox(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """On each of the three databases."""
    made = Mailbox(database, monkeypatch)
    yield made
    made.engine.dispose()


@pytest.fixture
def small(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """On SQLite."""
    made = Mailbox(sqlite, monkeypatch)
    yield made
    made.engine.dispose()


def headlines(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith(("NEW: ", "OVER: "))]


def test_a_month(mailbox: Mailbox) -> None:
    """Good days, a certificate expires, a sender falls silent, the policy changes, and all is well again."""
    said: dict[int, list[str]] = {}
    texts: dict[int, str] = {}
    for day in range(30):
        expired = [builders.failure(count=100, receiving_mx_hostname="mx1.solarmora.com")] if 10 <= day <= 12 else []
        policy = LATER if day >= 20 else FORMER
        for sender in ("Alpha", "Beta"):
            mailbox.report(day, sender, *expired, policy_string=policy)
        if not 14 <= day < 25:
            mailbox.report(day, "Gamma", policy_string=policy)
        texts[day] = mailbox.alerts(day + 1)
        if texts[day]:
            said[day] = headlines(texts[day])
        assert mailbox.alerts(day + 1, hour=18) == "", "told twice"
    assert said == {
        10: ["NEW: certificate-expired at solarmora.com", "NEW: failure rate of solarmora.com"],
        15: ["OVER: certificate-expired at solarmora.com", "OVER: failure rate of solarmora.com"],
        20: ['NEW: policy of solarmora.com ("sts")'],
        21: ['NEW: "Gamma" does not report any more'],
        23: ['OVER: policy of solarmora.com ("sts")'],
        25: ['OVER: "Gamma" does not report any more'],
    }
    assert '200 sessions since 2024-01-11, says "Alpha", "Beta".' in texts[10].replace("\n  ", " ")
    assert "The certificate of your mail server had expired. (your side)" in texts[10]
    assert "    openssl s_client -starttls smtp -connect mx1.solarmora.com:25 " in texts[10]
    assert '    - "mode: testing"\n    + "mode: enforce"\n' in texts[20]


def test_a_failure_that_comes_back_is_told_again(small: Mailbox) -> None:
    told = []
    for day in range(24):
        small.report(day, "Alpha", *([builders.failure()] if day in (3, 4, 17) else []))
        told += [(day, line[:4]) for line in headlines(small.alerts(day + 1))]
    assert told == [(3, "NEW:"), (7, "OVER"), (17, "NEW:"), (20, "OVER")]


def test_a_failure_that_is_reported_after_the_all_clear_is_told_though_it_is_of_the_day_before(small: Mailbox) -> None:
    told = []
    for day in range(12):
        told += [(day, line[:4]) for line in headlines(small.alerts(day + 1, hour=9))]
        small.report(day, "Alpha", *([builders.failure()] if day in (2, 5) else []))
    assert told == [(3, "NEW:"), (5, "OVER"), (6, "NEW:"), (8, "OVER")]


def test_a_failure_is_not_over_while_its_sender_says_nothing(small: Mailbox) -> None:
    small.report(0, "Beta")
    small.alerts(1)
    small.report(1, "Alpha", builders.failure())
    assert headlines(small.alerts(2)) == ["NEW: certificate-expired at solarmora.com"]
    for day in range(2, 6):
        small.report(day, "Beta")
        assert small.alerts(day + 1) == ""
    small.report(6, "Alpha")
    assert headlines(small.alerts(7)) == ["OVER: certificate-expired at solarmora.com"]


def test_a_policy_that_comes_back_is_a_change_too(small: Mailbox) -> None:
    told = []
    for day in range(40):
        small.report(day, "Alpha", policy_string=LATER if 5 <= day < 20 else FORMER)
        printed = small.alerts(day + 1)
        told += [(day, line[:4]) for line in headlines(printed)]
        if day == 20:
            assert '- "mode: enforce"\n    + "mode: testing"' in printed
    assert told == [(5, "NEW:"), (8, "OVER"), (20, "NEW:"), (23, "OVER")]


def test_the_same_policy_in_other_words_is_no_change(small: Mailbox) -> None:
    small.report(0, "Alpha")
    small.alerts(1)
    other = [f"{line.replace('mx1', 'MX1')}\r" for line in (FORMER[0], *FORMER[:0:-1])]
    small.report(1, "Beta", policy_string=other)
    assert small.alerts(2) == ""


def test_another_sender_is_another_alert(small: Mailbox) -> None:
    small.report(0, "Alpha", builders.failure())
    assert 'says "Alpha".' in small.alerts(1)
    small.report(1, "Alpha", builders.failure())
    small.report(1, "Beta", builders.failure())
    printed = small.alerts(2)
    assert 'says "Beta".' in printed
    assert "Alpha" not in printed


def test_failed_sessions_without_a_reason(small: Mailbox) -> None:
    small.report(0, "Alpha", policies=[builders.policy(DOMAIN, failed=3)])
    printed = small.alerts(1)
    assert headlines(printed) == ["NEW: failures without a reason at solarmora.com"]
    assert "do not say what failed" in printed


def test_rejected_deliveries_are_told_once_each(mailbox: Mailbox) -> None:
    mailbox.report(0, "Alpha")
    assert mailbox.alerts(1) == ""
    mailbox.bring(*(rejected(100 + number) for number in range(8)))
    printed = mailbox.alerts(1, hour=13)
    assert headlines(printed) == ["NEW: 8 rejected deliveries"]
    assert printed.count("the gzip stream ends early") == 5
    assert "and 3 more" in printed
    assert mailbox.alerts(1, hour=14) == ""
    mailbox.bring(rejected(200))
    assert headlines(mailbox.alerts(1, hour=15)) == ["NEW: 1 rejected delivery"]
    mailbox.bring(*(delivery(50 + number, item=100 + number) for number in range(8)))
    assert headlines(mailbox.alerts(1, hour=16)) == ["OVER: 8 rejected deliveries"]
    assert mailbox.alerts(1, hour=17) == ""


def test_what_the_next_poll_may_read_is_told_when_it_has_not(small: Mailbox) -> None:
    small.report(0, "Alpha")
    small.alerts(1)
    silent = Unreadable("trust", "dns", "the DNS did not answer")
    mail = rejected(100, failure=silent, place=Place("main", "INBOX", 1, 7))
    here = rejected(101, failure=silent)
    small.bring(mail, here)
    assert headlines(small.alerts(1, hour=13)) == ["NEW: 1 rejected delivery"]
    small.bring(mail)
    assert small.alerts(1, hour=14) == ""
    small.bring(mail)
    assert headlines(small.alerts(1, hour=15)) == ["NEW: 1 rejected delivery"]


def test_what_is_old_is_not_told_one_by_one_at_the_first_look(small: Mailbox) -> None:
    small.bring(*(rejected(number) for number in range(100, 150)))
    for day in range(10):
        small.report(day, "Silent")
    for day in range(20):
        small.report(day, "Alpha", builders.failure())
    printed = small.alerts(20)
    assert headlines(printed) == [
        "NEW: the first look",
        "NEW: certificate-expired at solarmora.com",
    ]
    assert "rejected deliveries: 50, silent senders: 1." in printed.replace("\n  ", " ")
    assert "\n    tlsrpt-ingest ledger --outcome rejected\n    tlsrpt-ingest summary\n" in printed
    assert small.alerts(20, hour=13) == ""


def test_no_report_at_all(small: Mailbox) -> None:
    for day in range(6):
        small.report(day, "Alpha")
        assert small.alerts(day + 1) == ""
    assert [bool(small.alerts(day)) for day in range(7, 14)] == [False, False, False, True, False, False, False]
    small.report(14, "Alpha")
    assert headlines(small.alerts(15)) == ["OVER: no report of anybody"]


def test_a_report_from_the_future_is_no_sign_of_life(small: Mailbox) -> None:
    small.report(0, "Alpha")
    small.report(9000, "Liar", builders.failure())
    assert headlines(small.alerts(10)) == ["NEW: no report of anybody"]


def test_a_poll_that_does_not_run(small: Mailbox, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[imap]]\nname="a"\nhost="localhost"\nuser="a"\npassword={file="a"}\n', encoding="utf-8")
    small.config = str(config)

    def polled(day: int, status: int = 0, words: str | None = None) -> None:
        at = FIRST + timedelta(days=day)
        remember(small.engine, Run("poll", "mx1", at, at, status, 0, {}, words))

    assert headlines(small.alerts(0)) == ["NEW: no poll went well"]
    polled(0)
    assert headlines(small.alerts(0, hour=13)) == ["OVER: no poll went well"]
    polled(1, 75, "the server says \x1b[31mno")
    assert small.alerts(1) == ""
    printed = small.alerts(2)
    assert "The last that did ended at 2024-01-01T12:00:00 UTC." in printed
    assert "\\x1b[31mno".replace("[", "\\x5b") in printed
    assert small.alerts(3) == ""
    polled(4)
    assert headlines(small.alerts(4)) == ["OVER: no poll went well"]


def test_what_nothing_can_be_said_of_any_more_ends_in_silence(small: Mailbox, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[imap]]\nname="a"\nhost="localhost"\nuser="a"\npassword={file="a"}\n', encoding="utf-8")
    small.config = str(config)
    assert headlines(small.alerts(0)) == ["NEW: no poll went well"]
    config.write_text("", encoding="utf-8")
    assert small.alerts(0, hour=13) == ""
    assert all(one.over_at for one in known(small.engine).values())


def test_what_is_off_is_not_told(small: Mailbox, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[alerts]\noff = ["failure", "failure-rate"]\n', encoding="utf-8")
    small.config = str(config)
    small.report(0, "Alpha", builders.failure(count=1000))
    assert small.alerts(1) == ""


def test_a_dry_run_changes_nothing(small: Mailbox) -> None:
    small.report(0, "Alpha", builders.failure())
    first = small.alerts(1, "--dry-run")
    assert headlines(first) == ["NEW: certificate-expired at solarmora.com"]
    assert small.alerts(1, "--dry-run") == first == small.alerts(1)
    assert small.alerts(1, "--dry-run") == ""


def test_thousands_of_failures_are_a_short_message(small: Mailbox) -> None:
    many = [builders.policy(f"d{number}.example", failures=[builders.failure()]) for number in range(3_000)]
    small.report(0, "Alpha", policies=many)
    printed = small.alerts(1)
    assert len(headlines(printed)) == limits.ALERTS_LISTED
    assert f"and {3_000 - limits.ALERTS_LISTED:,} more" in printed
    assert small.alerts(2) == ""


def test_no_number_of_made_up_result_types_hides_the_others(small: Mailbox) -> None:
    flood = [builders.failure(f"made-up-{number}", count=10**9) for number in range(limits.ALERTS + 5)]
    small.report(0, "Liar", *flood)
    small.report(0, "Alpha", builders.failure())
    assert headlines(small.alerts(1)) == [
        "NEW: other at solarmora.com",
        "NEW: certificate-expired at solarmora.com",
        "NEW: failure rate of solarmora.com",
    ]


class Ears:
    """An outlet that does what the test says while it is told."""

    def __init__(self, name: str = "ears", meanwhile: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.heard: list[list[str]] = []
        self.meanwhile = meanwhile

    def tell(self, told: message.Message) -> None:
        self.meanwhile()
        self.heard.append(headlines(message.text(told)))


def tell(engine: Engine, *outlets: Ears, day: int = 1, hour: int = 12) -> Look:
    found = Look()
    now = FIRST + timedelta(days=day, hours=hour - 12)
    look(engine, Alerts(), outlets, now, found, polls=False)
    return found


FAILURE = ["NEW: certificate-expired at solarmora.com"]


def test_two_at_once_tell_once(mailbox: Mailbox) -> None:
    mailbox.report(0, "Alpha", builders.failure())
    other = Ears()
    ears = Ears(meanwhile=lambda: assert_silent(mailbox.engine, other))
    tell(mailbox.engine, ears)
    assert (ears.heard, other.heard) == ([FAILURE], [])


def assert_silent(engine: Engine, other: Ears) -> None:
    assert tell(engine, other).items == 0


def test_many_at_once_tell_once(mailbox: Mailbox) -> None:
    mailbox.report(0, "Alpha", builders.failure())
    mailbox.report(0, "Beta", builders.failure("certificate-not-trusted"))
    ears = [Ears() for _ in range(4)]
    together = Barrier(len(ears))

    def one(mine: Ears) -> None:
        engine = open_engine(mailbox.url)
        together.wait()
        tell(engine, mine)
        engine.dispose()

    with ThreadPoolExecutor(len(ears)) as threads:
        list(threads.map(one, ears))
    heard = [line for mine in ears for lines in mine.heard for line in lines]
    assert sorted(heard) == [*FAILURE, "NEW: certificate-not-trusted at solarmora.com"]


def test_an_outlet_that_takes_nothing_is_told_later_and_the_others_not_again(mailbox: Mailbox) -> None:
    def down() -> None:
        raise Unavailable("down")

    mailbox.report(0, "Alpha", builders.failure())
    good, bad = Ears("good"), Ears("bad", down)
    assert [str(one) for one in tell(mailbox.engine, bad, good).failures] == ["down"]
    assert tell(mailbox.engine, bad, good, hour=13).failures
    for day in range(1, 6):
        mailbox.report(day, "Alpha")
    tell(mailbox.engine, bad, good, day=6)
    bad.meanwhile = lambda: None
    assert not tell(mailbox.engine, bad, good, day=6, hour=13).failures
    tell(mailbox.engine, bad, good, day=6, hour=14)
    over = ["OVER: certificate-expired at solarmora.com"]
    assert good.heard == [FAILURE, over]
    assert bad.heard == [FAILURE + over]


def test_what_was_claimed_by_one_who_died_is_told_in_the_end(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        monkeypatch.setattr("tlsrpt_ingest.store.alerts.release", lambda *_args: None)
        raise KeyboardInterrupt

    mailbox.report(0, "Alpha", builders.failure())
    with pytest.raises(KeyboardInterrupt):
        tell(mailbox.engine, Ears(meanwhile=die))
    monkeypatch.undo()
    ears = Ears()
    tell(mailbox.engine, ears)
    assert ears.heard == []
    tell(mailbox.engine, ears, hour=13)
    assert ears.heard == [FAILURE]


def test_an_outlet_that_the_config_has_no_more_holds_nothing_up(small: Mailbox) -> None:
    def down() -> None:
        raise Unavailable("down")

    small.report(0, "Alpha", builders.failure())
    tell(small.engine, Ears("gone", down))
    ears = Ears("here")
    assert tell(small.engine, ears).items == 1
    assert tell(small.engine, ears).items == 0


def test_what_is_over_for_long_is_forgotten(small: Mailbox) -> None:
    small.report(0, "Alpha", builders.failure())
    ears = Ears()
    tell(small.engine, ears)
    for day in range(1, 6):
        small.report(day, "Alpha")
    tell(small.engine, ears, day=6)
    small.report(100, "Alpha")
    tell(small.engine, ears, day=101)
    assert known(small.engine) == {}
