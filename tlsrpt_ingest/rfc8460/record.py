"""The `_smtp._tls` TXT record of RFC 8460 section 3: where senders are to send reports.

Pure, and strict: what it refuses, some senders do not read. Several records, of which senders take none, are the
caller's to count.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tlsrpt_ingest.rfc8461.fields import Fields, InvalidRecord, extension, misspelt, once, select, split

__all__ = ["VERSION", "InvalidRecord", "Record", "address", "parse_record", "scheme", "select"]

VERSION: Final = "v=TLSRPTv1"


@dataclass(frozen=True, slots=True)
class Record:
    """A record; `str()` is its text."""

    rua: tuple[str, ...]
    """URIs, at least one; RFC 8460 defines mailto and https."""
    extensions: Fields = ()
    """Fields that RFC 8460 does not know, which senders ignore."""

    def __str__(self) -> str:
        """The text to publish."""
        fields = [f"rua={','.join(self.rua)}", *(f"{name}={value}" for name, value in self.extensions)]
        return "; ".join([VERSION, *fields])


def parse_record(text: str) -> Record:
    """Read the strings of a TXT record, concatenated; raises InvalidRecord.

    Its codes: "version", "field", "rua-missing", "rua-twice", "rua-scheme-missing", "rua-uri".
    """
    fields = split(text, VERSION)
    value = once(fields, "rua")
    if value is None:
        raise InvalidRecord("rua-missing", f"it has no field rua={misspelt(fields, 'rua')}")
    rua = tuple(_uri(one.strip(" \t")) for one in value.split(","))
    return Record(rua, tuple(extension(name, other) for name, other in fields if name != "rua"))


def scheme(uri: str) -> str:
    """The scheme of a URI, in lower case."""
    return uri.partition(":")[0].lower()


def address(uri: str) -> str | None:
    """The address of a mailto URI (RFC 6068), percent-decoded; None for other URIs."""
    return unquote(uri.partition(":")[2].partition("?")[0]) if scheme(uri) == "mailto" else None


def _uri(text: str) -> str:
    """A URI that may stand in rua: RFC 3986, with comma, exclamation point and semicolon percent-encoded."""
    if not _SCHEME.match(text):
        raise InvalidRecord(
            "rua-scheme-missing", f"rua {text[:80]!r} is no URI: nothing like mailto: or https: stands in front"
        )
    if not _URI.fullmatch(text):
        raise InvalidRecord(
            "rua-uri",
            f"rua {text[:80]!r} has a character that may not stand in a URI; write it as % and two hexadecimal digits",
        )
    if scheme(text) == "mailto" and not _MAILBOX.fullmatch(address(text) or ""):
        raise InvalidRecord("rua-uri", f"rua {text[:80]!r} has no address like tlsrpt@example.org behind mailto:")
    if scheme(text) == "https" and not _AUTHORITY.match(text):
        raise InvalidRecord("rua-uri", f"rua {text[:80]!r} names no host; write https://HOST/PATH")
    return text


_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CHARACTER: Final = r"(?:[A-Za-z0-9._~$&'()*+=:@-]|%[0-9A-Fa-f]{2})"
_URI: Final = re.compile(
    rf"{_SCHEME.pattern}(?://(?:{_CHARACTER}|\[[0-9A-Fa-f:.]+\])*(?:/{_CHARACTER}*)*|(?:{_CHARACTER}|/(?!/))"
    rf"(?:{_CHARACTER}|/)*)(?:\?(?:{_CHARACTER}|[/?])*)?(?:#(?:{_CHARACTER}|[/?])*)?"
)
_MAILBOX: Final = re.compile(r"[^@\s]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_AUTHORITY: Final = re.compile(r"https://(?:[^/?#@]*@)?[^/?#@:]", re.IGNORECASE)
