"""The site's pages and their folder: what is drawn, what files are called, what is left alone."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from sqlalchemy import Engine

from tests import builders
from tests.deliveries import delivery, moment, rejected
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.output.site import charts, names, pages
from tlsrpt_ingest.output.site.folder import open_folder
from tlsrpt_ingest.output.site.writing import write_site
from tlsrpt_ingest.store import published, schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record

NOW = datetime(2024, 3, 1, 6, 30, tzinfo=UTC)
TIMELY = datetime(2024, 1, 31, 6, 30, tzinfo=UTC)
"""The morning after the last day of `month`."""
MIB = 1 << 20


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'tlsrpt.db'}")
    schema.ready(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("numbers", "down", "path"),
    [
        ([], False, "M0 100"),
        ([0, 0], False, "M0 100"),
        ([4, 2, 0, 1], False, "M0 100V0h.8V100h0.2V50h.8V100h1.2V75h.8V100"),
        ([0, 1, 10**12], True, "M0 0h1V2h.8V0h0.2V100h.8V0"),
    ],
)
def test_bars(numbers: list[int], down: bool, path: str) -> None:  # noqa: FBT001 - an example of the table above
    assert charts.bars(numbers, down=down) == path


def test_an_axis_has_months_or_days_and_room_for_them() -> None:
    year = charts.ticks(date(2024, 1, 1), date(2024, 12, 31))
    assert [tick.label for tick in year] == ["2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01"]
    assert (year[0].place, year[0].anchor, year[1].place) == ("0.00%", "start", "24.97%")
    week = charts.ticks(date(2024, 1, 5), date(2024, 1, 11))
    assert [tick.label[-2:] for tick in week] == ["05", "07", "09", "11"]
    assert (week[-1].place, week[-1].anchor) == ("97.14%", "end")


def test_a_chart_of_a_year_has_a_table_of_weeks() -> None:
    days = charts.rows(date(2024, 1, 1), 180)
    assert (len(days), days[0].label) == (180, "2024-06-28")
    weeks = charts.rows(date(2024, 1, 1), 365)
    assert (len(weeks), weeks[0].label) == (53, "2024-12-24 to 2024-12-30")
    assert sum(week.total([1] * 365) for week in weeks) == 365


def test_where_a_policy_stands_on_the_axis() -> None:
    first, last = date(2024, 1, 1), date(2024, 1, 10)
    assert charts.span(first, last, date(2024, 1, 3), date(2024, 1, 4)) == ("20.00%", "20.00%")
    assert charts.span(first, last, date(2023, 1, 1), date(2024, 1, 5)) == ("0.00%", "50.00%")


def test_no_name_leads_out_of_the_folder_or_to_another_ones_page() -> None:
    strange = [
        "example.org",
        "EXAMPLE.org",
        "example.org.",
        "../../etc/passwd",
        "",
        ".",
        "a" * 999,
        "\u202egro.elpmaxe",
        None,
    ]
    files = [names.domain_page(name) for name in strange]
    assert len(set(files)) == len(strange)
    assert all(re.fullmatch(r"domain-[a-z0-9._-]{4,120}\.html", file) for file in files)
    assert not any("/" in file or ".." in file for file in files)


def test_a_page_that_says_the_same_is_left_alone_and_former_ones_go(tmp_path: Path) -> None:
    site = tmp_path / "a" / "site"
    with open_folder(site) as folder:
        folder.put("index.html", '<meta name="generator" content="tlsrpt-ingest 1">')
        folder.put("report-1.html", "one")
        folder.put("report-2.html", "two")
        folder.finish()
        assert (folder.pages, folder.written, folder.removed) == (3, 3, 0)
    for name in ("robots.txt", "report-x.html", ".tlsrpt-ingest.tmp"):
        (site / name).write_text("not a page", encoding="utf-8")
    before = (site / "report-1.html").stat().st_ino
    with open_folder(site) as folder:
        folder.put("report-1.html", "one")
        folder.put("index.html", "other")
        folder.finish()
        assert (folder.pages, folder.written, folder.removed) == (2, 1, 1)
    assert (site / "report-1.html").stat().st_ino == before
    assert sorted(path.name for path in site.iterdir()) == [
        "index.html",
        "report-1.html",
        "report-x.html",
        "robots.txt",
    ]


@pytest.mark.parametrize(("folder", "page"), [(0o755, 0o644), (0o750, 0o640), (0o700, 0o600), (0o2770, 0o640)])
def test_who_may_look_into_the_folder_may_read_the_pages(tmp_path: Path, folder: int, page: int) -> None:
    site = tmp_path / "site"
    site.mkdir()
    site.chmod(folder)
    before = os.umask(0o077)
    try:
        with open_folder(site) as opened:
            opened.put("index.html", "x")
    finally:
        os.umask(before)
    assert (site / "index.html").stat().st_mode & 0o7777 == page


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>Welcome to nginx</h1>", encoding="utf-8")
    with pytest.raises(Misconfigured, match="did not write"), open_folder(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="cannot write the site"), open_folder(tmp_path / "file"):
        pass


def test_what_the_disk_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="name too long"), open_folder(tmp_path) as folder:
        folder.put("x" * 300, "")


def month(*, failing: tuple[int, ...] = (), mode: str = "enforce", days: int = 30) -> list[dict[str, object]]:
    return [
        builders.report(
            day,
            builders.policy(
                failures=[builders.failure(count=5, failure_reason_code="certificate has expired")]
                if day in failing
                else [],
                policy_string=["version: STSv1", f"mode: {mode}"],
            ),
            organization_name=f"Sender {sender}",
            report_id=f"{day} {sender}",
        )
        for day in range(days)
        for sender in (1, 2)
    ]


def written(engine: Engine, reports: list[dict[str, object]], path: Path, now: datetime = NOW) -> dict[str, str]:
    """The pages of these reports: the names without what makes them unique -> what a person reads."""
    record(engine, [delivery(0, report, item=at) for at, report in enumerate(reports)], moment("2024-01-20"))
    write_site(engine, path, 180, now)
    return {re.sub(r"-[0-9a-f]{16}", "", page.name): words(page.read_text(encoding="utf-8")) for page in path.iterdir()}


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html)))


def test_the_first_page_says_that_all_is_well(engine: Engine, tmp_path: Path) -> None:
    found = written(engine, month(), tmp_path / "site", TIMELY)
    assert "Nothing. No sender reports a failure of the last 7 days." in found["index.html"]
    assert "60 reports from 2 senders on 1 domain, the last of 2024-01-30 ." in found["index.html"]
    assert "no failures" in found["index.html"]
    assert "Everything that came in these days was read and is counted." in found["index.html"]
    assert "Written 2024-01-31 06:30 UTC" in found["index.html"]
    assert "It is in force, and well. Senders see mode enforce already" in found["domain-example.com.html"]


def test_a_new_failure_stands_first_with_what_to_do(engine: Engine, tmp_path: Path) -> None:
    record(engine, [rejected(900)], moment("2024-01-29"))
    found = written(engine, month(failing=(28, 29)), tmp_path / "site")
    index, domain = found["index.html"], found["domain-example.com.html"]
    assert "example.com : certificate-expired your side" in index
    assert "20 failed sessions within 7 days ( Sender 1 , Sender 2 ), last on 2024-01-30" in index
    assert "the gzip stream ends early" in index
    assert "1 delivery, of which nothing is counted" in index
    assert "The certificate of your mail server had expired. Mode enforce: mail was held back" in domain
    assert "openssl s_client -starttls smtp -connect mx1.example.com:25" in domain
    assert "certificate has expired" in domain
    report = next(text for name, text in found.items() if name.startswith("report-") and "certificate-expired" in text)
    assert "some-deviation at $.policies[0]" in report
    assert "tls-reports@reporter.example" in report
    assert "Vouched for by not looked at" in report


def test_an_old_failure_is_no_news(engine: Engine, tmp_path: Path) -> None:
    index = written(engine, month(failing=(10,)), tmp_path / "site", TIMELY)["index.html"]
    assert "Nothing. No sender" in index
    assert "well since 2024-01-12" in index


def test_where_nobody_reports_any_more_all_is_not_well(engine: Engine, tmp_path: Path) -> None:
    index = written(engine, month(), tmp_path / "site")["index.html"]
    assert "the last of 2024-01-30 . ○ 31 days ago" in index
    assert "No report for 31 days What follows was so on 2024-01-30 ; nobody says how it is now." in index
    assert "Nothing. No sender" not in index


def test_failures_without_a_reason_are_news(engine: Engine, tmp_path: Path) -> None:
    unexplained = builders.report(30, builders.policy("example.net", failed=3), report_id="30")
    index = written(engine, [*month(failing=(29,)), unexplained], tmp_path / "site", TIMELY)["index.html"]
    assert "example.com : certificate-expired" in index
    assert "example.net : failures without a reason 3 failed sessions within 7 days, last on 2024-01-31 ." in index
    assert "example.com : failures without" not in index


def test_a_changed_policy_and_a_silent_sender_are_news(engine: Engine, tmp_path: Path) -> None:
    silent = [
        builders.report(day, organization_name="Mail.ru", report_id=f"ru {day}", policies=[]) for day in range(10)
    ]
    changed = [*month(mode="testing", days=28), *month()[56:]]
    found = written(engine, [*silent, *changed], tmp_path / "site")
    assert "1 sender fell silent Mail.ru for 20 days." in found["index.html"]
    assert "the policy that senders see changed Since 2024-01-29 : mode testing became enforce." in found["index.html"]
    assert "Changed on 2024-01-29 : mode testing became enforce." in found["domain-example.com.html"]


def test_drift_is_told_where_posture_has_looked(engine: Engine, tmp_path: Path) -> None:
    site = tmp_path / "site"
    start = datetime.now(UTC).date() - timedelta(days=20)
    body = month(days=20)
    for at, report in enumerate(body):
        day = start + timedelta(days=at // 2)
        report["date-range"] = {
            "start-datetime": f"{day}T00:00:00Z",
            "end-datetime": f"{day}T23:59:59Z",
        }
    record(engine, [delivery(0, report, item=at) for at, report in enumerate(body)], moment("2024-01-20"))
    write_site(engine, site, 180, datetime.now(UTC))
    page = next(site.glob("domain-*"))
    assert "what is published" not in page.read_text(encoding="utf-8").replace("what is published (where", "")
    policy = "version: STSv1\nmode: testing\nmx: mx1.example.com\nmax_age: 604800\n"
    long_ago = moment("2024-01-01")
    published.remember(engine, {("example.com", published.STS_POLICY): policy}, long_ago)
    write_site(engine, site, 180, datetime.now(UTC))
    text = words(page.read_text(encoding="utf-8"))
    assert "Not what is published" in text
    assert "Sender 1 : sts" in text


def test_a_site_without_reports_says_so(engine: Engine, tmp_path: Path) -> None:
    found = written(engine, [], tmp_path / "site")
    assert list(found) == ["index.html"]
    assert "There are no reports yet." in found["index.html"]


def test_ten_domains_over_half_a_year_stay_below_a_mib(engine: Engine, tmp_path: Path) -> None:
    types = ("certificate-expired", "validation-failure", "sts-policy-fetch-error", "starttls-not-supported")
    reports = []
    for day in range(180):
        for at in range(2):
            policies = [
                builders.policy(
                    f"domain{number}.example",
                    successful=1_000 + 37 * day % 500,
                    failures=[builders.failure(kind, 3 + day % 7) for kind in types[: 4 if (day + number) % 2 else 1]],
                )
                for number in range(10)
            ]
            reports.append(builders.report(day, *policies, organization_name=f"Sender {at}", report_id=f"{day} {at}"))
    site = tmp_path / "site"
    written(engine, reports, site)
    sizes = {path.name: path.stat().st_size for path in site.iterdir()}
    assert len([name for name in sizes if name.startswith("domain-")]) == 10
    assert any(name.startswith("report-") for name in sizes)
    assert max(sizes.values()) < 200_000
    assert sum(sizes.values()) < MIB


def test_a_template_that_forgets_to_shorten_still_shows_what_cannot_be_seen() -> None:
    template = pages._environment().from_string("<p title='{{ text }}'>{{ text }}</p>")  # noqa: SLF001 - a careless one
    assert template.render(text="\u202e<b>\x1b'") == r"<p title='\u202e&lt;b&gt;\x1b&#39;'>\u202e&lt;b&gt;\x1b&#39;</p>"
    with pytest.raises(UndefinedError):
        pages._environment().from_string("{{ missing }}").render()  # noqa: SLF001 - as above
