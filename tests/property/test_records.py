"""The grammars of RFC 8460 section 3 and RFC 8461 section 3: what is written is read, and nothing else ever raises."""

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrpt_ingest import rfc8461
from tlsrpt_ingest.posture.tlsrpt import Ours
from tlsrpt_ingest.rfc8460 import record, seen
from tlsrpt_ingest.rfc8460.terms import STS, TLSA
from tlsrpt_ingest.rfc8461 import InvalidPolicy, InvalidRecord, Policy, matches, parse_policy

ALPHANUMERIC = string.ascii_letters + string.digits
NAMES = st.tuples(st.sampled_from(ALPHANUMERIC), st.text(ALPHANUMERIC + "_-.", max_size=31)).map("".join)
EXTENSIONS = st.lists(
    st.tuples(
        NAMES.filter(lambda name: name not in ("rua", "id")),
        st.text("".join(chr(one) for one in range(0x21, 0x7F) if chr(one) not in "=;"), min_size=1),
    ),
    max_size=3,
).map(tuple)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "test"]))
LOCAL = st.text(ALPHANUMERIC + "._+-", min_size=1, max_size=20)
URIS = st.one_of(
    st.builds("mailto:{}@{}".format, LOCAL, HOSTS),
    st.builds("https://{}/{}".format, HOSTS, st.text(ALPHANUMERIC + "/._~-=", max_size=20)),
    st.builds("https://{}:{}/v1?x=%2C%21%3B".format, HOSTS, st.integers(1, 65535)),
)
TLSRPT = st.builds(record.Record, st.lists(URIS, min_size=1, max_size=3).map(tuple), EXTENSIONS)
STS_RECORD = st.builds(rfc8461.Record, st.text(ALPHANUMERIC, min_size=1, max_size=32), EXTENSIONS)
PATTERNS = st.builds(lambda star, host: star + host, st.sampled_from(["", "*."]), HOSTS)
VALUES = st.text(st.characters(min_codepoint=0x21, exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20)
POLICIES = st.builds(
    Policy,
    st.sampled_from(["enforce", "testing", "none"]),
    st.integers(0, 31_557_600),
    st.lists(PATTERNS, min_size=1, max_size=5).map(tuple),
    st.lists(st.tuples(NAMES.filter(lambda name: name not in ("version", "mode", "max_age", "mx")), VALUES)).map(tuple),
)


@given(TLSRPT)
def test_a_tlsrpt_record_is_read_as_it_was_written(written: record.Record) -> None:
    """RFC8460-3-record."""
    assert record.parse_record(str(written)) == written
    loose = str(written).replace("; ", " \t;\t", 2).replace("TLSRPTv1 \t;", "TLSRPTv1;") + " ; "
    assert record.parse_record(loose) == written


@given(STS_RECORD)
def test_an_sts_record_is_read_as_it_was_written(written: rfc8461.Record) -> None:
    assert rfc8461.parse_record(str(written)) == written
    assert rfc8461.parse_record(str(written).replace("; ", ";") + ";") == written


@given(POLICIES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_policy_is_read_as_it_was_written(written: Policy, end: str, ended: bool) -> None:  # noqa: FBT001 - hypothesis
    text = str(written).replace("\n", end)
    text = text if ended else text.removesuffix(end)
    assert parse_policy(text) == written
    assert parse_policy(text.encode()) == written
    assert parse_policy(text.replace(": ", ":").replace(end, f" \t{end}")) == written


@given(st.data())
def test_a_changed_octet_raises_nothing_but_what_is_said(data: st.DataObject) -> None:
    texts = data.draw(st.one_of(TLSRPT.map(str), STS_RECORD.map(str), POLICIES.map(str)))
    at = data.draw(st.integers(0, len(texts)))
    changed = texts[:at] + data.draw(st.text(max_size=3)) + texts[at + data.draw(st.integers(0, 3)) :]
    _read_all(changed)


@given(st.one_of(st.text(), st.binary().map(lambda octets: octets.decode("latin-1"))))
def test_no_text_raises_anything_else(text: str) -> None:
    _read_all(text)


@given(st.binary())
def test_no_octets_raise_anything_else(octets: bytes) -> None:
    with contextlib.suppress(InvalidPolicy):
        parse_policy(octets)


def _read_all(text: str) -> None:
    for prefix in ("", "v=TLSRPTv1;", "v=STSv1;"):
        with contextlib.suppress(InvalidRecord):
            read_record = record.parse_record(prefix + text)
            assert record.parse_record(str(read_record)) == read_record
            assert all(Ours(read_record.rua).has(uri) for uri in read_record.rua)
        with contextlib.suppress(InvalidRecord):
            assert rfc8461.parse_record(str(rfc8461.parse_record(prefix + text)))
    with contextlib.suppress(InvalidPolicy):
        # What was read once is read again as the same.
        read = parse_policy(text)
        assert parse_policy(str(read)).meaning == read.meaning
    for policy_type in (STS, TLSA):
        with contextlib.suppress(ValueError):
            seen.seen(policy_type, text.splitlines())


@given(HOSTS, LABELS)
def test_a_wildcard_stands_for_one_whole_leftmost_label(host: str, label: str) -> None:
    assert matches(host, host.upper() + ".")
    assert matches(f"*.{host}", f"{label}.{host}")
    assert not matches(f"*.{host}", host)
    assert not matches(f"*.{host}", f"{label}.x.{host}")
    assert not matches(f"*.{host}", f"{label}{host}")
    assert not matches(host, f"{label}.{host}")


@pytest.mark.parametrize(
    "uri", ["https://[::::]/", "https://a[::1]b/", "https://[::1]:x/", "mailto:a@b.test?subject=x"]
)
def test_odd_uris_are_taken_as_they_are(uri: str) -> None:
    with contextlib.suppress(InvalidRecord):
        record.parse_record(f"v=TLSRPTv1; rua={uri}")
    assert Ours((uri,)).has(uri)
    assert not Ours((uri,)).has("https://solarmora.com/")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("v=tlsrptv1; rua=mailto:a@b.test", "version"),
        ("v=TLSRPTv1", "version"),
        (" v=TLSRPTv1;rua=mailto:a@b.test", "version"),
        ("v=TLSRPTv1 ;rua=mailto:a@b.test", "version"),
        ("v=TLSRPTv1;", "field"),
        ("v=TLSRPTv1;;rua=mailto:a@b.test", "field"),
        ("v=TLSRPTv1;rua=mailto:a@b.test ", "field"),
        ("v=TLSRPTv1;rua=mailto:a@b.test;x=", "field"),
        ("v=TLSRPTv1;rua=mailto:a@b.test;x=a b", "field"),
        ("v=TLSRPTv1;rua=mailto:a@b.test;x", "field"),
        ("v=TLSRPTv1;RUA=mailto:a@b.test", "rua-missing"),
        ("v=TLSRPTv1;rua=mailto:a@b.test;rua=mailto:c@d.test", "rua-twice"),
        ("v=TLSRPTv1;rua=a@b.test", "rua-scheme-missing"),
        ("v=TLSRPTv1;rua=", "rua-scheme-missing"),
        ("v=TLSRPTv1;rua=mailto:a@b.test,", "rua-scheme-missing"),
        ("v=TLSRPTv1;rua=mailto:a!b@c.test", "rua-uri"),
        ("v=TLSRPTv1;rua=mailto:a b@c.test", "rua-uri"),
        ("v=TLSRPTv1;rua=mailto:b.test", "rua-uri"),
        ("v=TLSRPTv1;rua=https:///x", "rua-uri"),
        ("v=TLSRPTv1;rua=https:x", "rua-uri"),
        ("v=TLSRPTv1;rua=mailto:a%2@b.test", "rua-uri"),
    ],
)
def test_what_is_wrong_with_a_tlsrpt_record(text: str, code: str) -> None:
    with pytest.raises(InvalidRecord) as raised:
        record.parse_record(text)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("v=STSV1; id=1", "version"),
        ("v=STSv1 ; id=1", "version"),
        ("v=STSv1; ID=1", "id-missing"),
        ("v=STSv1; x=1", "id-missing"),
        ("v=STSv1; id=", "id-invalid"),
        ("v=STSv1; id=2019-04-25", "id-invalid"),
        ("v=STSv1; id=" + "1" * 33, "id-invalid"),
        ("v=STSv1; id=1; id=2", "id-twice"),
        ("v=STSv1; id=1; x=a=b", "field"),
    ],
)
def test_what_is_wrong_with_an_sts_record(text: str, code: str) -> None:
    with pytest.raises(InvalidRecord) as raised:
        rfc8461.parse_record(text)
    assert raised.value.code == code


GOOD = "version: STSv1\nmode: enforce\nmax_age: 604800\nmx: mx.solarmora.com\n"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("version: STSv1\n", "", "version-missing"),
        ("STSv1", "STSv2", "version"),
        ("STSv1", "stsv1", "version"),
        ("mode", "Mode", "mode-missing"),
        ("enforce", "Enforce", "mode"),
        ("enforce", "enforced", "mode"),
        ("max_age: 604800\n", "", "max-age-missing"),
        ("max_age", "max-age", "max-age-missing"),
        ("604800", "31557601", "max-age"),
        ("604800", "-1", "max-age"),
        ("604800", "1 week", "max-age"),
        ("604800", "99999999999", "max-age"),
        ("mx: mx.solarmora.com\n", "", "mx-missing"),
        ("mx.solarmora.com", "*.*.solarmora.com", "mx"),
        ("mx.solarmora.com", "mx*.solarmora.com", "mx"),
        ("mx.solarmora.com", "mx.*.com", "mx"),
        ("mx.solarmora.com", "*", "mx"),
        ("mx.solarmora.com", "192.0.2.1", "mx"),
        ("mx.solarmora.com", "mx.solarmora.com.", "mx"),
        ("mx.solarmora.com", "mx1.solarmora.com, mx2.solarmora.com", "mx"),
        ("mx.solarmora.com", "m\u00fcll.test", "mx"),
        ("mode: ", "mode = ", "line"),
        ("mode:", " mode:", "line"),
        ("mode: enforce\n", "\n", "line"),
        ("enforce\n", "enforce\n\n", "line"),
        ("enforce\n", "enforce\r", "line"),
        ("enforce", "", "line"),
        ("version", "\ufeffversion", "encoding"),
    ],
)
def test_what_is_wrong_with_a_policy(old: str, new: str, code: str) -> None:
    assert parse_policy(GOOD).covers("MX.solarmora.com.")
    with pytest.raises(InvalidPolicy) as raised:
        parse_policy(GOOD.replace(old, new).encode())
    assert raised.value.code == code


def test_of_a_field_that_stands_twice_the_first_counts() -> None:
    policy = parse_policy(GOOD + "mode: none\nmax_age: 1\n")
    assert (policy.mode, policy.max_age, policy.repeated) == ("enforce", 604_800, ("mode", "max_age"))


def test_mode_none_needs_no_mx() -> None:
    assert parse_policy("version:STSv1\nmode:none\nmax_age:86400").mx == ()


def test_policies_compare_by_what_they_say() -> None:
    lines = ["version: STSv1", "mode: testing", "max_age: 86400", "mx: a.test", "mx: *.B.test"]
    reordered = [line + "\r" for line in reversed(lines)]
    one, other = seen.seen(STS, lines), seen.seen(STS, ["\n".join(reordered)])
    assert isinstance(one, Policy)
    assert isinstance(other, Policy)
    assert one.meaning == other.meaning
    assert seen.seen(STS, []) is None
    assert seen.seen(TLSA, ["3 1 1 AB CD", "2 0 1 (ef)"]) == seen.seen(TLSA, ["2 0 1 EF", "3 1 1 abcd"])
