"""The grammars of the Subject (RFC8460-5.3-subject) and of the file name (RFC8460-5.1-filename), and who wins."""

from datetime import UTC, datetime

import pytest

from tests import builders
from tlsrpt_ingest.rfc8460 import Filename, Hints, Subject, read, read_filename, read_subject

DAY = datetime(2024, 3, 5, tzinfo=UTC), datetime(2024, 3, 5, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (
            "Report Domain: example.org Submitter: sender.example Report-ID: <2024.1@sender.example>",
            Subject("example.org", "sender.example", "2024.1@sender.example"),
        ),
        # Mail.ru and Microsoft fold at other places; the RFC's example has runs of blanks once unfolded.
        (
            "Report\r\n Domain:  Example.ORG.\r\n   Submitter: sender.example\tReport-ID: 1331985854381+example.org",
            Subject("example.org", "sender.example", "1331985854381+example.org"),
        ),
        ("Fwd: report domain: a.example", Subject("a.example")),
        ("SMTP TLS report", Subject()),
        ("Report Domain: localhost Submitter: 1.2.3.4 Report-ID: <>", Subject()),
        ("", Subject()),
        (None, Subject()),
    ],
)
def test_subject(subject: str | None, expected: Subject) -> None:
    assert read_subject(subject) == expected


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (
            "sender.example!example.org!1709596800!1709683199!001.json.gz",
            Filename("sender.example", "example.org", *DAY, "001"),
        ),
        ("sender.example!example.org!1709596800!1709683199.json", Filename("sender.example", "example.org", *DAY)),
        # halon-extras divides milliseconds; hMailServer's fork writes the date; a folder may stand in front.
        (
            "../a/sender.example!example.org!1709596800.0!1709683199.JSON.GZ",
            Filename("sender.example", "example.org", *DAY),
        ),
        ("sender.example!example.org!2024-03-05.json", Filename("sender.example", "example.org", *DAY)),
        (
            "sender.example!example.org!0!99999999999999999999!x.json",
            Filename("sender.example", "example.org", None, None, "x"),
        ),
        ("tls-report.json", Filename()),
        ("a!b", Filename()),
        (None, Filename()),
    ],
)
def test_filename(filename: str | None, expected: Filename) -> None:
    assert read_filename(filename) == expected


def test_the_body_wins_over_the_mail_around_it() -> None:
    """RFC8460-5.6-body-wins."""
    hints = Hints(
        report_domain="other.example",
        submitter="other.example",
        subject="Report Domain: other.example Submitter: other.example Report-ID: <other@other.example>",
        filename="other.example!other.example!1!2!other.json",
    )
    document = builders.document()
    assert read(document, hints) == read(document)


def test_a_header_comes_before_the_subject_before_the_file_name_before_the_report_id() -> None:
    body = builders.report(0, builders.policy(policy_domain=builders.ABSENT), report_id="1_d.example")
    everything = {
        "report_domain": "a.example",
        "subject": "Report Domain: b.example Submitter: x.example Report-ID: <1@x.example>",
        "filename": "x.example!c.example!1709596800!1709683199.json",
    }
    found = []
    while True:
        found.append(read(builders.document(body), Hints(**everything)).report.policies[0].policy.policy_domain)
        if not everything:
            break
        del everything[next(iter(everything))]
    assert found == ["a.example", "b.example", "c.example", "d.example"]


@pytest.mark.parametrize("report_id", ["1730332800_11732957880687192466", "1@reporter.example", "x_y@reporter.example"])
def test_a_report_id_that_names_no_policy_domain(report_id: str) -> None:
    body = builders.report(0, builders.policy(policy_domain=builders.ABSENT), report_id=report_id)
    reading = read(builders.document(body))
    assert reading.report.policies[0].policy.policy_domain is None
    assert reading.deviations == ()


def test_hints_are_a_strangers_text_too() -> None:
    body = builders.report(0, report_id=builders.ABSENT, organization_name=builders.ABSENT)
    subject = "Report Domain: b.example Submitter: B\u00fccher.example Report-ID: <a\0\udcfc" + "x" * 5000 + ">"
    report = read(builders.document(body), Hints(subject=subject)).report
    assert report.report_id.startswith("a\ufffd\ufffd")
    assert len(report.report_id) <= 1000
    assert report.model_dump_json()
