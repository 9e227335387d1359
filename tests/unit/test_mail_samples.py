"""Captured report mails, where they are at hand: each holds one report."""

from pathlib import Path

from tlsrpt_ingest.mail import Document, open_mail
from tlsrpt_ingest.rfc8460 import read


def test_every_captured_mail_holds_one_report(samples: Path) -> None:
    mails = sorted(samples.glob("*.eml"))
    assert mails
    for path in mails:
        found = open_mail(path.read_bytes(), path.name)
        assert len(found.documents) == 1, path.name
        (document,) = found.documents
        assert isinstance(document, Document), path.name
        assert found.claims, path.name
        assert read(document.octets, document.hints).report.policies, path.name
