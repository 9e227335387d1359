"""Every mail of mails.py gives the documents that it must."""

import gzip

import pytest

from tests.wild.mail.mails import CASES, JSON, Case
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.mail import Document, open_mail
from tlsrpt_ingest.mail.deviations import MAIL_DEVIATIONS
from tlsrpt_ingest.rfc8460 import SeveralReports, read


@pytest.mark.parametrize("name", CASES)
def test_mail(name: str) -> None:
    case = CASES[name]
    mail = open_mail(case.octets, case.name)
    assert tuple(_said(one) for one in mail.documents) == case.documents
    assert mail.claims is case.claims
    for one in mail.documents:
        if isinstance(one, Document):
            _check(one, case)


def test_each_mail_deviation_has_a_mail() -> None:
    met = {code for case in CASES.values() for said in case.documents for code in said.split()}
    assert set(MAIL_DEVIATIONS) <= met


@pytest.mark.parametrize("entry", [*range(58, 91)])
def test_each_entry_about_mail_has_a_mail(entry: int) -> None:
    assert any(name.startswith(f"{entry}-") for name in CASES)


def _said(one: Document | Unreadable) -> str:
    if isinstance(one, Unreadable):
        assert one.stage in {"mail", "inflate"}
        return f"!{one.code}"
    assert {deviation.path for deviation in one.deviations} <= {"mail"}
    return " ".join(deviation.code for deviation in one.deviations)


def _check(document: Document, case: Case) -> None:
    assert [read(one, document.hints).report for one in _texts(document)] == [read(JSON).report]
    if document.gzip is not None:
        assert gzip.decompress(document.gzip) == document.octets
    if case.gzip is not None:
        assert (document.gzip is not None) is case.gzip
    if case.filename is not None:
        assert document.hints.filename == case.filename
    if case.subject is not None:
        assert document.hints.subject == case.subject


def _texts(document: Document) -> tuple[bytes, ...]:
    try:
        read(document.octets, document.hints)
    except SeveralReports as several:
        return several.documents
    return (document.octets,)
