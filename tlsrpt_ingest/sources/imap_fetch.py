"""FETCH of one thing for many messages: a plain answer is read here, any other by imapclient's parser.

That parser takes each octet of an answer in hand, which costs more than reading the answer. Plain is how Dovecot,
Cyrus and Gmail answer when nobody else is at the mailbox: the UID first, then what was asked for, and nothing else.
"""

import imaplib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from imapclient import IMAPClient
from imapclient.response_parser import parse_fetch_response

SIZE: Final = "RFC822.SIZE"
BODY: Final = "BODY[]"

_ASKED: Final = {SIZE: "(RFC822.SIZE)", BODY: "(BODY.PEEK[])"}
_SIZE: Final = re.compile(rb"\d+ \(UID (\d+) RFC822\.SIZE (\d+)\)")
_BODY: Final = re.compile(rb"\d+ \(UID (\d+) BODY\[\] \{\d+\}")


def fetch(client: IMAPClient, uids: Sequence[int], what: str) -> Mapping[int, Any]:
    """By UID, SIZE (octets, a number) or BODY (the octets) of what the server hands out, which may be others too.

    A message that is missing was expunged meanwhile. Raises what `client.fetch` raises.
    """
    # imapclient has no public way to an answer that is not parsed yet (tests/servers/test_imap_fetch.py tells).
    imap = client._imap  # noqa: SLF001 - as said
    said, answers = imap.uid("FETCH", _sequence_set(uids), _ASKED[what])
    if said != "OK":
        raise imaplib.IMAP4.error(*answers)
    found = _bodies(answers) if what == BODY else _sizes(answers)
    return _any(answers, what) if found is None else found


def _sequence_set(uids: Iterable[int]) -> str:
    """UIDs in ascending order (RFC 3501 section 9): by ranges, since Dovecot takes its time over a long line."""
    ranges: list[tuple[int, int]] = []
    for uid in uids:
        first = ranges.pop()[0] if ranges and ranges[-1][1] == uid - 1 else uid
        ranges.append((first, uid))
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)


def _sizes(answers: Sequence[Any]) -> dict[int, int] | None:
    """The sizes; None where an answer is not plain."""
    found = {}
    for answer in answers:
        plain = _SIZE.fullmatch(answer) if isinstance(answer, bytes) else None
        if plain is None:
            return None
        found[int(plain[1])] = int(plain[2])
    return found


def _bodies(answers: Sequence[Any]) -> dict[int, bytes] | None:
    """The bodies; None where an answer is not plain."""
    if len(answers) % 2:
        return None
    found = {}
    # imaplib makes two of an answer: what ends with a literal, with the literal, and what is behind it.
    for head, tail in zip(answers[::2], answers[1::2], strict=True):
        plain = _BODY.fullmatch(head[0]) if isinstance(head, tuple) and tail == b")" else None
        if plain is None:
            return None
        found[int(plain[1])] = head[1]
    return found


def _any(answers: Sequence[Any], what: str) -> dict[int, Any]:
    """The same of whatever imapclient can read."""
    kind, key = bytes if what == BODY else int, what.encode()
    # Flags in an answer are not believed: an unsolicited FETCH stands under a sequence number here. NIL is a message
    # that was expunged.
    parsed = parse_fetch_response(answers, normalise_times=False)
    return {uid: values[key] for uid, values in parsed.items() if isinstance(values.get(key), kind)}
