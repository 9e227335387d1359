"""Header fields: from raw octets to text and parameters that are safe to keep (RFC 5322, 2045, 2047, 2231).

Python's `email` does the decoding. It is made for mail that means well: it raises whatever comes up on odd octets and
takes quadratic time over some long values, so each call sees a bounded value and is allowed to fail.
"""

import contextlib
import re
from email.header import decode_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Final

from tlsrpt_ingest import limits

_ENCODED: Final = 4 * limits.NAME
"""Octets of a value that are decoded for limits.NAME characters of text: encoded words of base64 UTF-8 fit."""

_PARAMETERS: Final = 8 * limits.NAME
"""Octets of a field whose parameters are taken apart: a long file name in RFC 2231 pieces is under one KiB."""

_FOLD: Final = re.compile(rb"[\r\n]+(?=[ \t])")
_BLANKS: Final = re.compile(r"\s+")
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_ANGLE: Final = re.compile(r"<([^<>\s]+)>\s*$")
_ADDR_SPEC: Final = re.compile(r"[^\s<>()\",;:]+@[^\s<>()\",;:]+")


def text(raw: bytes | None) -> str | None:
    """The value of an unstructured field: unfolded, encoded words decoded, runs of blanks made one; None for nothing.

    At most limits.NAME characters; no NUL and no lone surrogate is left in it, any other character may be.
    """
    if raw is None:
        return None
    return clean(_decoded(_FOLD.sub(b"", raw[:_ENCODED]).decode("utf-8", "replace")))


def clean(value: str) -> str | None:
    """A stranger's text made storable: see `text`."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", _BLANKS.sub(" ", value[:_ENCODED]).strip())[: limits.NAME] or None


def addr_spec(raw: bytes | None) -> str | None:
    """The addr-spec of a From field; the whole value where none can be made out."""
    value = text(raw)
    if value is None:
        return None
    found = _ANGLE.search(value)
    if found:
        return found[1]
    bare = _ADDR_SPEC.search(value)
    return bare[0] if bare else value


def parameters(raw: bytes | None) -> tuple[str, dict[str, str]]:
    """The value before the first semicolon, in lower case, and the parameters: `Content-Type`, `Content-Disposition`.

    Parameter values are as they stand, RFC 2231 pieces joined and decoded. Latin-1 stands for octets above 127.
    """
    if raw is None:
        return "", {}
    message = Message()
    message["Content-Type"] = _FOLD.sub(b"", raw[:_PARAMETERS]).decode("latin-1").replace("\n", " ")
    try:
        found = message.get_params(failobj=[])
        (value, _), *rest = [(name.lower(), collapse_rfc2231_value(each)) for name, each in found] or [("", "")]
    except Exception:  # noqa: BLE001 - email's own words: "raise whatever" (ValueError, LookupError, TypeError, ...)
        return "", {}
    return value.strip(), dict(reversed(rest))


def filename(*fields: dict[str, str]) -> str | None:
    """The file name among the parameters of Content-Disposition and Content-Type, in this order (RFC 2183, 2045)."""
    for name, found in zip(("filename", "name"), fields, strict=False):
        value = found.get(name)
        if value:
            # Fails where it was Latin-1 indeed, or RFC 2231 has decoded it already.
            with contextlib.suppress(UnicodeError):
                value = value.encode("latin-1").decode()
            return clean(_decoded(value[:_ENCODED]))
    return None


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "raw-unicode-escape", "replace")
            for piece, charset in decode_header(_BLANKS.sub(" ", value))
        )
    except Exception:  # noqa: BLE001 - an encoded word that cannot be decoded is shown as it stands (RFC 2047 section 6.2)
        return value
