"""What RFC 8460 asks of a report and of its receiver, one test a requirement: docs/rfc8460.md has the table."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests import builders
from tlsrpt_ingest.mail import Document, Mail, open_mail
from tlsrpt_ingest.rfc8460 import Reading, read
from tlsrpt_ingest.rfc8460.terms import MEDIA_TYPES, POLICY_TYPES, RESULT_TYPES
from tlsrpt_ingest.store.rows import report_rows


def reading(*policies: builders.JsonObject, **members: Any) -> Reading:
    return read(builders.document(builders.report(0, *policies, **members)))


def codes(found: Reading) -> list[str]:
    return [deviation.code for deviation in found.deviations]


def the_document(mail: Mail) -> Document:
    [document] = mail.documents
    assert isinstance(document, Document)
    return document


def test_policy_domain_may_be_the_recipient_domain_or_the_mx_host() -> None:
    """RFC8460-1.1-policy-domain."""
    found = reading(builders.policy("example.com", "tlsa"), builders.policy("mx1.example.com", "tlsa"))
    assert found.report.policy_domains == {"example.com", "mx1.example.com"}
    assert found.deviations == ()


def test_i_json_is_utf_8_and_has_each_member_once() -> None:
    """RFC8460-4-i-json: what is neither is read and recorded (RFC 7493 sections 2.1 and 2.3)."""
    body = builders.report(0, organization_name="Bücher GmbH")
    text = json.dumps(body, ensure_ascii=False)
    assert read(text.encode()) == read(json.dumps(body).encode())
    assert read(text.encode()).deviations == ()
    for document, code in (
        (text.encode("latin-1"), "latin-1"),
        (text.encode("utf-16"), "utf-16"),
        (text.replace('{"org', '{"report-id": "x", "org').encode(), "duplicate-member"),
    ):
        assert read(document).report == read(text.encode()).report
        assert codes(read(document)) == [code]


@pytest.mark.parametrize(
    "end", ["2024-01-01T23:59:59Z", "2024-01-02T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-08T00:00:00Z"]
)
def test_a_report_covers_a_day_or_any_other_time(end: str) -> None:
    """RFC8460-4.1-time-frame: a day "should" be covered; hours and weeks come as well, and the start says the day."""
    found = reading(date_range={"start-datetime": "2024-01-01T00:00:00Z", "end-datetime": end})
    assert found.report.date_range.start_datetime == datetime(2024, 1, 1, tzinfo=UTC)
    assert found.report.date_range.end_datetime == datetime.fromisoformat(end)
    assert found.deviations == ()


def test_counts_are_integers() -> None:
    """RFC8460-4.2-counts: JSON numbers up to what every database holds."""
    found = reading(builders.policy(successful=2**63 - 1, failed=0))
    assert found.report.policies[0].summary.total_successful_session_count == 2**63 - 1
    assert found.deviations == ()
    assert codes(reading(builders.policy(successful=2**63))) == ["count-unreadable"]


def test_the_eleven_result_types_and_any_other() -> None:
    """RFC8460-4.3-result-types: the list "is expected to grow"."""
    assert set(RESULT_TYPES) == set(builders.RESULT_TYPES)
    names = [*builders.RESULT_TYPES, "quantum-handshake-flux"]
    found = reading(builders.policy(failures=[builders.failure(name) for name in names]))
    assert [detail.result_type for detail in found.report.policies[0].failure_details] == names
    assert found.deviations == ()


def test_failures_may_add_up_to_more_than_the_sessions_that_failed() -> None:
    """RFC8460-4.3-not-exclusive."""
    found = reading(builders.policy(failed=1, failures=[builders.failure(count=1), builders.failure(count=5)]))
    assert found.report.policies[0].summary.total_failure_session_count == 1
    assert [detail.failed_session_count for detail in found.report.policies[0].failure_details] == [1, 5]
    assert found.deviations == ()


def test_policies_is_an_array_even_of_one() -> None:
    """RFC8460-4.4-policies: a single object is read and recorded."""
    one = builders.policy()
    found = read(builders.document(builders.report(0) | {"policies": one}))
    assert found.report == reading(one).report
    assert codes(found) == ["policies-not-an-array"]


def test_the_three_policy_types_and_any_other() -> None:
    """RFC8460-4.4-policy-type: "presently the only three"."""
    assert set(POLICY_TYPES) == {"tlsa", "sts", "no-policy-found"}
    names = [*POLICY_TYPES, "tls"]
    found = reading(*(builders.policy(policy_type=name) for name in names))
    assert [entry.policy.policy_type for entry in found.report.policies] == names
    assert found.deviations == ()


def test_policy_string_has_a_line_or_a_record_each() -> None:
    """RFC8460-4.4-policy-string: in order, with "any errors that may be present"."""
    lines = ["version: STSv1", "mode: enforce", "mx mx1.example.com", "", "max_age: soon"]
    found = reading(builders.policy(policy_string=lines))
    assert found.report.policies[0].policy.policy_string == tuple(lines)
    assert found.deviations == ()


def test_policy_domain_is_in_a_labels() -> None:
    """RFC8460-4.4-a-labels: what is in Unicode is put so and recorded."""
    assert reading(builders.policy("xn--bcher-kva.example")).deviations == ()
    found = reading(builders.policy(policy_domain="Bücher.example"))
    assert found.report.policy_domains == {"xn--bcher-kva.example"}
    assert codes(found) == ["upper-case", "u-label"]


def test_mx_host_is_an_array() -> None:
    """RFC8460-4.4-mx-host: appendix B has a string (erratum 6241), which is read and recorded."""
    assert reading(builders.policy(mx_host=["a.example.com", "*.example.com"])).deviations == ()
    found = reading(builders.policy(mx_host="*.example.com"))
    assert found.report.policies[0].policy.mx_host == ("*.example.com",)
    assert codes(found) == ["string-for-array"]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:abcd:0012::1", "::ffff:192.0.2.1"])
def test_addresses_are_kept_as_text(address: str) -> None:
    """RFC8460-4.4-addresses: IPv4 or IPv6; nothing is lost of what a sender wrote otherwise."""
    found = reading(builders.policy(failures=[builders.failure(sending_mta_ip=address, receiving_ip=address)]))
    [detail] = found.report.policies[0].failure_details
    assert detail.sending_mta_ip == detail.receiving_ip == address
    assert found.deviations == ()


def test_a_failure_detail_of_a_result_type_and_a_count() -> None:
    """RFC8460-4.4-optional: two members are optional by the text, the others by what senders can know."""
    found = reading(builders.policy(failures=[{"result-type": "sts-policy-fetch-error", "failed-session-count": 3}]))
    [detail] = found.report.policies[0].failure_details
    assert detail.model_dump(exclude_none=True) == {"result_type": "sts-policy-fetch-error", "failed_session_count": 3}
    assert found.deviations == ()


def test_report_id_is_unique_only_with_what_is_around_it() -> None:
    """RFC8460-4.4-report-id: any scheme; Google's and Postfix's repeat across organizations and domains."""

    def identity(domain: str = "example.com", **members: Any) -> bytes:
        found = reading(builders.policy(domain), **({"report_id": "2024-01-01T00:00:00Z_idx1"} | members))
        return report_rows(found, b"").identity

    identities = [identity(), identity("example.net"), identity(organization_name="Another"), identity(report_id="2")]
    assert len(set(identities)) == len(identities)
    assert identity() == identity()


def test_a_report_may_be_gzipped_or_not() -> None:
    """RFC8460-5.2-compression: SHOULD be, may be not."""
    document = builders.document()
    plain = open_mail(builders.mail(document, part_type="application/tlsrpt+json", filename="a!b!1!2.json"))
    gzipped = open_mail(builders.mail(builders.gzipped(document)))
    for mail in (plain, gzipped):
        assert the_document(mail).octets == document
        assert the_document(mail).deviations == ()


def test_the_two_header_fields_are_hints() -> None:
    """RFC8460-5.3-headers: TLS-Report-Domain and TLS-Report-Submitter."""
    hints = the_document(open_mail(builders.mail(domain="example.org", submitter="sender.example"))).hints
    assert (hints.report_domain, hints.submitter) == ("example.org", "sender.example")


def test_the_message_is_multipart_report() -> None:
    """RFC8460-5.3-multipart-report: what is not is read and recorded."""
    as_asked = builders.mail()
    assert the_document(open_mail(as_asked)).deviations == ()
    mixed = as_asked.replace(b'multipart/report; report-type="tlsrpt"', b"multipart/mixed")
    assert [found.code for found in the_document(open_mail(mixed)).deviations] == ["not-multipart-report"]


def test_the_two_media_types() -> None:
    """RFC8460-6.4-media-types: others are read and recorded."""
    assert MEDIA_TYPES == ("application/tlsrpt+json", "application/tlsrpt+gzip")
    other = the_document(open_mail(builders.mail(part_type="application/gzip")))
    assert other.octets == builders.document()
    assert [found.code for found in other.deviations] == ["media-type-label"]
