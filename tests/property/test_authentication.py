"""Whatever stands in a header, there is a verdict, soon, and a pass only where it was earned."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tlsrpt_ingest.mail.authentication import Vouching, organizational_domain
from tlsrpt_ingest.verdict import Verdict

OURS = "mx.example.com"
words = st.sampled_from(
    [
        "dkim", "=", "pass", "fail", "none", " ", ";", "(", ")", '"', "\\", "header.d", "header.i", "header.s", "@",
        "reporter.example", OURS, "a", "v", "1", "rsa-sha256", "d", "s", "h", "from", ":", "bh", "b", "AAAA", "l", "x",
        "\n ", "\r\n\t", "\x00", "é", ".", "-", "_", "9" * 30, "reason", "/1",
    ]
)  # fmt: skip
values = st.one_of(st.lists(words, max_size=40).map("".join), st.text(max_size=60))
keys = st.one_of(
    st.none(),
    st.lists(st.one_of(st.binary(max_size=80), values.map(lambda text: b"v=DKIM1; p=" + text.encode())), max_size=2),
)


@settings(max_examples=300)
@given(said=st.lists(values, max_size=3), signed=st.lists(values, max_size=3), key=keys, address=values)
def test_a_verdict_on_anything(said: list[str], signed: list[str], key: list[bytes] | None, address: str) -> None:
    header = "".join(f"Authentication-Results: {value}\n" for value in said)
    header += "".join(f"DKIM-Signature: v=1; {value}\n" for value in signed)
    octets = header.encode("utf-8", "surrogatepass") + builders.mail()
    vouching = Vouching(octets, {OURS}, lambda _name: key)
    one = vouching.authentication([address, "reporter.example"])
    assert "a fault of tlsrpt-ingest" not in (one.reason or "")
    assert (one.reason or "").isascii()
    if one.verdict is Verdict.PASS:  # nobody can sign here: our server said so, of a signature that is there
        assert OURS in header.lower()
        assert "pass" in header.lower()
        assert (one.domain or "nobody") in header.lower()
    else:
        assert one.organizational_domain is None


@given(st.one_of(st.text(max_size=300), values))
def test_organizational_domains_of_anything(address: str) -> None:
    found = organizational_domain(address)
    assert found is None or found in address.lower()
