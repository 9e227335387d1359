"""Names of IMAP mailboxes: from what the config says to what the server has (RFC 3501 sections 5.1 and 6.3.8)."""

import fnmatch
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from imapclient import IMAPClient

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.sources.source import Mailbox

_SHOWN = 20
"""Folders named in a message that says that one is missing."""


class Folders(NamedTuple):
    """The mailboxes of an account as its server lists them."""

    names: tuple[str, ...]
    delimiter: str
    """What the server puts between the levels of a name."""
    prefix: str
    """What the names of the personal namespace begin with (RFC 2342): "INBOX." at Cyrus and Courier."""

    def matching(self, wanted: Iterable[str], who: str) -> Iterator[str]:
        """The server's names for the config's, each once; at the end raises Misconfigured for one that it has not."""
        found: dict[str, None] = {}
        missing: list[str] = []
        for pattern in wanted:
            matches = [name for name in self.names if self._is(pattern, name)]
            if not matches and not _is_glob(pattern):
                missing.append(pattern)
            found.update(dict.fromkeys(matches))
        yield from found
        if missing:
            shown = ", ".join(self._written(name) for name in self.names[:_SHOWN])
            raise Misconfigured(f"{who}: there is no folder {missing[0]!r} (folders of [[imap]]); there is: {shown}")

    def at_server(self, name: str) -> str:
        """The server's name for a folder that the config names, and that need not be there yet."""
        if name.upper() == "INBOX":
            return "INBOX"
        spelled = name.replace("/", self.delimiter)
        return spelled if spelled.startswith(self.prefix) else self.prefix + spelled

    def _written(self, name: str) -> str:
        return name.replace(self.delimiter, "/")

    def _is(self, pattern: str, name: str) -> bool:
        # RFC 3501 section 5.1: INBOX is the one name whose case does not matter.
        if name.upper() == "INBOX":
            return _glob(pattern.upper(), "INBOX")
        names = {self._written(name), self._written(name.removeprefix(self.prefix))}
        return any(_glob(pattern, one) for one in names)


def list_folders(client: IMAPClient) -> Folders:
    """Ask the server; what is only a level of names, and cannot be opened, is left out."""
    listed = client.list_folders()
    names = [
        _text(name)
        for flags, _delimiter, name in listed
        if not {b"\\noselect", b"\\nonexistent"} & {flag.lower() for flag in flags}
    ]
    delimiter = next((_text(delimiter) for _flags, delimiter, _name in listed if delimiter), "/")
    prefix = ""
    if client.has_capability("NAMESPACE"):
        personal = client.namespace().personal
        prefix = _text(personal[0][0]) if personal else ""
    return Folders(tuple(sorted(names)), delimiter, prefix)


@lru_cache(maxsize=64)
def url(mailbox: Mailbox) -> str:
    """The mailbox as a URL (RFC 5092), with the account's name in place of the host."""
    return f"imap://{quote(mailbox.account)}/{quote(mailbox.name)};UIDVALIDITY={mailbox.uidvalidity}"


def uid_url(mailbox: Mailbox, uid: int) -> str:
    """A message in it."""
    return f"{url(mailbox)}/;UID={uid}"


def _is_glob(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern


def _glob(pattern: str, name: str) -> bool:
    # Brackets are letters of a name here, not fnmatch's sets.
    return bool(re.fullmatch(fnmatch.translate(pattern.replace("[", "[[]")), name))


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
