"""One DKIM signature (RFC 6376) under the rules of RFC 8460: no `l=`, and a key that may be used for reports.

dkimpy verifies. What it would be slow at (runs of blanks, thousands of signed names, keys of many kilobytes), takes for
something else (a service type that it does not know) or does not look at (a key in testing mode) is decided before.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.mail.entity import fields
from tlsrpt_ingest.verdict import Verdict

Keys = Callable[[str], Sequence[bytes] | None]
"""The TXT records at a name, each in one piece; None where the DNS does not answer in time."""

_FIELD: Final = frozenset({b"dkim-signature"})
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9_])?")
_BLANK: Final = bytes.maketrans(b"\t\n\r\f\v", b" " * 5)
_BLANKS: Final = b" " * 16
_RUN: Final = b" " * 256
_SERVICES: Final = frozenset({"*", "email", "tlsrpt"})
"""Service types of keys that may sign a report (RFC 6376 section 3.6.1, RFC 8460 section 3): it is an e-mail too."""
_SILENT: Final = logging.Logger("dkimpy", logging.CRITICAL + 1)  # noqa: LOG001 - not one that prints
"""dkimpy logs what is wrong with a stranger's key as an error of the program; the verdict says it already."""
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature field that can be read."""

    index: int
    """Which of the message's, from the top."""
    tags: dict[str, str]
    domain: str
    """`d=`, in lower case."""
    selector: str
    """`s=`, in lower case."""


def signatures(octets: bytes) -> Iterator[Signature]:
    """The first limits.SIGNATURES of a message that can be read."""
    for index, (_name, raw) in enumerate(fields(octets, _FIELD)):
        if index == limits.SIGNATURES:
            return
        tags = {}
        if len(raw) <= limits.SIGNATURE and _BLANKS not in raw.translate(_BLANK):
            tags = _tags(raw.replace(b"\r\n", b"").replace(b"\n", b""))
        domain, selector = (tags.get(tag, "").lower().rstrip(".") for tag in "ds")
        if _NAME.fullmatch(domain) and _NAME.fullmatch(selector):
            yield Signature(index, tags, domain, selector)


def verify(octets: bytes, signature: Signature, keys: Keys) -> tuple[Verdict, str | None]:
    """Whether the signature is a report's and holds, and why not; the words are printable ASCII."""
    try:
        _check(octets, signature)
        _compute(octets, signature, _key(signature, keys))
    except _NoPassError as no:
        return no.verdict, no.words
    return Verdict.PASS, None


class _NoPassError(Exception):
    def __init__(self, verdict: Verdict, words: str) -> None:
        self.verdict = verdict
        self.words = words


def _check(octets: bytes, signature: Signature) -> None:
    """What can be said without the key: what RFCs forbid, and what nobody should compute."""
    tags = signature.tags
    names = tags.get("h", "").lower().split(":")
    if "l" in tags:
        raise _NoPassError(Verdict.POLICY_MISMATCH, "the signature has l=, which RFC 8460 section 5.3 forbids")
    if tags.get("a", "").lower() == "rsa-sha1":
        raise _NoPassError(Verdict.POLICY_MISMATCH, "the signature is rsa-sha1, which RFC 8301 section 3.1 forbids")
    if "from" not in {name.strip() for name in names}:
        raise _NoPassError(Verdict.FAIL, "the signature does not cover From (RFC 6376 section 5.4)")
    if len(names) > limits.SIGNED_FIELDS:
        raise _NoPassError(Verdict.NONE, f"a signature of more than {limits.SIGNED_FIELDS} fields is not verified")
    if len(octets) > limits.SIGNED_MESSAGE:
        raise _NoPassError(Verdict.NONE, f"a mail of more than {limits.SIGNED_MESSAGE} octets is not verified")
    if not _BLANK_LINE.search(octets, 0, limits.SIGNED_HEADER):
        raise _NoPassError(Verdict.NONE, f"a header of more than {limits.SIGNED_HEADER} octets is not verified")
    if _RUN in octets.replace(b"\t", b" "):
        raise _NoPassError(Verdict.NONE, f"a mail with {len(_RUN)} blanks in a row is not verified")


def _key(signature: Signature, keys: Keys) -> dict[str, str]:
    """The tags of the key's record (RFC 6376 section 3.6.1)."""
    records = keys(f"{signature.selector}._domainkey.{signature.domain}")
    if records is None:
        raise _NoPassError(Verdict.TEMPERROR, "the DNS did not answer in time about the key")
    record = next((one for one in records if b"p=" in one), None)
    if record is None:
        raise _NoPassError(Verdict.FAIL, "the key is not in the DNS, or not any more")
    if len(record) > limits.KEY_RECORD:
        raise _NoPassError(Verdict.FAIL, f"the key's record has more than {limits.KEY_RECORD} octets")
    key = _tags(record)
    if not key.get("p"):
        raise _NoPassError(Verdict.FAIL, "the key is revoked")
    if not _SERVICES & {one.strip() for one in key.get("s", "*").split(":")}:
        raise _NoPassError(Verdict.POLICY_MISMATCH, "the key's service type (s=) allows neither reports nor e-mail")
    if "y" in {one.strip() for one in key.get("t", "").split(":")}:
        raise _NoPassError(Verdict.POLICY_MISMATCH, "the key is in testing mode (t=y)")
    return key


def _compute(octets: bytes, signature: Signature, key: dict[str, str]) -> None:
    # Imported here: a tenth of a second, which only those should pay who have a signature to verify.
    from dkim import DKIM, DKIMException, NaClNotFoundError  # noqa: PLC0415 - as said

    # dkimpy knows a single service type, where there may be a list.
    record = "; ".join(f"{name}={value}" for name, value in key.items() if name != "s").encode("ascii", "replace")
    try:
        message = DKIM(octets.lstrip(b"\r\n"), logger=_SILENT, tlsrpt=True)
        holds = message.verify(signature.index, lambda *_name, **_timeout: record)
    except NaClNotFoundError:
        raise _NoPassError(Verdict.NONE, "ed25519-sha256 is not verified here") from None
    except DKIMException as error:
        expiry = signature.tags.get("x", "")
        if expiry.isascii() and expiry.isdigit() and int(expiry) < time.time():
            raise _NoPassError(Verdict.FAIL, "the signature has expired (x=)") from None
        words = f"the signature does not hold: {ascii(str(error))[1:-1][:200]}"
        raise _NoPassError(Verdict.FAIL, words) from None
    except Exception as error:  # noqa: BLE001 - dkimpy on hostile octets: IndexError, TypeError, whatever nobody foresaw
        words = f"the signature or its key makes no sense ({type(error).__name__})"
        raise _NoPassError(Verdict.FAIL, words) from None
    if not holds:
        raise _NoPassError(Verdict.FAIL, "the signature does not hold: other fields were signed, or by another key")


def _tags(raw: bytes) -> dict[str, str]:
    """A tag-list (RFC 6376 section 3.2); empty where it is none, or has a tag twice."""
    found: dict[str, str] = {}
    for one in raw.decode("latin-1").split(";"):
        name, equals, value = one.partition("=")
        name = name.strip()
        if not name and not equals:
            continue
        if not equals or name in found:
            return {}
        found[name] = value.strip()
    return found
