"""No document makes a report larger than the named limits, nor costs more than they say (RFC8460-7-untrusted)."""

import json
import pickle
import tracemalloc
from typing import Any

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460 import NotAReport, SeveralReports, UnreadableReport, read


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a small test reaches."""
    for name, value in {"POLICIES": 3, "FAILURE_DETAILS": 4, "STRINGS": 5, "DEVIATIONS": 6}.items():
        monkeypatch.setattr(limits, name, value)


def deviations(document: bytes) -> list[tuple[str, str]]:
    return [(deviation.code, deviation.path) for deviation in read(document).deviations]


@pytest.mark.usefixtures("small")
def test_arrays_are_cut() -> None:
    details = [builders.failure(count=number) for number in range(3)]
    policies = [builders.policy(failures=details, policy_string=["x"] * 6) for _ in range(4)]
    document = builders.document(builders.report(0, *policies))
    report = read(document).report
    assert [len(entry.failure_details) for entry in report.policies] == [3, 1, 0]
    assert [len(entry.policy.policy_string) for entry in report.policies] == [5, 5, 5]
    assert deviations(document) == [
        ("policies-cut", "$.policies"),
        ("strings-cut", "$.policies[0].policy.policy-string"),
        ("strings-cut", "$.policies[1].policy.policy-string"),
        ("failure-details-cut", "$.policies[1].failure-details[1]"),
        ("strings-cut", "$.policies[2].policy.policy-string"),
        ("more-deviations", "$"),
    ]


@pytest.mark.usefixtures("small")
def test_the_last_deviation_says_that_there_were_more() -> None:
    mail = builders.report(0, builders.policy(mx_host=["A.example"] * 5, policy_type="STS", policy_domain="A.example"))
    assert [code for code, _path in deviations(builders.document(mail))] == ["upper-case"] * 5 + ["more-deviations"]


def test_a_text_is_cut_at_its_bound() -> None:
    detail = builders.failure(
        receiving_mx_helo="h" * 70_000, receiving_ip="9" * 2_000, failure_reason_code="r" * 65_535
    )
    reading = read(builders.document(builders.report(0, builders.policy(failures=[detail]), report_id="i" * 1_001)))
    [found] = reading.report.policies[0].failure_details
    assert found.receiving_mx_helo == "h" * limits.TEXT
    assert found.receiving_ip == "9" * limits.NAME
    assert found.failure_reason_code == "r" * 65_535
    assert reading.report.report_id == "i" * limits.NAME
    assert [deviation.code for deviation in reading.deviations] == ["text-cut"] * 3


def test_unknown_members_are_kept_up_to_their_bound() -> None:
    body = builders.report(0) | {"first": "x" * 60_000, "large": "y" * 60_000, "last": {"deep": [[["z"]]]}}
    reading = read(builders.document(body))
    assert reading.report.unknown_members == {"first": "x" * 60_000, "last": {"deep": [[["z"]]]}}
    assert [(found.code, found.path) for found in reading.deviations] == [("unknown-member-cut", "$.large")]


def test_a_strangers_member_name_is_quoted_in_the_path() -> None:
    name = "\x1b[31m\u202e" + "x" * 500
    [(code, path)] = deviations(builders.document(builders.report(0) | {name: float("nan")}))
    assert code == "not-finite"
    assert path == "$['\\x1b[31m\\u202e" + "x" * 26 + "']"


@pytest.mark.parametrize("depth", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_deep_nesting_is_refused_or_left_out(depth: int, brackets: str) -> None:
    nest = brackets[:-1] * depth + "1" + brackets[-1] * depth
    document = builders.document(builders.report(0) | {"x": "@"}).replace(b'"@"', nest.encode())
    try:
        reading = read(document)
    except UnreadableReport as refusal:
        code = refusal.code
    else:
        code = reading.deviations[0].code
        assert reading.report.unknown_members == {}
    assert code == ("unknown-member-cut" if depth == 100 else "too-deep" if depth == 10_000 else "too-large")


def test_a_nul_that_a_broken_line_hides_is_found() -> None:
    pad = "x" * 950
    document = builders.document(builders.report(0, report_id="@")).replace(b"@", f"{pad}\\u00\r\n 00".encode())
    reading = read(document)
    assert reading.report.report_id == f"{pad}\ufffd"
    assert {deviation.code for deviation in reading.deviations} >= {"line-broken", "nul"}


def test_one_long_line_that_is_no_json_is_looked_at_once() -> None:
    # Not timed: whoever looked for a broken line from each octet on would not come to an end.
    with pytest.raises(UnreadableReport, match="no JSON from octet 20000015 on"):
        read(b'{"report-id":"' + b"x" * 20_000_000 + b'"]')
    with pytest.raises(UnreadableReport, match="no JSON from octet 1 on"):
        read(b"{" + b"x" * 20_000_000)


def test_a_flood_of_objects_is_refused_before_it_is_parsed() -> None:
    document = b'{"report-id":"1","policies":[' + b"{}," * 1_000_000 + b"{}]}"
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableReport, match="more than 500000 objects and arrays"):
            read(document)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(document)
    finally:
        tracemalloc.stop()


def test_a_document_holds_only_so_many_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPORTS_OF_A_DOCUMENT", 3)
    one = builders.document()
    with pytest.raises(SeveralReports) as several:
        read(b"\n".join([one] * 3))
    assert several.value.documents == (one, one, one)
    with pytest.raises(UnreadableReport, match="more than 3 reports") as refusal:
        read(b"\n".join([one] * 4))
    assert not isinstance(refusal.value, SeveralReports)


@pytest.mark.parametrize(
    ("document", "kind", "reason"),
    [
        (b"", UnreadableReport, "the document is empty"),
        (b"<feedback/>", NotAReport, "the document is XML, as DMARC reports are, and no TLS report"),
        (b"[]", NotAReport, "the document is JSON with no member of a TLS report (RFC 8460 section 4.4)"),
        (b'{"report-id": "1", ', UnreadableReport, "the document breaks off at octet 18"),
        ('{"x": "ü", y}'.encode(), UnreadableReport, None),
    ],
)
def test_a_refusal_says_what_is_the_matter(document: bytes, kind: type[UnreadableReport], reason: str | None) -> None:
    with pytest.raises(kind) as refusal:
        read(document)
    assert type(refusal.value) is kind
    assert str(refusal.value).startswith(reason or "the document is no JSON from octet 12 on: ")
    again = pickle.loads(pickle.dumps(refusal.value))  # noqa: S301 - as a worker process hands it back
    assert (type(again), again.stage, again.code, str(again)) == (
        kind,
        "document",
        refusal.value.code,
        str(refusal.value),
    )


def test_several_reports_are_slices_of_the_document_and_tell_how_it_was_written() -> None:
    first, second = builders.document(builders.report(1)), builders.document(builders.report(2))
    with pytest.raises(SeveralReports) as several:
        read((b"[" + first + b" , 7, " + second + b"]").decode().encode("utf-16"))
    assert several.value.documents == (first, second)
    assert [deviation.code for deviation in several.value.deviations] == ["utf-16"]
    again = pickle.loads(pickle.dumps(several.value))  # noqa: S301 - as a worker process hands it back
    assert (again.documents, again.deviations) == (several.value.documents, several.value.deviations)


def test_a_broken_report_behind_a_whole_one_costs_it_nothing() -> None:
    whole = builders.document()
    with pytest.raises(SeveralReports) as several:
        read(whole + b"\n" + whole[:-30])
    assert read(several.value.documents[0]).deviations == ()
    with pytest.raises(UnreadableReport, match="breaks off"):
        read(several.value.documents[1])


def test_of_broken_lines_no_several_reports_come_twice() -> None:
    """Joining what a relay broke must not find several reports in one of several: callers read them one by one."""
    whole = builders.document().decode()
    padded = json.dumps(builders.report(0) | {"x": "p" * 900, "y": [1, 2]}, separators=(",", ":"))
    broken = padded.replace("tal-suc", "tal\r\n -suc") + padded.replace('"y":[1', '"y":[tr\r\n ue,1')
    with pytest.raises(SeveralReports) as several:
        read((whole + broken + whole).encode())
    for document in several.value.documents:
        try:
            read(document)
        except UnreadableReport as refusal:
            assert not isinstance(refusal, SeveralReports)  # noqa: PT017 - a report is as good


def test_strict_models_take_nothing_that_needs_a_repair() -> None:
    """The models by themselves are strict: no bool, text or float for a count, no epoch for a date."""
    from pydantic import ValidationError  # noqa: PLC0415 - only here

    from tlsrpt_ingest.rfc8460 import DateRange, Summary  # noqa: PLC0415 - only here

    for value in (True, "5", 1.0, -1, 2**63):
        with pytest.raises(ValidationError):
            Summary(total_failure_session_count=value)  # type: ignore[arg-type]  # what is to be refused
    wrong: list[Any] = [1709596800, "1709596800", "2024-03-05T00:00:00"]
    for date in wrong:
        with pytest.raises(ValidationError):
            DateRange(start_datetime=date, end_datetime=date)
