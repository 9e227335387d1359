"""Checking the `_smtp._tls` record (RFC 8460 section 3): that it is there and right, and leads to us."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.lookup import Lookup
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.txt import Txt, unknown_fields
from tlsrpt_ingest.rfc8460 import record
from tlsrpt_ingest.store.published import TLSRPT_RECORD

SCHEMES: Final = ("mailto", "https")


@dataclass(frozen=True, slots=True)
class Ours:
    """The URIs at which we take reports."""

    uris: tuple[str, ...]
    complete: bool = False
    """Whether the operator has listed them, so that all others are not ours."""

    def has(self, uri: str) -> bool:
        """Whether it is one of ours; mail addresses compare without case, as every mailbox we know does."""
        return _plain(uri) in {_plain(one) for one in self.uris}


def tlsrpt_checks(lookup: Lookup, published: Published, ours: Ours) -> Iterator[Check]:
    """Look up the record; `published` gets it."""
    name = f"_smtp._tls.{published.domain}"
    txt = Txt(name, record.VERSION, "tlsrpt", record.parse_record)
    yield from txt.check(lookup)
    if txt.answer is not None:
        published.keep(TLSRPT_RECORD, txt.text)
        published.tlsrpt_ttl = txt.answer.ttl
    if txt.missing and published.takes_mail:
        yield found(name, "tlsrpt-missing", txt.absence)
    if txt.record is None:
        return
    published.tlsrpt_record = txt.record
    yield found(name, "tlsrpt-record", f"{txt.text}{txt.beside}")
    yield from unknown_fields(name, "tlsrpt", txt.record.extensions)
    yield from _rua(name, txt.record.rua, ours)


def _rua(name: str, uris: Collection[str], ours: Ours) -> Iterator[Check]:
    strange = [uri for uri in uris if record.scheme(uri) not in SCHEMES]
    for uri in strange:
        yield found(name, "tlsrpt-rua-scheme", f"rua {uri} is neither mailto: nor https:")
    if mine := [uri for uri in uris if ours.has(uri)]:
        yield found(name, "rua-ours", f"reports come to us at {' and '.join(mine)}")
    elif len(strange) < len(uris):
        listed = ", ".join(uri for uri in uris if uri not in strange)
        if ours.complete:
            yield found(name, "rua-not-ours", f"reports go to {listed}, none of which is in rua of [posture]")
        else:
            yield found(name, "rua-unknown", f"nothing in the config says that we read what goes to {listed}")


def _plain(uri: str) -> str:
    if (address := record.address(uri)) is not None:
        return f"mailto:{address.lower()}"
    try:
        parts = urlsplit(uri)
    except ValueError:
        # Brackets around what is no IPv6 address: equal to nothing but itself.
        return uri
    return f"{parts.scheme.lower()}://{parts.netloc.lower().removesuffix(':443')}{parts.path.rstrip('/')}?{parts.query}"
