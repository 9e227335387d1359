"""Find every report document in a message, wherever it sits and whatever it is labelled (RFC 8460 section 5)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable, unforeseen
from tlsrpt_ingest.mail.entity import Entity, bare_part, decode, entity, parts
from tlsrpt_ingest.mail.field import addr_spec, clean, text
from tlsrpt_ingest.mail.inflate import Allowance, Inflated, inflate, sniff
from tlsrpt_ingest.rfc8460 import Deviation, Hints


class Document(NamedTuple):
    """One report document found in a message."""

    octets: bytes
    """The JSON text, inflated within limits.DOCUMENT."""
    gzip: bytes | None
    """The gzip stream it came in, where that is one clean member (kept as it is); None where it came otherwise."""
    hints: Hints
    deviations: tuple[Deviation, ...] = ()
    """What the mail around it did otherwise than RFC 8460 section 5 (path "mail")."""


class Mail(NamedTuple):
    """What one message, or bare file, holds."""

    documents: tuple[Document | Unreadable, ...]
    """Every report document in order of appearance; an Unreadable where one is there and cannot be had."""
    claims: bool
    """Whether headers or labels call it a TLS report, so that finding none in it is a fault and not other mail.

    The Subject alone does not: DMARC reports have the same one (RFC 7489 section 7.2.1.1).
    """
    message_id: str | None = None
    """Header values: decoded (RFC 2047), unfolded, shortened to limits.NAME; still a stranger's text."""
    sender: str | None = None
    """The addr-spec of From."""
    subject: str | None = None
    submitter: str | None = None


def open_mail(octets: bytes, name: str | None = None) -> Mail:
    """Open a message (RFC 5322), or a bare document (JSON, gzip or zip by its magic octets); never raises."""
    try:
        return _open_bare(octets, name) if sniff(octets) else _open_message(octets, name)
    except Exception as error:  # noqa: BLE001 - one message never stops the run: what nobody foresaw is its own reason
        return Mail((unforeseen("mail", error),), claims=False)


def open_posted(octets: bytes, media_type: str) -> Mail:
    """Open the body of a POST (RFC 8460 section 5.4), which is a document and called a report; never raises."""
    try:
        called_gzip = "gzip" in media_type
        codes = _label_codes(media_type, None, sniff(octets), called_gzip=called_gzip) if media_type else []
        documents = tuple(_documents(octets, Hints(), codes, called_gzip=called_gzip))
    except Exception as error:  # noqa: BLE001 - as above
        return Mail((unforeseen("mail", error),), claims=False)
    if not documents:
        what = "neither JSON nor gzip nor zip" if octets.strip() else "nothing at all"
        documents = (Unreadable("mail", "unknown-format", f"the body holds {what}"),)
    return Mail(documents, claims=True)


_TLSRPT: Final = "application/tlsrpt"
_REGISTERED: Final = frozenset({"application/tlsrpt+gzip", "application/tlsrpt+json"})
_MESSAGE: Final = frozenset({"message/rfc822", "message/global"})
_BOUNCE: Final = frozenset({"delivery-status", "disposition-notification"})
_HEAD: Final = 4096
"""Octets of a part that are decoded to see what it is."""
_REPORT_NAME: Final = re.compile(r"[^!]+![^!]+!.*\.json(?:\.gz|\.gzip|\.zip)?", re.IGNORECASE | re.DOTALL)
"""A file name of RFC 8460 section 5.1, as far as senders keep to it; DMARC's has the same shape and ends in .xml."""
_WORDS: Final = (b"report-id", b"date-range", b"policies", b"policy-type", b"organization-name")


@dataclass(slots=True)
class _Around:
    """The message that a document lies in: the innermost one, for a forwarded report."""

    hints: Hints = field(default_factory=Hints)
    codes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    """A document before the whole message is read: an open multipart still adds to `codes`."""

    inflated: Inflated
    hints: Hints
    codes: list[str]

    def document(self) -> Document:
        deviations = tuple(Deviation(code, "mail") for code in dict.fromkeys(self.codes + self.inflated.codes))
        return Document(self.inflated.octets, self.inflated.gzip, self.hints, deviations)


@dataclass(slots=True)
class _Search:
    """The walk through one message."""

    claims: bool = False
    found: list[_Found | Unreadable] = field(default_factory=list)
    asides: list[_Found] = field(default_factory=list)
    """JSON in a text part that nothing calls a report: the report, where there is no other (RFC 8460 section 5.3 puts
    words for people there, and a copy of the report may be among them)."""
    doubts: list[Unreadable] = field(default_factory=list)
    """What could not be opened and was not called a TLS report: somebody's archive, or the report after all."""
    stopped: Unreadable | None = None
    labels: list[str] = field(default_factory=list)
    entities: int = 0
    allowance: Allowance = field(default_factory=Allowance)

    def message(self, octets: bytes, start: int, end: int, outer: _Around, depth: int) -> Entity:
        """Search one message, with what its header says as hints; a field that it lacks is taken from the outer one."""
        top = entity(octets, start, end)
        domain, submitter = (text(top.fields.get(name)) for name in (b"tls-report-domain", b"tls-report-submitter"))
        called = top.media_type == "multipart/report" and top.parameters.get("report-type", "").lower() == "tlsrpt"
        self.claims |= called or domain is not None or submitter is not None
        codes = {
            "not-multipart-report": not called,
            "no-tls-report-headers": domain is None or submitter is None,
        }
        hints = Hints(
            report_domain=domain or outer.hints.report_domain,
            submitter=submitter or outer.hints.submitter,
            subject=text(top.fields.get(b"subject")) or outer.hints.subject,
        )
        self._entity(top, _Around(hints, [code for code, met in codes.items() if met]), depth)
        return top

    def documents(self) -> tuple[Document | Unreadable, ...]:
        """What it has come to, once the walk is over."""
        found = list(self.found)
        if not any(isinstance(one, _Found) for one in found):
            found += self.asides or (self.doubts if self.claims else [])
        if self.stopped and (found or self.claims):
            found.append(self.stopped)
        if self.claims and not found:
            held = ", ".join(self.labels[:5]) or "nothing"
            found.append(
                Unreadable(
                    "mail",
                    "no-document",
                    f"it is called a TLS report and holds none, only {held}; was the attachment removed on the way?",
                )
            )
        return tuple(one.document() if isinstance(one, _Found) else one for one in found)

    def _entity(self, one: Entity, around: _Around, depth: int) -> None:
        self.entities += 1
        if self.entities > limits.PARTS:
            self.stopped = Unreadable(
                "mail", "too-many-parts", f"more than {limits.PARTS} MIME parts; the others were not looked at"
            )
        elif one.flooded:
            # Its Content-Type may stand behind the bound, so that nobody can say that it is other mail.
            self.found.append(
                Unreadable("mail", "header-flood", f"a header of more than {limits.HEADERS} octets; no mail has that")
            )
        elif depth > limits.PART_DEPTH:
            self.stopped = Unreadable(
                "mail", "too-deep", f"parts nested more than {limits.PART_DEPTH} deep; those were not looked at"
            )
        elif not (one.media_type.startswith("multipart/") and self._multipart(one, around, depth)):
            self._single(one, around, depth)

    def _multipart(self, one: Entity, around: _Around, depth: int) -> bool:
        """Search the parts; False where no delimiter is to be found."""
        if one.parameters.get("report-type", "").lower() in _BOUNCE:
            return True  # a report of ours that came back is no report to us
        found, asides = len(self.found), len(self.asides)
        closed = None
        try:
            for start, end, closed in parts(one):  # noqa: B007 - the last one's word counts
                self._entity(_part(one, start, end), around, depth + 1)
                if self.entities > limits.PARTS:
                    break
        except Unreadable as flood:
            self.stopped = flood
        if closed is False:
            for document in (*self.found[found:], *self.asides[asides:]):
                if isinstance(document, _Found):
                    document.codes.append("no-close-delimiter")
        return closed is not None

    def _single(self, one: Entity, around: _Around, depth: int) -> None:
        label = one.media_type[:80] + (f" {one.filename[:100]}" if one.filename else "")
        self.labels.append(ascii(label))
        name = (one.filename or "").lower()
        called = one.media_type.startswith(_TLSRPT) or is_report_name(name)
        self.claims |= called
        if one.media_type in _MESSAGE or name.endswith(".eml"):
            octets, _damaged = decode(one.body(), one.transfer_encoding)
            self.message(octets, 0, len(octets), around, depth + 1)
            return
        called_gzip = "gzip" in one.media_type or name.endswith((".gz", ".gzip"))
        opened = _decoded(one)
        if opened is None and called:
            opened = decode(one.body(), one.transfer_encoding)[0], []
        if opened is None:
            return
        octets, codes = opened
        codes += around.codes + ["content-type-misspelled"] * one.misspelled
        codes += _label_codes(one.media_type, name, sniff(octets), called_gzip=called_gzip)
        met = False
        for inflated in inflate(octets, self.allowance, called_gzip=called_gzip):
            met = True
            if isinstance(inflated, Unreadable):
                failure = Unreadable(inflated.stage, inflated.code, f"the part {label!a}: {inflated}")
                (self.found if called else self.doubts).append(failure)
            elif self.claims or _speaks_of_tls(inflated.octets):
                hints = around.hints._replace(filename=one.filename)
                if inflated.name and not is_report_name(one.filename):
                    hints = hints._replace(filename=clean(inflated.name))
                document = _Found(inflated, hints, list(codes))
                if one.media_type.startswith("text/") and not one.filename:
                    self.asides.append(document)
                else:
                    self.found.append(document)
        if called and not met:
            what = "neither JSON nor gzip nor zip" if octets.strip() else "nothing at all"
            self.found.append(Unreadable("mail", "unknown-format", f"the part {label!a} holds {what}"))


def _part(multipart: Entity, start: int, end: int) -> Entity:
    if sniff(multipart.octets[start : min(end, start + _HEAD)]):
        return bare_part(multipart.octets, start, end)
    part = entity(multipart.octets, start, end)
    if multipart.media_type == "multipart/digest" and not part.labelled:
        return replace(part, media_type="message/rfc822")  # RFC 2046 section 5.1.5
    return part


def is_report_name(name: str | None) -> bool:
    """Whether a file name is one of RFC 8460 section 5.1: only TLS reports have `!` in it and end in .json."""
    return bool(name and _REPORT_NAME.fullmatch(name))


def _open_bare(octets: bytes, name: str | None) -> Mail:
    """A file."""
    documents = tuple(_documents(octets, Hints(filename=clean(name) if name else None), []))
    claims = is_report_name(name)
    if claims and not documents:
        documents = (Unreadable("mail", "unknown-format", "there is no JSON text in it, though the file name says so"),)
    return Mail(documents, claims)


def _documents(
    octets: bytes, hints: Hints, codes: list[str], *, called_gzip: bool = False
) -> Iterator[Document | Unreadable]:
    for one in inflate(octets, Allowance(), called_gzip=called_gzip):
        if isinstance(one, Unreadable):
            yield one
        else:
            member = clean(one.name) if one.name and not is_report_name(hints.filename) else None
            yield _Found(one, hints._replace(filename=member or hints.filename), list(codes)).document()


def _open_message(octets: bytes, name: str | None) -> Mail:
    search = _Search(claims=is_report_name(name))
    first = len(octets) - len(octets.lstrip(b"\r\n"))
    top = search.message(octets, first, len(octets), _Around(), depth=0)
    documents = search.documents()
    submitters = (one.hints.submitter for one in documents if isinstance(one, Document))
    return Mail(
        documents,
        search.claims,
        message_id=text(top.fields.get(b"message-id")),
        sender=addr_spec(top.fields.get(b"from")),
        subject=text(top.fields.get(b"subject")),
        submitter=text(top.fields.get(b"tls-report-submitter")) or next(submitters, None),
    )


def _decoded(one: Entity) -> tuple[bytes, list[str]] | None:
    """A part's octets where they are something to read, by its Content-Transfer-Encoding or in spite of it."""
    called = one.transfer_encoding
    head = one.head(_HEAD)
    for encoding in (called, "" if decode(head, called)[0] != head else "base64"):
        if sniff(decode(head, encoding)[0]):
            octets, damaged = decode(one.body(), encoding)
            codes = ["transfer-encoding-label"] if encoding != called else []
            return octets, codes + ["damaged-base64"] * damaged
    return None


def _label_codes(media_type: str, name: str | None, kind: str | None, *, called_gzip: bool) -> list[str]:
    called_json = not called_gzip and (media_type.endswith("json") or (name or "").endswith(".json"))
    codes = {
        "media-type-label": media_type not in _REGISTERED,
        "json-labelled-gzip": kind == "json" and called_gzip,
        "gzip-labelled-json": kind == "gzip" and called_json,
    }
    return [code for code, met in codes.items() if met]


def _speaks_of_tls(document: bytes) -> bool:
    """Whether a JSON text that nothing calls a report has a word of RFC 8460 section 4.4 in it."""
    plain = document.replace(b"\0", b"") if b"\0" in document[:_HEAD] else document
    return any(word in plain for word in _WORDS)
