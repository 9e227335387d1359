"""Every captured report at hand is read, and reading what was made of it needs no repair any more."""

from pathlib import Path

from tests import builders
from tlsrpt_ingest.rfc8460 import read


def test_a_report_as_rfc_8460_asks_for_has_no_deviation() -> None:
    """RFC8460-4.4-members: each member under its own name."""
    detail = builders.failure(
        receiving_mx_helo="mx1.example.com", additional_information="https://a.example/1", failure_reason_code="E"
    )
    body = builders.report(0, builders.policy(failures=[detail]))
    reading = read(builders.document(body))
    assert reading.deviations == ()
    report = reading.report
    assert report.organization_name == "Reporter Example"
    assert report.contact_info == "tls-reports@reporter.example"
    assert report.report_id == body["report-id"]
    assert report.policy_domains == {"example.com"}
    [entry] = report.policies
    assert entry.policy.policy_type == "sts"
    assert entry.policy.policy_string == tuple(body["policies"][0]["policy"]["policy-string"])
    assert entry.policy.mx_host == ("mx1.example.com",)
    assert entry.summary.total_successful_session_count == 100
    assert entry.summary.total_failure_session_count == 1
    [found] = entry.failure_details
    assert found.model_dump(by_alias=True) == detail
    assert report.unknown_members == {}


def test_every_captured_document_is_read(samples: Path) -> None:
    documents = sorted(samples.glob("*.json"))
    assert documents
    for document in documents:
        reading = read(document.read_bytes())
        assert reading.report.policies, document.name
        again = read(reading.report.model_dump_json(by_alias=True).encode())
        assert again.report == reading.report
        assert again.deviations == (), document.name
