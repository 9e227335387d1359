"""Where the fast way through a document has an answer, it is the complete way's, deviations included."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.rfc8460 import Hints, UnreadableReport
from tlsrpt_ingest.rfc8460.ordinary import read_ordinary
from tlsrpt_ingest.rfc8460.reading import Reading, read, read_completely

HINTS = Hints("header.example", "submitter.example", "Report Domain: subject.example Report-ID: <a@b>", "a!b!1!2.json")

BODY = builders.report(
    0,
    builders.policy("example.com", failures=[builders.failure(), builders.failure(receiving_mx_helo="mx 1")]),
    builders.policy("*.mx.example.com", "tlsa", failures=[builders.failure("dane-required", 3)]),
    builders.policy("example.net", "no-policy-found"),
    builders.policy("example.net", "tlsa", policy_string=[json.dumps(["3 1 1 AB", "2 0 1 CD"])]),
)

FRAGMENTS = [
    *(b'"', b'""', b'\\"', b"\\", b"\\\\", b"\\u0000", b"\\ud800", b"\\/", b"\\n", b"\0", b"\r", b"\n", b" ", b"\t"),
    *(b",", b":", b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true", b"NaN", b"0", b"-1", b"1.0", b"1e3", b"-0"),
    *(b"A", b".", b"*", b"@", b"<", b">", b"mailto:", b"mx: ", b'["', b'"[', b"\xff", b"\xc3\xa9", b"\xe2\x80\x83"),
    *(b"24:00:00", b":60Z", b"+02:00", b"z", b"99999999999999999999", b'"null"', b'"a":"b",', b'"x":null,', b'"":1,'),
    *(b'"report-id":"other",', b'"policies":[],', b'"report_id":"r",', b'"result-type":null,', b'"policy-domain":"b",'),
]

ODD_VALUES: list[Any] = [
    *(
        None,
        "",
        " ",
        "A",
        "a ",
        " a",
        "a.",
        ".",
        "[",
        '["a"]',
        " [",
        "null",
        'a"b',
        "a\\b",
        "a\nb",
        "\u00e9",
        "\ud800",
        "a\0",
        "a\r",
        "a\t",
    ),
    *(
        "mailto:a@b",
        "Mailto:a@b",
        "A <a@b>",
        "<a@b>",
        "a@b <",
        "mx: a",
        "a..b",
        "xn--a.b",
        "bücher.example",
        ["a \n", "b"],
    ),
    *("x" * limits.NAME, "x" * (limits.NAME + 1), "\U0001f4e7" * limits.NAME, "y" * (limits.TEXT + 1)),
    *(
        0,
        1,
        -1,
        1.0,
        2**63 - 1,
        2**63,
        True,
        [],
        [""],
        ["a "],
        ["a", " "],
        ["["],
        ["mx: a"],
        [None],
        {},
        {"a": 1},
        [{}],
    ),
    *("2024-01-01T00:00:00Z", "2024-01-01T24:00:00Z", "1980-01-01T00:00:00Z", "2024-01-01 00:00:00Z", "1704067200"),
    *(
        "2024-02-30T00:00:00Z",
        "2023-01-01T00:00:00+00:00",
        "2100-01-01T00:00:00Z",
        "sts-policy-invalid:a",
        "mailto:a@b",
    ),
]

STYLES: list[dict[str, Any]] = [
    {"separators": (",", ":")},
    {},
    {"indent": 2},
    {"indent": "\t", "sort_keys": True},
    {"ensure_ascii": False, "separators": (" , ", " : ")},
]


def documents_agree(document: bytes) -> bool:
    """Whether the fast way had an answer; fails where it is another than the complete way's."""
    fast = read_ordinary(document)
    if fast is None:
        return False
    complete = read_completely(document, HINTS)
    assert Reading(*fast) == complete
    assert Reading(*fast).report == complete.report
    return True


def agree_or_both_refuse(document: bytes) -> None:
    try:
        documents_agree(document)
    except UnreadableReport as refusal:
        raise AssertionError("the fast way reads what the complete way refuses") from refusal


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in pairs for place in places(inner, (*path, key)))]


PLACES = places(BODY)[1:]


def text(body: Any, style: dict[str, Any]) -> bytes:
    return json.dumps(body, **style).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("style", STYLES)
def test_ordinary_documents_take_the_fast_way(style: dict[str, Any]) -> None:
    assert documents_agree(text(BODY, style))
    assert documents_agree(text(BODY, style) + b"\r\n")
    assert documents_agree(text(builders.report(contact_info=builders.ABSENT), style))
    assert documents_agree(text(builders.report(contact_info=None), style))
    assert documents_agree(text(builders.report(0), style))
    quoted = builders.failure(failure_reason_code='Get "https://mta-sts.example/": deadline exceeded')
    assert documents_agree(text(builders.report(0, builders.policy(failures=[quoted])), style))


def test_the_way_in_gives_both_the_same() -> None:
    document = text(BODY, {})
    assert read(document, HINTS) == read_completely(document, HINTS)
    assert read(b" " + document, HINTS) == read(document, HINTS)


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at a place, or without the place where the value is ABSENT."""
    if not path:
        return value
    found = copy.copy(body)
    if len(path) == 1 and value is builders.ABSENT:
        del found[path[0]]
    else:
        found[path[0]] = changed(found[path[0]], path[1:], value)
    return found


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_each_member_with_each_odd_value(place: tuple[Any, ...]) -> None:
    for value in [builders.ABSENT, *ODD_VALUES]:
        agree_or_both_refuse(text(changed(BODY, place, value), STYLES[0]))


OTHER_NAMES = """
organization_name date_range report_id policy_type policy_domain mx_host mx-host-pattern success-aggregate
total_failure_session_count session-count message-count result_type receiving_ip additional-info-uri failure-error-code
extension policy summary model_config
"""


@pytest.mark.parametrize("place", [(), *PLACES], ids=str)
def test_each_object_with_a_member_of_another_name(place: tuple[Any, ...]) -> None:
    inner: Any = BODY
    for step in place:
        inner = inner[step]
    if isinstance(inner, dict):
        for name in OTHER_NAMES.split():
            for value in ("a", 1, None, ["a.example"]):
                agree_or_both_refuse(text(changed(BODY, place, {name: value} | inner), STYLES[0]))


@settings(max_examples=200)
@given(
    st.sampled_from(PLACES),
    st.sampled_from(PLACES),
    st.sampled_from(ODD_VALUES),
    st.sampled_from(ODD_VALUES),
    st.sampled_from(STYLES),
)
def test_two_members_with_odd_values(
    first: tuple[Any, ...], second: tuple[Any, ...], value: Any, other: Any, style: dict[str, Any]
) -> None:
    body = changed(BODY, first, value)
    if second[: len(first)] != first:  # the first change took the place of the second away
        body = changed(body, second, other)
    agree_or_both_refuse(text(body, style))


@settings(max_examples=600)
@given(st.data())
def test_a_document_with_fragments_put_in_or_taken_out(data: st.DataObject) -> None:
    document = bytearray(text(BODY, data.draw(st.sampled_from(STYLES))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(document)))
        document[at : at + data.draw(st.integers(0, 4))] = data.draw(st.sampled_from(FRAGMENTS))
    agree_or_both_refuse(bytes(document))


ODD_TEXTS = ["", " ", "A", "a ", " a", "a\\", 'a"', "\u00e9", "[", '["a"]', "a.", "<a>", "x" * (limits.NAME + 1)]


def reports(*, odd: bool) -> st.SearchStrategy[Any]:
    """Reports of any content that needs no repair; with `odd`, now and then something that may need it."""

    def maybe(values: st.SearchStrategy[Any], *others: Any) -> st.SearchStrategy[Any]:
        return st.one_of([values] * 20 + [st.sampled_from(others)] * odd)

    texts = maybe(st.text("abzAZ09.-_*@+/=", min_size=1, max_size=12) | st.just('said "no"'), *ODD_TEXTS)
    domains = maybe(st.lists(st.text("az09*_-", min_size=1), min_size=1, max_size=3).map(".".join), *ODD_TEXTS)
    counts = maybe(st.integers(0, 2**63 - 1), -1, 2**63, 1.0, "1", None)
    absent = st.just(builders.ABSENT)
    failures = st.builds(
        builders.failure,
        maybe(st.sampled_from(builders.RESULT_TYPES), "other", "Certificate-Expired", None),
        counts,
        sending_mta_ip=texts | absent,
        receiving_mx_hostname=domains | absent,
        receiving_mx_helo=texts | absent,
        receiving_ip=texts | absent,
        additional_information=texts | absent,
        failure_reason_code=texts | absent,
    )
    policies = st.builds(
        builders.policy,
        domains,
        maybe(st.sampled_from(["sts", "tlsa", "no-policy-found"]), "STS", "other"),
        successful=counts,
        failed=st.integers(0, 2**63 - 1),
        failures=st.lists(failures, max_size=3),
        policy_string=st.lists(texts, max_size=3) | absent,
        mx_host=st.lists(domains, max_size=3) | absent,
    )
    return st.builds(
        lambda policies, **members: builders.report(0, *policies, **members),
        st.lists(policies, max_size=3),
        contact_info=maybe(st.just("a@b.example") | st.none() | absent, *ODD_TEXTS),
        report_id=texts,
        organization_name=texts,
    )


@settings(max_examples=100)
@given(reports(odd=False), st.sampled_from(STYLES))
def test_whatever_needs_no_repair_takes_the_fast_way(body: Any, style: dict[str, Any]) -> None:
    assert documents_agree(text(body, style))


@settings(max_examples=200)
@given(reports(odd=True), st.sampled_from(STYLES))
def test_whatever_may_need_repair(body: Any, style: dict[str, Any]) -> None:
    agree_or_both_refuse(text(body, style))


@settings(max_examples=200)
@given(st.data())
def test_a_member_that_stands_twice(data: st.DataObject) -> None:
    """Beside the last one of its name, wherever it is, and whatever value it has there: the fast way leaves it."""
    document = text(BODY, {"separators": (",", ":")}).decode()
    name = data.draw(st.sampled_from(sorted({path[-1] for path in PLACES if isinstance(path[-1], str)})))
    value = data.draw(st.sampled_from(["null", '"null"', "1", "[]", "{}", '"a"', '[null,"null"]', '{"a":"null"}']))
    starts = [at for at in range(len(document)) if document.startswith(f'"{name}":', at)]
    at = data.draw(st.sampled_from(starts))
    doubled = f'{document[:at]}"{name}":{value},{document[at:]}'
    assert json.loads(doubled) == json.loads(document)
    assert not documents_agree(doubled.encode())


def test_bounds_are_the_complete_way_s(monkeypatch: pytest.MonkeyPatch) -> None:
    document = text(BODY, {})
    monkeypatch.setattr(limits, "JSON_CONTAINERS", 3)
    assert read_ordinary(document) is None
    brackets = builders.failure(additional_information="[" * 2_000)
    document = text(builders.report(0, builders.policy(failures=[brackets])), {})
    monkeypatch.setattr(limits, "JSON_CONTAINERS", (len(document) + 1) // 2)
    assert documents_agree(document)
    monkeypatch.setattr(limits, "JSON_CONTAINERS", (len(document) - 1) // 2)
    assert not documents_agree(document)
    with pytest.raises(UnreadableReport):
        read(document)
    monkeypatch.undo()
    monkeypatch.setattr(limits, "FAILURE_DETAILS", 2)
    assert read_ordinary(text(BODY, {})) is None
