"""What fuzzing calls with octets that a stranger may send, and what has to hold whatever they are."""

import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from rich.console import Console

from tests.property.test_ordinary_document import agree_or_both_refuse
from tests.property.test_ordinary_mail import mails_agree
from tests.property.test_rfc8460_reading import assert_sound
from tlsrpt_ingest.ingest import judge
from tlsrpt_ingest.mail.deviations import MAIL_DEVIATIONS
from tlsrpt_ingest.output import show
from tlsrpt_ingest.rfc8460 import Hints, Reading, SeveralReports, UnreadableReport, read
from tlsrpt_ingest.sources import Item

HINTS: Final = Hints("header.example", "submitter.example", "Report Domain: a.example Report-ID: <a@b>", "a!b!1!2.json")


def document(octets: bytes) -> None:
    """The octets as a document: a sound report or a refusal, and by the fast way the same as by the complete one."""
    agree_or_both_refuse(octets)
    for hints in (Hints(), HINTS):
        outcome = _read(octets, hints)
        if isinstance(outcome, Reading):
            assert_sound(outcome)
        elif isinstance(outcome, SeveralReports):
            assert len(outcome.documents) > 1
        else:
            assert outcome.code
            assert str(outcome).isprintable()


def _read(octets: bytes, hints: Hints) -> Reading | UnreadableReport:
    try:
        return read(octets, hints)
    except UnreadableReport as refusal:
        return refusal


def message(octets: bytes) -> None:
    """The octets as a message or a file: at least one delivery, sound or with a reason, that a terminal can show."""
    mails_agree(octets)
    deliveries = judge(Item("file:///srv/fuzz.eml", octets, "fuzz.eml"))
    assert deliveries
    for delivery in deliveries:
        if delivery.reading:
            # Those of the mail stand before those of the document.
            own = [deviation for deviation in delivery.reading.deviations if deviation.code not in MAIL_DEVIATIONS]
            assert_sound(replace(delivery.reading, deviations=tuple(own)))
            assert delivery.document
        if delivery.failure:
            assert delivery.failure.stage
            assert delivery.failure.code != "unforeseen", str(delivery.failure)
            assert str(delivery.failure).isprintable()
    shown = io.StringIO()
    show.render(Console(file=shown, width=100), deliveries)
    assert {unicodedata.category(letter) for letter in shown.getvalue()} & {"Cc", "Cf", "Cs", "Co"} <= {"Cc"}
    assert "\x1b" not in shown.getvalue()


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {"document": document, "message": message}
