"""What our own mail server says about a message's DKIM signatures: Authentication-Results (RFC 8601).

Anybody can write such a field. Believed are those that bear a configured authserv-id and stand on top, where our server
put them; from the first Received below them on, all is the sender's (RFC 8601 section 5). A server that passes forged
fields of its own name through, and adds none for a mail without a signature, is believed only as far as the message has
the signature that the field speaks of.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.mail.entity import fields

_FIELD: Final = b"authentication-results"
_NAMES: Final = frozenset({_FIELD, b"received"})
_DOMAIN: Final = re.compile(r"[a-z0-9_.-]{1,253}")
_LENGTH: Final = 8 * limits.NAME
_PIECE: Final = re.compile(r"\\.|.", re.DOTALL)
_CLAUSE: Final = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*")+')
_PROPERTY: Final = re.compile(r'([\w./-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s"]+)')


@dataclass(frozen=True, slots=True)
class Result:
    """What is said of one signature, in lower case."""

    authserv_id: str
    result: str
    """RFC 8601 section 2.7.1: none, pass, fail, policy, neutral, temperror or permerror; or anything."""
    domain: str | None = None
    selector: str | None = None


def results(octets: bytes, authserv_ids: Collection[str]) -> tuple[Result, ...]:
    """What the topmost field of a configured authserv-id (in lower case) that speaks of DKIM says; nothing if none."""
    met = False
    seen = 0
    for name, raw in fields(octets, _NAMES):
        if name != _FIELD:
            if met:
                return ()
            continue
        seen += 1
        if seen > limits.AUTHENTICATION_RESULTS:
            return ()
        authserv_id, clauses = _parse(raw)
        if authserv_id not in authserv_ids:
            continue
        met = True
        if found := tuple(_dkim(authserv_id, clauses)):
            return found
    return ()


def _parse(raw: bytes) -> tuple[str, list[str]]:
    """The authserv-id, and the clauses behind it."""
    head, *clauses = _CLAUSE.findall(_without_comments(raw[:_LENGTH].decode("latin-1"))) or [""]
    words = head.split()
    return (words[0].strip('"').lower() if words else ""), clauses


def _without_comments(text: str) -> str:
    """Comments nest, and a quoted string may look like one (RFC 5322 section 3.2)."""
    kept: list[str] = []
    depth = 0
    quoted = False
    for piece in _PIECE.findall(text):
        if piece == '"' and not depth:
            quoted = not quoted
        elif piece == "(" and not quoted:
            depth += 1
        if not depth:
            kept.append(piece)
        elif piece == ")":
            depth -= 1
    return "".join(kept)


def _dkim(authserv_id: str, clauses: list[str]) -> Iterator[Result]:
    for clause in clauses:
        pairs = [(name.lower(), value.strip('"')) for name, value in _PROPERTY.findall(clause)]
        if not pairs or pairs[0][0].partition("/")[0] != "dkim":
            continue
        given = dict(reversed(pairs[1:]))
        domain = given.get("header.d") or given.get("header.i", "").rpartition("@")[2]
        yield Result(
            authserv_id,
            pairs[0][1].lower(),
            _name(domain),
            _name(given.get("header.s", "")),
        )


def _name(text: str) -> str | None:
    found = _DOMAIN.fullmatch(text.lower().rstrip("."))
    return found and found[0]
