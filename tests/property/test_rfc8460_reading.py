"""Whatever the octets, `read` gives a report within every bound or one of its three refusals."""

import json
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460 import (
    CODES,
    Hints,
    Reading,
    SeveralReports,
    UnreadableReport,
    read,
    read_filename,
    read_subject,
)

SPELLINGS = """
STS|Bücher.Example.|ß.de|a. .|İİ.example|42|-1|[]|["a\\u0000"]|["\\\\ud800"]|[a, b]|{|mx: x |mx: mx: |a\r|a \r|\r
2024-01-01|2024-01-01T24:00:00Z|1970-01-01T00:00:00Z|2100-01-01T00:00:00Z|1990-01-01T00:00:00Z|1704067200
0001-01-01T00:00:00+14:00|Mon, 01 Jan 2024 00:00:00 +0000|20240101T000000|2024-01-01 00:00:60|<a@b>|mailto:
mailto:mailto:a|x <mailto:a@b>|sts-policy-invalid:|sts-policy-invalid:a:b|a_example.org|Certificate-Expired
"""
texts = st.sampled_from(re.split("[|\n]", SPELLINGS)) | st.one_of(
    st.text(max_size=30),
    st.sampled_from([" ", "a\0b", "\ud800", "x" * 1001, "İ" * 1000, "[" * 2000, "x" * 70_000]),
)
numbers = (
    st.integers() | st.floats() | st.sampled_from([2**63 - 1, 2**63, -(2**63), 10**64, 1.5, 3.0, 1e300, 1704067200])
)
scalars = st.none() | st.booleans() | numbers | texts
values = scalars | st.recursive(
    scalars, lambda some: st.lists(some, max_size=4) | st.dictionaries(texts, some, max_size=4), max_leaves=8
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a JSON value."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        yield from places(inner, (*path, step))


BODY = builders.report(
    0,
    builders.policy("example.com", failures=[builders.failure(), builders.failure(receiving_mx_helo="mx")]),
    builders.policy("mx.example.com", "tlsa"),
)
PLACES = [path for path in places(BODY) if path]
OTHER_NAMES = """
policy policy_domain policy-domain organization_name mx-host-pattern session-count model_config date_range __class__
additional-info-uri failure-error-code success-aggregate failure_details x-other
"""


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A report of the real shape with a few values replaced, left out, repeated or added."""
    body = json.loads(json.dumps(BODY))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(PLACES))
        inner = body
        try:
            for step in path[:-1]:
                inner = inner[step]
            match draw(st.sampled_from(["replace", "remove", "add"])):
                case "replace":
                    inner[path[-1]] = draw(values)
                case "remove":
                    del inner[path[-1]]
                case "add":
                    inner[draw(st.sampled_from(OTHER_NAMES.split()))] = draw(values)
        except (KeyError, IndexError, TypeError):
            continue
    return body


hints = st.builds(
    Hints,
    report_domain=st.none() | texts | st.just("example.org"),
    submitter=st.none() | texts | st.just("sender.example"),
    subject=st.none() | texts | st.just("Report Domain: a.example Submitter: b.example Report-ID: <1@b.example>"),
    filename=st.none() | texts | st.just("b.example!a.example!1704067200!1704153599!001.json.gz"),
)


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner)


def assert_sound(reading: Reading) -> None:
    report = reading.report
    for date in (report.date_range.start_datetime, report.date_range.end_datetime):
        assert date.utcoffset() == timedelta(0)
        assert limits.EARLIEST <= date.astimezone(UTC) <= limits.LATEST
    assert report.date_range.start_datetime <= report.date_range.end_datetime
    assert report.report_id
    for text in strings(report.model_dump()):
        assert len(text) <= limits.TEXT
        assert not re.search("[\0\ud800-\udfff]", text)
    for entry in report.policies:
        assert entry.policy.policy_type == entry.policy.policy_type.lower().strip(" \t\r\n")
        if domain := entry.policy.policy_domain:
            assert domain == domain.lower()
            assert not domain.endswith(".")
            assert len(domain) <= limits.NAME
        counts = [detail.failed_session_count for detail in entry.failure_details]
        counts += [entry.summary.total_successful_session_count, entry.summary.total_failure_session_count]
        assert all(type(count) is int and 0 <= count <= limits.COUNT for count in counts)
    assert len(reading.deviations) <= limits.DEVIATIONS
    assert all(deviation.code in CODES and deviation.path.startswith("$") for deviation in reading.deviations)
    assert all(deviation.path.isprintable() and len(deviation.path) < 1000 for deviation in reading.deviations)
    if any(deviation.code.startswith("report-id-from-") for deviation in reading.deviations):
        return  # read again, the stand-in would be taken for the sender's own, whose tail may name the domain
    again = read(report.model_dump_json(by_alias=True).encode())
    assert again.report == report
    # A domain that nothing told stays absent, and a result that nobody named stays "unknown": nothing left to repair.
    assert again.deviations == ()


def outcome(document: bytes, around: Hints) -> Reading | UnreadableReport:
    try:
        return read(document, around)
    except UnreadableReport as refused:
        return refused


def read_or_refuse(document: bytes, around: Hints = Hints()) -> None:  # noqa: B008 - frozen
    found = outcome(document, around)
    if isinstance(found, Reading):
        assert_sound(found)
        return
    assert str(found).isprintable()
    assert found.stage == "document"
    assert found.code != "invalid", "the repairs left something that the model refuses"
    assert str(pickle.loads(pickle.dumps(found))) == str(found)  # noqa: S301 - what a worker process sends back
    if isinstance(found, SeveralReports):
        assert len(found.documents) > 1
        for one in found.documents:
            inner = outcome(one, around)
            assert not isinstance(inner, SeveralReports)
            if isinstance(inner, Reading):
                assert_sound(inner)


@given(st.binary(max_size=200), hints)
@settings(max_examples=300, deadline=None)
def test_any_octets(document: bytes, around: Hints) -> None:
    read_or_refuse(document, around)


@given(values, hints)
@settings(max_examples=200, deadline=None)
def test_any_json(value: Any, around: Hints) -> None:
    read_or_refuse(json.dumps(value).encode(), around)


@given(mutated(), hints, st.booleans())
@settings(max_examples=1000, deadline=None)
def test_a_report_with_anything_in_the_place_of_anything(body: Any, around: Hints, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis names it
    read_or_refuse(json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"), around)


@given(st.lists(mutated(), min_size=2, max_size=3), st.sampled_from(["", "\n", "\x1e", " , ", "]", "{", "\r\n x"]))
@settings(max_examples=100, deadline=None)
def test_reports_one_after_the_other(bodies: list[Any], between: str) -> None:
    read_or_refuse(between.join(json.dumps(body) for body in bodies).encode())
    read_or_refuse(json.dumps(bodies).encode())


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_report_with_octets_changed(data: st.DataObject) -> None:
    document = bytearray(builders.document(BODY))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(document)))
        end = data.draw(st.integers(begin, min(len(document), begin + 3)))
        document[begin:end] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"\r\n ", b"\\u0000", b"\\ud800", b"\0"])
        )
    read_or_refuse(bytes(document))
    read_or_refuse(bytes(document[: data.draw(st.integers(0, len(document)))]))


@given(texts | st.text())
@settings(max_examples=200, deadline=None)
def test_any_subject_and_any_file_name(text: str) -> None:
    for found in (read_subject(f"Report Domain: {text} Submitter: {text} Report-ID: {text}"), read_subject(text)):
        for part in (found.domain, found.submitter, found.report_id):
            assert part is None or (part and len(part) <= limits.NAME and "\0" not in part)
    for name in (read_filename(text), read_filename(f"{text}!{text}!{text}!{text}!{text}.json.gz")):
        assert name.begin is None or limits.EARLIEST <= name.begin <= limits.LATEST
