"""The identity of a report: these octets are in people's databases."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest.rfc8460 import read
from tlsrpt_ingest.store.identity import identifying_fields
from tlsrpt_ingest.store.json_text import dumps
from tlsrpt_ingest.store.rows import report_rows, strings


def of(body: builders.JsonObject) -> bytes:
    return report_rows(read(builders.document(body)), b"").identity


MANY = bytes.fromhex("659200807d0336f15115ca3e680f05de")


def test_it_never_changes() -> None:
    assert of(builders.report(0)).hex() == "659200809218ece05e60ae798324cb2a"


def test_it_begins_with_the_start_so_that_it_grows_with_time() -> None:
    keys = [of(builders.report(number)) for number in range(0, 10_000, 500)]
    assert keys == sorted(keys)


def test_the_order_and_number_of_policies_do_not_matter_to_it() -> None:
    policies = [builders.policy(f"{at}.example.com") for at in range(20)]
    assert of(builders.report(0, *policies)) == of(builders.report(0, *policies[::-1], policies[3])) == MANY


def test_the_same_moment_in_another_zone_is_the_same() -> None:
    there = {"start-datetime": "2024-01-01T05:30:00+05:30", "end-datetime": "2024-01-02T05:29:59+05:30"}
    assert of(builders.report(0, date_range=there)) == of(builders.report(0))


@pytest.mark.parametrize(
    "change",
    [
        {"organization_name": "Other"},
        {"organization_name": builders.ABSENT},
        {"report_id": "other"},
        {"date_range": {"start-datetime": "2024-01-01T00:00:01Z", "end-datetime": "2024-01-01T23:59:59Z"}},
        {"date_range": {"start-datetime": "2024-01-01T00:00:00Z", "end-datetime": "2024-01-02T00:00:00Z"}},
        {"policies": [builders.policy("example.net")]},
        # Where one string ends and the next begins.
        {"organization_name": "Reporter Example2", "report_id": "024-01-01.0@reporter.example"},
    ],
)
def test_each_identifying_field_matters(change: dict[str, Any]) -> None:
    assert of(builders.report(0, **change)) != of(builders.report(0))


TEXTS = st.text() | st.sampled_from(["", '"', "\\", "\x00\x7f", "\ud800", "é\u2028\U0001f600"])


@given(st.none() | TEXTS, TEXTS, st.lists(st.none() | TEXTS))
def test_the_identifying_fields_are_what_json_makes_of_them(
    name: str | None, report_id: str, domains: list[str | None]
) -> None:
    start, end = "2024-01-01T00:00:00.000000+00:00", "2024-01-01T23:59:59.000000+00:00"
    expected = json.dumps([name, report_id, start, end, sorted({domain for domain in domains if domain})])
    stamps = (moment[:26].replace("T", " ") for moment in (start, end))
    assert identifying_fields(name, report_id, next(stamps), next(stamps), domains) == expected.encode()


@given(st.lists(TEXTS).map(tuple))
def test_an_array_of_strings_is_what_json_makes_of_it(texts: tuple[str, ...]) -> None:
    assert strings(texts) == dumps(texts)
