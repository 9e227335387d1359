"""The builders build what they promise: a report mail that the standard library reads."""

import email
import gzip
import json

from tests import builders


def test_a_built_mail_holds_the_built_report() -> None:
    body = builders.report(3, builders.policy(failures=[builders.failure(count=2)]))
    message = email.message_from_bytes(builders.mail(builders.gzipped(builders.document(body)), number=3))
    assert message.get_param("report-type") == "tlsrpt"
    payload = message.get_payload(1).get_payload(decode=True)  # type: ignore[union-attr] # email's types are vague
    assert isinstance(payload, bytes)
    assert json.loads(gzip.decompress(payload)) == body
    assert body["policies"][0]["summary"]["total-failure-session-count"] == 2


def test_an_absent_member_is_left_out() -> None:
    assert "contact-info" not in builders.report(contact_info=builders.ABSENT)


def test_a_bomb_inflates_to_its_size() -> None:
    assert len(gzip.decompress(builders.bomb(3 << 20, head=b"{"))) == (3 << 20) + 1
