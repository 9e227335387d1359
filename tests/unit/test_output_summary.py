"""`summary` and `ledger`: what a person reads at seven in the morning, and what a script reads."""

import io
import json
import unicodedata
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output import ledger, summary
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.store.ask import DaySessions, DomainTotal, Failures, LedgerRow, SenderTotal, Totals

NASTY = "\x1b[2J\u202e\r\n\x9b\u200b[red]"

TOTALS = Totals(
    domains=(
        DomainTotal(
            "example.org",
            successful=12345,
            failed=12,
            failures=(
                Failures("certificate-expired", "Google Inc.", 10),
                Failures("certificate-expired", "Microsoft Corporation", 1),
                Failures("sts-policy-fetch-error", None, 1),
            ),
        ),
        DomainTotal("example.com", successful=80, failed=0, failures=()),
        DomainTotal(None, successful=0, failed=2, failures=()),
    ),
    senders=(
        SenderTotal("Google Inc.", 30, datetime(2024, 1, 30)),  # noqa: DTZ001 - naive UTC, as the store has it
        SenderTotal("Microsoft Corporation", 11, datetime(2024, 1, 12)),  # noqa: DTZ001 - as above
        SenderTotal(None, 1, datetime(2024, 1, 14)),  # noqa: DTZ001 - as above
    ),
    reports=42,
    conflicting=1,
    rejected=2,
    first_day=date(2024, 1, 1),
    last_day=date(2024, 1, 30),
)

ROW = LedgerRow(
    pk=7,
    first_at=datetime(2024, 1, 2, 6, 0),  # noqa: DTZ001 - as above
    last_at=datetime(2024, 1, 3, 6, 1, 2),  # noqa: DTZ001 - as above
    origin="file:///srv/mail/2024.mbox#1234",
    part=0,
    outcome=Outcome.REJECTED,
    stage="inflate",
    code="truncated-gzip",
    reason="the gzip stream ends before the document does",
    attempts=3,
    size=1000,
    digest=b"\xcd" * 32,
    message_id="<1@example.net>",
    sender="tlsrpt@example.net",
    subject="Report Domain: example.org",
    submitter=None,
    report_pk=None,
    organization_name=None,
    report_id=None,
)


def shown(totals: Totals, width: int = 80) -> str:
    stream = io.StringIO()
    summary.render(open_console(stream, width=width), totals)
    return stream.getvalue()


def listed(*rows: LedgerRow) -> str:
    stream = io.StringIO()
    ledger.render(open_console(stream), rows)
    return stream.getvalue()


def test_the_summary_as_cron_mails_it() -> None:
    assert shown(TOTALS).splitlines() == [
        "2024-01-01 to 2024-01-30 (UTC): 42 reports from 3 senders",
        "",
        "Domain             Sessions  Succeeded  Failed   Rate",
        "example.org          12,357     12,345      12  0.1 %",
        "(no domain named)         2          0       2  100 %",
        "example.com              80         80       0    0 %",
        "",
        "Failures to example.org",
        "  11 x certificate-expired (Google Inc. 10, Microsoft Corporation 1)",
        "    The certificate of your mail server had expired. (your side)",
        "  1 x sts-policy-fetch-error ((no name) 1)",
        "    The sender could not fetch your MTA-STS policy. (your side)",
        "",
        "Failures to (no domain named)",
        "  The senders do not say what failed.",
        "",
        "Sender                 Reports  Last report",
        "Google Inc.                 30  2024-01-30",
        "Microsoft Corporation       11  2024-01-12, silent for 18 days",
        "(no name)                    1  2024-01-14",
        "",
        "1 report not counted, for one of the same identity says otherwise:",
        "  tlsrpt-ingest ledger --outcome conflicting",
        "2 deliveries could not be read:",
        "  tlsrpt-ingest ledger --outcome rejected",
    ]


def daily(*failed: int) -> Totals:
    """The totals with 100 sessions on each day, of which so many failed."""
    start = date(2024, 1, 31) - timedelta(days=len(failed))
    days = tuple(DaySessions(start + timedelta(days=at), 100 - count, count) for at, count in enumerate(failed))
    return replace(TOTALS, domains=(replace(TOTALS.domains[0], days=days),), first_day=start)


def on_a_terminal(totals: Totals, width: int, encoding: str = "utf-8") -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = open_console(stream, width=width)
    console._force_terminal = True  # noqa: SLF001 - what else makes a terminal of a buffer is TERM of this very process
    console._color_system = None  # noqa: SLF001 - words without colours are easier to compare
    summary.render(console, totals)
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(encoding).splitlines()


def test_words_say_what_changed() -> None:
    lines = shown(daily(*[0] * 7, *[0] * 5, 5, 1)).splitlines()
    assert lines[1] == "The last 7 days: 700 sessions, 6 failed (0.9 %); the 7 before: 700 sessions,"
    assert lines[2] == "none failed"
    assert "Failures to example.org on 2 of 14 days, the last on 2024-01-30" in lines
    assert "The last 7 days" not in shown(daily(*[0] * 13))


def test_sparklines_are_for_terminals() -> None:
    totals = daily(*[0] * 10, 5, 0, 1, 0)
    lines = on_a_terminal(totals, 100)
    assert lines[3].rstrip().endswith("Day by day")
    assert lines[4].rstrip().endswith("0.1 %  ██████████████")
    assert lines[5].rstrip().endswith("█ ▂")
    for words in (shown(totals, 100).splitlines(), on_a_terminal(totals, 70), on_a_terminal(totals, 100, "ascii")):
        assert "Day by day" not in "".join(words)
        assert "".join(words).isascii()


@pytest.mark.parametrize(
    ("numbers", "columns", "drawn"),
    [
        ([], 10, ""),
        ([0, 0], 10, "  "),
        ([1, 2, 4, 8], 10, "▁▂▄█"),
        ([1, 10**12], 10, "▁█"),
        ([1, 1, 1, 1, 1], 2, "▆█"),
        ([9, 0, 0, 0, 0, 0, 1], 3, "█ ▁"),
    ],
)
def test_a_sparkline(numbers: list[int], columns: int, drawn: str) -> None:
    assert summary.sparkline(numbers, columns) == drawn


def test_a_day_without_trouble() -> None:
    good = replace(TOTALS, domains=TOTALS.domains[1:2], conflicting=0, rejected=0, first_day=date(2024, 1, 30))
    text = shown(good)
    assert text.startswith("2024-01-30 (UTC): 42 reports")
    assert "No failures." in text
    assert "ledger" not in text


def test_an_empty_database_says_what_to_do() -> None:
    empty = Totals((), (), 0, 0, 0, None, None)
    assert shown(empty) == "No reports. Read some with: tlsrpt-ingest backfill PATH\n"
    stream = io.StringIO()
    summary.render(open_console(stream), empty, chosen=True)
    assert "No reports of these days and this domain." in stream.getvalue()
    assert "backfill" not in stream.getvalue()
    assert "could not be read" in shown(replace(empty, rejected=1))


def test_a_small_domain_that_fails_is_not_hidden_behind_large_ones() -> None:
    large = tuple(DomainTotal(f"d{n}.example", 10_000, 0, ()) for n in range(50))
    text = shown(replace(TOTALS, domains=(*large, DomainTotal("small.example", 1, 1, ()))))
    assert "small.example" in text.splitlines()[3]


def test_the_lines_of_days_leave_room_for_the_domains_that_are_shown() -> None:
    days = tuple(DaySessions(date(2024, 1, day), 9, 1) for day in range(1, 31))
    large = tuple(DomainTotal(f"d{n}.example", 10_000, 0, (), days) for n in range(10))
    small = DomainTotal(f"{'long' * 12}.example", 1, 1, (), days)
    lines = on_a_terminal(replace(TOTALS, domains=(*large, small)), 110)
    assert any(line.startswith(f"{small.policy_domain} ") for line in lines)
    assert not any("Day by day" in line for line in lines)


def test_one_more_is_one_more() -> None:
    domains = tuple(DomainTotal(f"d{n}.example", 10, 0, ()) for n in range(11))
    assert "  and 1 more domain: see them all with --json" in shown(replace(TOTALS, domains=domains)).splitlines()


def test_a_screenful_however_much_there_is() -> None:
    failures = tuple(Failures(f"type-{kind}", f"Sender {n}", 5) for kind in range(9) for n in range(50))
    many = replace(
        TOTALS,
        domains=tuple(DomainTotal(f"d{n}.example", 10, 1, failures if n < 2 else ()) for n in range(500)),
        senders=tuple(SenderTotal(f"Sender {n}", 1, datetime(2024, 1, 30)) for n in range(500)),  # noqa: DTZ001 - as above
    )
    lines = shown(many).splitlines()
    assert len(lines) < 70
    assert max(map(len, lines)) <= 80
    assert any("and 490 more domains" in line for line in lines)
    assert any("and 492 more senders" in line for line in lines)
    assert any("and 495 more domains with failures" in line for line in lines)
    assert any("and 6 more kinds of failure" in line for line in lines)
    assert any("and 47 more" in line for line in lines)


@pytest.mark.parametrize(
    ("failed", "sessions", "text"),
    [
        (0, 0, "0 %"),
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (1, 10**6, "<0.1 %"),
        (1, 3, "33.3 %"),
        (10**6 - 1, 10**6, ">99.9 %"),
    ],
)
def test_rates_are_not_rounded_to_none_or_all(failed: int, sessions: int, text: str) -> None:
    assert summary.rate(failed, sessions) == text


def test_the_json_of_a_summary() -> None:
    shape = summary.as_json(TOTALS)
    assert json.loads(json_text(shape)) == shape
    assert shape["first_day"] == "2024-01-01"
    assert (shape["reports"], shape["conflicting"], shape["rejected"]) == (42, 1, 2)
    assert summary.as_json(daily(0, 3))["days"] == [
        {"day": "2024-01-29", "successful": 100, "failed": 0},
        {"day": "2024-01-30", "successful": 97, "failed": 3},
    ]
    assert summary.as_json(daily(3))["domains"][0]["days"] == [{"day": "2024-01-30", "successful": 97, "failed": 3}]
    domain = shape["domains"][0]
    assert (domain["policy_domain"], domain["successful"], domain["failed"]) == ("example.org", 12345, 12)
    assert domain["failures"][0] == {
        "result_type": "certificate-expired",
        "organization_name": "Google Inc.",
        "sessions": 10,
        "what": "The certificate of your mail server had expired.",
        "side": "yours",
    }
    assert shape["senders"][0] == {
        "organization_name": "Google Inc.",
        "reports": 30,
        "latest": "2024-01-30T00:00:00Z",
    }


def test_the_ledger() -> None:
    recorded = replace(
        ROW, outcome=Outcome.RECORDED, stage=None, code=None, reason=None, attempts=1, part=1, report_pk=3
    )
    recorded = replace(recorded, organization_name="Google Inc.", report_id="2024-01-01_example.org")
    other = replace(ROW, outcome=Outcome.NOT_A_REPORT, stage=None, code=None, reason=None)
    assert listed(ROW, recorded, other).splitlines() == [
        "2024-01-03 06:01  rejected        file:///srv/mail/2024.mbox#1234",
        "                  the gzip stream ends before the document does [inflate:",
        "                  truncated-gzip; tried 3 times]",
        "                  From tlsrpt@example.net: Report Domain: example.org",
        "2024-01-03 06:01  recorded        file:///srv/mail/2024.mbox#1234 part 2",
        "                  Google Inc.  2024-01-01_example.org",
        "2024-01-03 06:01  not a report    file:///srv/mail/2024.mbox#1234",
        "                  From tlsrpt@example.net: Report Domain: example.org",
    ]
    assert listed() == "The ledger has no such delivery.\n"


def test_the_ledger_streams() -> None:
    stream = io.StringIO()
    seen = []

    def rows() -> object:
        for _ in range(2):
            seen.append(stream.getvalue().count("2024.mbox"))
            yield ROW

    ledger.render(open_console(stream), rows())  # type: ignore[arg-type] # a generator of rows
    assert seen == [0, 1]


def test_the_json_of_the_ledger_is_one_line() -> None:
    written = json_text(ledger.as_json(replace(ROW, subject=NASTY)), indent=None)
    assert "\n" not in written
    shape = json.loads(written)
    assert set(shape) == set(LedgerRow.__dataclass_fields__)
    assert shape["subject"] == NASTY
    assert (shape["outcome"], shape["last_at"], shape["digest"]) == ("rejected", "2024-01-03T06:01:02Z", "cd" * 32)


def test_nothing_that_a_stranger_wrote_acts_on_the_terminal() -> None:
    totals = replace(
        TOTALS,
        domains=(DomainTotal(NASTY, 1, 1, (Failures(NASTY, NASTY, 1),)),),
        senders=(SenderTotal(NASTY, 1, datetime(2024, 1, 30)),),  # noqa: DTZ001 - as above
    )
    row = replace(ROW, origin=NASTY, reason=NASTY, sender=NASTY, subject=NASTY)
    recorded = replace(row, outcome=Outcome.RECORDED, organization_name=NASTY, report_id=NASTY)
    text = shown(totals) + listed(row, recorded)
    assert {one for one in text if unicodedata.category(one)[0] in "CZ"} == {" ", "\n"}
    assert text.count(r"\x1b[2J") >= 8


def test_the_summary_says_what_did_not_count_and_why() -> None:
    totals = replace(TOTALS, refused={Outcome.UNAUTHENTICATED: 1, Outcome.FOREIGN: 2_000})
    said = " ".join(shown(totals).split())
    assert "1 report not counted, with nobody to vouch: tlsrpt-ingest ledger --outcome unauthenticated" in said
    assert "2,000 reports not counted, about others' domains: tlsrpt-ingest ledger --outcome foreign" in said
    shape = summary.as_json(totals)
    assert (shape["unauthenticated"], shape["foreign"]) == (1, 2_000)
