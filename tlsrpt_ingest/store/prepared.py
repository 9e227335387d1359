"""A delivery as the writer takes it: everything that can be done without the database is done.

Plain values, cheap to send from the process that reads to the one that writes.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.store.rows import ReportRows, report_rows
from tlsrpt_ingest.store.speaking import is_of_the_data, words
from tlsrpt_ingest.verdict import Authentication


class Prepared(NamedTuple):
    """A delivery, ready to be written; see `delivery.Delivery`. Its texts are as long as their columns at most."""

    item: bytes
    part: int
    origin: str
    digest: bytes
    size: int
    message_id: str | None = None
    sender: str | None = None
    subject: str | None = None
    submitter: str | None = None
    stage: str | None = None
    """With `code` and `reason` why it does not count; None where it does."""
    code: str | None = None
    reason: str | None = None
    place: tuple[str, str, int, int] | None = None
    octets: bytes | None = None
    report: ReportRows | None = None
    refused: Outcome | None = None
    """The outcome of what is read and does not count; None with a `stage` is rejected."""
    verdict: str | None = None
    signing_domain: str | None = None
    selector: str | None = None
    verdict_reason: str | None = None
    voucher: str | None = None
    """The organizational domain that vouches for the report; None where nobody does."""

    @property
    def key(self) -> tuple[bytes, int]:
        """What the ledger knows it by."""
        return self.item, self.part

    @property
    def rows(self) -> int:
        """How many rows it becomes."""
        return 3 + len(self.report.policies) + len(self.report.failure_details) if self.report else 1


def prepare(delivery: Delivery) -> Prepared:
    """Prepare a delivery; one whose values nobody could store becomes one that is rejected at stage "store"."""
    gzip = delivery.document or b""
    trouble = report = None
    if delivery.reading:
        try:
            report = report_rows(delivery.reading, gzip)
        except Exception as error:
            if not is_of_the_data(error):
                raise
            trouble = error
    failure, place = delivery.failure, delivery.place
    stage, code, reason = _because(failure) if failure else _NO_REASON
    prepared = Prepared(
        delivery.item,
        delivery.part,
        delivery.origin[: limits.TEXT],
        delivery.digest,
        delivery.size,
        _name(delivery.message_id),
        _name(delivery.sender),
        _name(delivery.subject),
        _name(delivery.submitter),
        stage,
        code,
        reason,
        (place.account, place.mailbox, place.uidvalidity, place.uid) if place else None,
        delivery.octets,
        report,
        delivery.refused,
        *(_vouched(delivery.authentication) if delivery.authentication else _NO_VERDICT),
    )
    return _refused(prepared, trouble, "refused", gzip) if trouble else prepared


def poorer(delivery: Prepared, error: Exception, code: str) -> Iterator[Prepared]:
    """A delivery that the database refuses: with its document instead of its report, and then with the reason only."""
    if delivery.report:
        delivery = _refused(delivery, error, code, delivery.report.gzip)
        yield delivery
    reason = delivery.reason
    if reason is not None:
        reason = f"{ascii(reason)[1:-1]} (the database took nothing else of it: {words(error)})"[: limits.TEXT]
    yield Prepared(*delivery[:5], stage=delivery.stage, code=delivery.code, reason=reason, place=delivery.place)


def _refused(delivery: Prepared, error: Exception, code: str, gzip: bytes) -> Prepared:
    reason = f"the database refused the report: {words(error)}"
    # A document is an item of its own, from which the report can be read again.
    return delivery._replace(
        stage="store", code=code, reason=reason, report=None, refused=None, octets=delivery.octets or gzip
    )


def _vouched(one: Authentication) -> "_Vouched":
    domain, selector, voucher = (
        value and value[: limits.DOMAIN] for value in (one.domain, one.selector, one.organizational_domain)
    )
    return str(one.verdict), domain, selector, one.reason and one.reason[: limits.TEXT], voucher


_Vouched = tuple[str | None, str | None, str | None, str | None, str | None]
_NO_VERDICT: Final[_Vouched] = (None, None, None, None, None)


def _because(failure: Unreadable) -> tuple[str, str, str]:
    return failure.stage, failure.code, str(failure)[: limits.TEXT]


_NO_REASON: Final = (None, None, None)


def _name(value: str | None) -> str | None:
    return value and value[: limits.NAME]
