"""What the site is drawn from: the days of a period, readiness, what senders saw, single reports."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests import builders
from tests.deliveries import delivery, moment, other, rejected
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.site.writing import write_site
from tlsrpt_ingest.rfc8460 import Deviation
from tlsrpt_ingest.store import days as days_of
from tlsrpt_ingest.store import kept, schema, seen, views
from tlsrpt_ingest.store.days import Days, days, period
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.readiness import readiness, readiness_of
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.verdict import Authentication, Verdict

FIRST = date(2024, 1, 1)
NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = open_engine(database)
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def keep(engine: Engine, *reports: dict[str, Any]) -> None:
    record(engine, [delivery(0, report, item=at) for at, report in enumerate(reports)], moment("2024-02-01"))


def of_views(engine: Engine) -> tuple[dict[Any, tuple[int, int]], dict[Any, int]]:
    """The same sums from the public views: sessions by (domain, day, sender), failures by (domain, day, type)."""
    sessions: dict[Any, tuple[int, int]] = {}
    failures: dict[Any, int] = {}
    daily, failure = views.daily_sessions.c, views.failure.c
    with engine.connect() as connection:
        for *key, successful, failed in connection.execute(
            select(daily.policy_domain, daily.day, daily.organization_name, daily.successful, daily.failed)
        ):
            sessions[tuple(key)] = (successful, failed)
        for *key, count in connection.execute(
            select(failure.policy_domain, failure.day, failure.result_type, failure.failed_session_count)
        ):
            failures[tuple(key)] = failures.get(tuple(key), 0) + count
    return sessions, failures


def anything(rng: random.Random, number: int) -> dict[str, Any]:
    """A report of several domains, types and failures; some domains twice, some unnamed."""
    policies = []
    for _ in range(rng.randrange(1, 5)):
        failures = [
            builders.failure(rng.choice(("certificate-expired", "validation-failure", "x")), rng.randrange(5))
            for _ in range(rng.choice((0, 0, 1, 3)))
        ]
        policies.append(
            builders.policy(
                rng.choice(("a.example", "b.example")),
                rng.choice(("sts", "tlsa", "no-policy-found")),
                successful=rng.choice((0, 7, 2**63 - 1)),
                failures=failures,
                **({"policy_domain": builders.ABSENT} if rng.random() < 0.2 else {}),
            )
        )
    sender = rng.choice(("One", "Two", "Three"))
    return builders.report(number % 30, *policies, organization_name=sender, report_id=f"{number}")


def test_the_days_say_what_the_views_say(engine: Engine) -> None:
    rng = random.Random(8460)  # noqa: S311 - repeatable on purpose
    reports = [anything(rng, number) for number in range(150)]
    # One of the same identity with other content, which is not counted.
    keep(engine, *reports, {**reports[0], "contact-info": "somebody else"})
    found = days(engine, FIRST, FIRST + timedelta(days=29))
    sessions, failures = of_views(engine)
    assert found.reports == 150
    by_day: dict[Any, tuple[int, int]] = {}
    by_sender: dict[Any, tuple[int, int]] = {}
    for (domain, day, sender), (successful, failed) in sessions.items():
        for sums, key in ((by_day, (domain, day)), (by_sender, (domain, sender))):
            before = sums.get(key, (0, 0))
            sums[key] = before[0] + successful, before[1] + failed
    for domain in found.domains:
        name = domain.policy_domain
        for at in range(found.count):
            expected = by_day.get((name, found.day(at)), (0, 0))
            assert (domain.successful[at], domain.failed[at]) == expected, (name, at)
            for result_type, series in domain.failures.items():
                assert series[at] == failures.get((name, found.day(at), result_type), 0)
        for sender, sending in domain.senders.items():
            assert (sending.successful, sending.failed) == by_sender[name, sender]
    assert {domain.policy_domain for domain in found.domains} == {"a.example", "b.example", None}
    assert sum(sum(series) for domain in found.domains for series in domain.failures.values()) == sum(failures.values())


def test_a_period_takes_only_its_own_days(engine: Engine) -> None:
    keep(engine, *(builders.report(number, builders.policy(failures=[builders.failure()])) for number in range(10)))
    found = days(engine, date(2024, 1, 3), date(2024, 1, 5))
    (domain,) = found.domains
    assert (found.reports, found.count, domain.failed, domain.failures["certificate-expired"]) == (
        3,
        3,
        [1, 1, 1],
        [1, 1, 1],
    )
    (sender,) = found.senders
    assert (sender.reports, sender.latest) == (3, date(2024, 1, 5))
    (kind,) = domain.kinds.values()
    assert (kind.first, kind.latest, kind.sessions) == (date(2024, 1, 3), date(2024, 1, 5), 3)


def test_inventing_names_does_not_take_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in (("DOMAINS", 2), ("SENDERS", 2), ("RESULT_TYPES", 1)):
        monkeypatch.setattr(days_of, name, bound)
    reports = [
        builders.report(
            0,
            builders.policy(f"d{at // 2}.example", failures=[builders.failure(f"type-{at}", 1)]),
            organization_name=f"Sender {at}",
            report_id=str(at),
        )
        for at in range(8)
    ]
    mine = [builders.report(at, organization_name="Mine") for at in range(3)]
    keep(engine, *reports, *mine)
    found = days(engine, FIRST, FIRST + timedelta(days=9))
    assert [domain.policy_domain for domain in found.domains] == ["example.com", "d0.example"]
    assert [sender.organization_name for sender in found.senders][:1] == ["Mine"]
    assert len(found.senders) == 2
    assert found.others.reports == 6
    assert list(found.domains[1].failures) == ["type-0", days_of.OTHER]
    assert all(len(domain.senders) <= 2 for domain in found.domains)
    total = sum(map(sum, (*(domain.failed for domain in found.domains), found.others.failed)))
    assert total == 8, "nothing is left out of the sums"


def test_no_number_of_made_up_result_types_hides_those_of_the_rfc(engine: Engine) -> None:
    made_up = [builders.failure(f"type-{at}") for at in range(2 * days_of.RESULT_TYPES)]
    keep(
        engine,
        builders.report(0, builders.policy(failures=made_up)),
        builders.report(1, builders.policy(failures=[builders.failure("certificate-expired")])),
    )
    (domain,) = days(engine, FIRST, FIRST + timedelta(days=9)).domains
    assert sum(domain.failures["certificate-expired"]) == 1
    assert sum(domain.failures[days_of.OTHER]) == days_of.RESULT_TYPES


def test_the_period_ends_with_the_latest_report_that_can_be(engine: Engine) -> None:
    assert period(engine, NOW, 180) == (date(2024, 2, 3), date(2024, 3, 1)), "nothing yet"
    keep(engine, builders.report(0), builders.report(40), builders.report(20_000))
    assert period(engine, NOW, 180) == (FIRST, FIRST + timedelta(days=40))
    assert period(engine, NOW, 10) == (date(2024, 2, 1), date(2024, 2, 10))


def test_a_period_of_few_reports_is_four_weeks(engine: Engine) -> None:
    keep(engine, builders.report(40))
    assert period(engine, NOW, 180) == (date(2024, 1, 14), date(2024, 2, 10))


def sts(mode: str, **more: Any) -> dict[str, Any]:
    return builders.policy(policy_string=["version: STSv1", f"mode: {mode}", "max_age: 1"], **more)


@pytest.mark.parametrize(
    ("failing", "count", "senders", "mode", "verdict", "words"),
    [
        pytest.param((), 14, 2, "testing", (True, 14), "nothing speaks against", id="ready"),
        pytest.param((), 13, 2, "testing", (False, 13), "Only 13 days", id="too few days"),
        pytest.param((), 20, 1, "testing", (False, 20), "only one sender", id="too few senders"),
        pytest.param((5,), 20, 2, "testing", (True, 14), "nothing speaks against", id="a failure long ago"),
        pytest.param((6,), 20, 2, "testing", (False, 13), "failure on 2024-01-07", id="a failure lately"),
        pytest.param((19,), 20, 2, "enforce", (False, 0), "held back", id="enforce, failing"),
        pytest.param((), 3, 1, "enforce", (True, 3), "already", id="enforce, well"),
    ],
)
def test_readiness(
    engine: Engine, failing: tuple[int, ...], count: int, senders: int, mode: str, verdict: tuple[bool, int], words: str
) -> None:
    keep(
        engine,
        *(
            builders.report(
                day, sts(mode, failed=int(day in failing)), organization_name=f"Sender {at}", report_id=f"{day} {at}"
            )
            for day in range(count)
            for at in range(senders)
        ),
    )
    found = readiness(engine, "example.com")
    assert ((found.ready, found.days_without_failure), found.senders, found.mode_seen) == (verdict, senders, mode)
    assert words in found.why
    assert (found.first_day, found.last_day) == (FIRST, FIRST + timedelta(days=count - 1))
    assert readiness_of(engine, ["example.com", "example.net"])["example.com"] == found


def test_readiness_looks_at_mta_sts_alone(engine: Engine) -> None:
    assert readiness(engine, "example.com").why == "No sender has reported on this domain."
    dane = [builders.policy(policy_type="tlsa", failures=[builders.failure("tlsa-invalid")])]
    keep(engine, *(builders.report(day, *dane) for day in range(20)))
    found = readiness(engine, "example.com")
    assert (found.days_without_failure, found.senders, found.mode_seen, found.ready) == (20, 0, None, False)
    assert "No sender saw an MTA-STS policy" in found.why


def test_policies_seen_are_the_same_whether_or_not_the_sender_lists_hosts(engine: Engine) -> None:
    keep(
        engine,
        builders.report(0, sts("testing"), organization_name="Google"),
        builders.report(1, sts("testing", mx_host=builders.ABSENT), organization_name="Microsoft"),
        builders.report(5, sts("enforce")),
        builders.report(6, builders.policy("other.example")),
        builders.report(20_000, sts("none"), organization_name="From the future"),
    )
    found = seen.policies_seen(engine, FIRST, ["example.com"])
    assert [(one.first.day, one.last.day, one.reports) for one in found["example.com"]] == [(6, 6, 1), (1, 2, 2)]
    assert found["example.com"][0].policy.policy_string[1] == "mode: enforce"
    later = seen.policies_seen(engine, date(2024, 1, 4), ["example.com"])
    assert len(later["example.com"]) == 1


def test_what_senders_deviate_in_and_what_is_set_aside(engine: Engine) -> None:
    keep(engine, builders.report(0), builders.report(1), builders.report(2, organization_name="Other"))
    record(engine, [rejected(90), rejected(91), other(92)], moment("2024-02-03T10:00"))
    assert seen.deviations_met(engine, FIRST, date(2024, 1, 2), ["Reporter Example"]) == {
        "Reporter Example": [("some-deviation", 2)]
    }
    (reason,) = seen.set_aside(engine, date(2024, 2, 3))
    assert (reason.outcome, reason.code, reason.deliveries) == (Outcome.REJECTED, "truncated-gzip", 2)
    assert reason.last_at == moment("2024-02-03T10:00")
    assert seen.set_aside(engine, date(2024, 2, 4)) == []


def test_reports_worth_a_look_and_all_of_one(engine: Engine) -> None:
    failing = builders.report(1, builders.policy(failures=[builders.failure(count=2), builders.failure("x")]))
    record(
        engine,
        [delivery(0), delivery(1, failing, item=1), delivery(2, authentication=Authentication(Verdict.NONE))],
        moment("2024-02-01"),
    )
    pks = kept.worth_a_look(engine, FIRST, date(2024, 1, 9), 10)
    starts = [report.start_datetime.day for pk in pks if (report := kept.kept(engine, pk))]
    assert starts == [2, 3, 1], "failures first, then the newest"
    assert kept.worth_a_look(engine, FIRST, date(2024, 1, 9), 1) == pks[:1]
    report = kept.kept(engine, pks[0])
    assert report
    assert (report.organization_name, report.policies, report.origin) == (
        "Reporter Example",
        1,
        "file:///srv/archive.mbox#1",
    )
    (entry,) = report.entries
    assert [detail.failed_session_count for detail in entry.entry.failure_details] == [2, 1]
    assert entry.entry.summary.total_failure_session_count == 3
    assert report.deviations == (Deviation("some-deviation", "$.policies[0]"),)
    assert [one.judged for pk in pks if (one := kept.kept(engine, pk))] == [False, True, False]
    assert kept.kept(engine, 10**9) is None
    ((detail, policy),) = kept.failures_of(engine, pks, "example.com", "x", 5)
    assert (detail.result_type, policy.policy_domain) == ("x", "example.com")


def test_the_site_is_the_same_on_every_database(engine: Engine, tmp_path: Path) -> None:
    rng = random.Random(8460)  # noqa: S311 - repeatable on purpose
    reports = [anything(rng, number) for number in range(60)]
    sqlite = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
    schema.ready(sqlite)
    pages = []
    for at, one in enumerate((engine, sqlite)):
        keep(one, *reports)
        record(one, [rejected(900)], moment("2024-02-01"))
        write_site(one, tmp_path / str(at), 180, NOW)
        # Primary keys are the database's own business.
        pages.append(
            {
                re.sub(r"report-\d+", "report", path.name): re.sub(r"report-\d+", "report", path.read_text("utf-8"))
                for path in (tmp_path / str(at)).iterdir()
                if not path.name.startswith("report")
            }
        )
    sqlite.dispose()
    assert pages[0] == pages[1]
    assert len(pages[0]) == 4


def test_an_empty_database_has_days_without_anything(engine: Engine) -> None:
    found: Days = days(engine, FIRST, FIRST)
    assert (found.reports, found.domains, found.senders) == (0, (), ())
