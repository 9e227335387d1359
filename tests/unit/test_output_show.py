"""`show`: every member, each deviation, each failure explained; nothing of a stranger's acts on the terminal."""

import io
import json
import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import failure, policy, report
from tlsrpt_ingest.output import show
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.rfc8460 import Deviation, UnreadableReport, read
from tlsrpt_ingest.store.delivery import Delivery

EMPTY = Delivery(item=b"i" * 16, part=0, origin="file:///srv/mail/one.eml", digest=b"\xab" * 32, size=1234)


def delivery(document: dict[str, Any], *deviations: Deviation) -> Delivery:
    reading = replace(read(json.dumps(document).encode()), deviations=deviations)
    return replace(EMPTY, reading=reading, document=b"", sender="tlsrpt@example.com", subject="Report Domain: x")


def shown(*deliveries: Delivery, width: int = 80) -> str:
    stream = io.StringIO()
    show.render(open_console(stream, width=width), deliveries)
    return stream.getvalue()


def test_every_member_is_shown() -> None:
    detail = failure(
        "validation-failure",
        3,
        sending_mta_ip="192.0.2.7",
        receiving_mx_hostname="mx1.example.com",
        receiving_mx_helo="250-mx1.example.com\r\n250 STARTTLS",
        receiving_ip="203.0.113.56",
        additional_information="https://example.net/info?id=1",
        failure_reason_code="X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
    )
    detail["x-detail"] = ["kept", 1]
    document = report(0, policy(successful=12345, failures=[detail]))
    document["x-report"] = {"k": "v"}
    text = shown(delivery(document))
    for expected in (
        "file:///srv/mail/one.eml",
        document["organization-name"],
        document["report-id"],
        document["contact-info"],
        "2024-01-01 00:00:00 to 2024-01-01 23:59:59 UTC",
        "tlsrpt@example.com",
        "Report Domain: x",
        "example.com: sessions succeeded 12,345, failed 3",
        "enforce: no mail without valid TLS",
        "version: STSv1",
        "max_age: 604800",
        "mx-host                 mx1.example.com",
        "3 x validation-failure (your side)",
        "3 x from 192.0.2.7 to mx1.example.com at 203.0.113.56",
        r"250-mx1.example.com\r\n250 STARTTLS",
        "https://example.net/info?id=1",
        "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED",
        '{"x-detail": ["kept", 1]}',
        '{"x-report": {"k": "v"}}',
    ):
        assert expected in text


def test_each_failure_says_what_to_do_and_the_command_is_not_broken() -> None:
    text = shown(delivery(report(0, policy(failures=[failure("certificate-expired")]))))
    assert "had expired" in text
    assert "To do: Renew it" in text
    command = "openssl s_client -starttls smtp -connect mx1.example.com:25 -servername mx1.example.com </dev/null | "
    assert command in text


def test_equal_failures_are_explained_once() -> None:
    details = [failure("certificate-expired", 2, sending_mta_ip=f"192.0.2.{n}") for n in range(3)]
    text = shown(delivery(report(0, policy(failures=details))))
    assert "6 x certificate-expired" in text
    assert text.count("To do:") == 1
    assert [f"2 x from 192.0.2.{n}" in text for n in range(3)] == [True] * 3


def test_deviations_stand_with_their_meaning_and_places() -> None:
    places = [Deviation("count-as-text", f"$.policies[{n}].summary.total-failure-session-count") for n in range(5)]
    text = shown(delivery(report(0), Deviation("not-multipart-report", "mail"), *places))
    assert "not-multipart-report: the message is not multipart/report" in text
    assert "count-as-text: a count was written as text" in text
    assert "$.policies[2].summary" in text
    assert "and 2 more" in text
    assert "deviations" not in shown(delivery(report(0)))


def test_the_same_sessions_under_two_types_of_policy_are_said_to_be_the_same() -> None:
    note = "not their sum"
    assert note in shown(delivery(report(0, policy(), policy(policy_type="tlsa"))))
    assert note not in shown(delivery(report(0, policy(), policy())))
    assert note not in shown(delivery(report(0, policy(), policy("example.org"))))


def test_what_is_left_out_is_counted() -> None:
    details = [failure("certificate-expired", sending_mta_ip=f"2001:db8::{n}") for n in range(60)]
    text = shown(delivery(report(0, *[policy(f"d{n}.example", failures=details) for n in range(101)])))
    assert text.count("and 10 more failure details") == 100
    assert "and 1 more policies" in text


def test_a_rejected_document_and_other_mail() -> None:
    failed = replace(EMPTY, failure=UnreadableReport("not-json", "the document is no JSON object"))
    text = shown(failed, replace(EMPTY, sender="cron@example.com"))
    assert "Rejected: the document is no JSON object" in text
    assert "not-json" in text
    assert "Not a TLS report" in text
    assert "cron@example.com" in text


NASTY = "\x1b]0;owned\x07\x1b[2J\u202e\u2066\u200b\r\n\x9b31m\x7f[red]</script>\u2028{domain}$(id)" + "\u0301" * 50


def nasty(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: nasty(one) for name, one in value.items()} | {NASTY: NASTY}
    if isinstance(value, list):
        return [nasty(one) for one in value]
    return NASTY if isinstance(value, str) else value


def hostile() -> Delivery:
    document = nasty(report(0, policy(failures=[failure()]), policy(policy_type="tlsa")))
    document["date-range"] = report(0)["date-range"]
    return replace(
        delivery(document, Deviation(NASTY, NASTY)),
        origin=NASTY,
        message_id=NASTY,
        sender=NASTY,
        subject=NASTY,
        submitter=NASTY,
    )


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Tty()])
def test_nothing_that_a_stranger_wrote_acts_on_the_terminal(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    rejected = replace(EMPTY, failure=UnreadableReport(NASTY, NASTY), subject=NASTY)
    show.render(open_console(stream), [hostile(), rejected])
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) if stream.isatty() else stream.getvalue()
    assert ("\x1b[" in stream.getvalue()) == stream.isatty()
    assert {one for one in text if unicodedata.category(one)[0] in "CZ"} == {" ", "\n"}
    assert r"\x1b]0;owned\x07" in text.replace("\n", "")
    # No line is the stranger's from its beginning: it cannot pass for one of ours.
    assert not [line for line in text.splitlines() if line.startswith(("\\x9b", "[red]"))]


def test_the_json_form() -> None:
    document = report(0, policy(failures=[failure("certificate-expired")]))
    document["x-report"] = 1
    one, two, three = show.as_json(
        [
            delivery(document, Deviation("trailing-dot", "$.policies[0].policy.policy-domain")),
            replace(EMPTY, part=1, failure=UnreadableReport("not-json", "no JSON")),
            EMPTY,
        ]
    )
    assert one["outcome"] == "report"
    assert one["report"]["policies"][0]["policy"]["policy-domain"] == "example.com"
    assert one["report"]["policies"][0]["failure-details"][0]["result-type"] == "certificate-expired"
    assert one["report"]["x-report"] == 1
    assert one["deviations"] == [
        {
            "code": "trailing-dot",
            "path": "$.policies[0].policy.policy-domain",
            "meaning": "a domain ended in a dot; removed",
        }
    ]
    (explanation,) = one["explanations"]
    assert explanation["path"] == "$.policies[0].failure-details[0]"
    assert explanation["side"] == "yours"
    assert explanation["commands"]
    assert (two["outcome"], two["part"], two["code"], two["reason"]) == ("rejected", 1, "not-json", "no JSON")
    assert (three["outcome"], three["report"], three["digest"]) == ("not_a_report", None, "ab" * 32)
    assert set(one) == set(two) == set(three)


def test_the_json_form_of_a_hostile_report_is_ascii_and_whole() -> None:
    shape = show.as_json([hostile()])
    written = json_text(shape)
    assert all(" " <= one <= "~" or one == "\n" for one in written)
    assert json.loads(written) == shape
    assert shape[0]["report"]["organization-name"] == NASTY
