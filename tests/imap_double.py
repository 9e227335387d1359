"""An IMAP server in memory, and a client of it that has the methods of imapclient's IMAPClient that we call.

It is as unhelpful as real servers are: MOVE copies first and removes afterwards, a session whose mailbox was rebuilt
ends, MOVE refuses what another session expunged until we were told, a rotten message ends the session at each FETCH.
"""

import imaplib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Step = Callable[[str], None]
"""Called before and after whatever a command does; what it raises happens to the client there."""


@dataclass
class Message:
    number: int
    octets: bytes
    kind: str
    rotten: bool = False
    flags: set[bytes] = field(default_factory=set)


class Box:
    """A mailbox."""

    def __init__(self, uidvalidity: int) -> None:
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.messages: dict[int, Message] = {}

    def add(self, message: Message) -> int:
        uid = self.uidnext
        self.messages[uid] = message
        self.uidnext += 1
        return uid


class Server:
    """Mailboxes by name; `had` remembers which message every UID of every epoch stood for."""

    def __init__(self) -> None:
        self._epochs = itertools.count(100)
        self.boxes: dict[str, Box] = {}
        self.had: dict[tuple[str, int, int], Message] = {}
        self.create("INBOX")

    def create(self, name: str) -> None:
        self.boxes[name] = Box(next(self._epochs))

    def add(self, name: str, message: Message) -> None:
        box = self.boxes[name]
        self.had[name, box.uidvalidity, box.add(message)] = message

    def rebuild(self, name: str) -> None:
        """Another UIDVALIDITY, other UIDs, the same messages."""
        old = self.boxes[name]
        self.create(name)
        for message in reversed(old.messages.values()):
            self.add(name, message)

    def everything(self) -> list[Message]:
        return [message for box in self.boxes.values() for message in box.messages.values()]


class Client:
    """One session. `allowed(command, name, uidvalidity, uid)` is told of every change before it is made."""

    def __init__(
        self,
        server: Server,
        capabilities: Iterable[str],
        step: Step,
        allowed: Callable[[str, str, int, int], None],
    ) -> None:
        self._server = server
        self._capabilities = frozenset(capabilities)
        self._step = step
        self._allowed = allowed
        self._name = ""
        self._uidvalidity = 0
        self._readonly = True
        self._told: set[int] = set()

    # The session

    def has_capability(self, name: str) -> bool:
        return name in self._capabilities

    def list_folders(self) -> list[tuple[tuple[bytes, ...], bytes, str]]:
        self._step("LIST")
        return [((), b"/", name) for name in self._server.boxes]

    def select_folder(self, name: str, *, readonly: bool) -> dict[bytes, Any]:
        self._step("EXAMINE" if readonly else "SELECT")
        box = self._server.boxes[name]
        self._name, self._uidvalidity, self._readonly = name, box.uidvalidity, readonly
        self._told = set(box.messages)
        return {
            b"UIDVALIDITY": box.uidvalidity,
            b"UIDNEXT": box.uidnext,
            b"EXISTS": len(box.messages),
            b"PERMANENTFLAGS": (b"\\Seen", b"\\Deleted", b"\\*"),
        }

    def noop(self) -> None:
        self._step("NOOP")
        self._told = set(self._box().messages)

    def logout(self) -> None:
        """Changes nothing, so nothing happens to it."""

    def shutdown(self) -> None:
        """The same."""

    # Reading

    def search(self, criteria: str | Sequence[str]) -> list[int]:
        self._step("SEARCH")
        messages = self._box().messages
        if criteria == "ALL":
            return list(messages)
        assert criteria[0] == "UID"
        return [uid for uid in messages if any(_within(uid, one) for one in criteria[1].split(","))]

    @property
    def _imap(self) -> "Client":
        """What imapclient speaks through (`sources.imap_fetch` does too)."""
        return self

    def uid(self, command: str, numbers: str, items: str) -> tuple[str, list[Any]]:
        """The answers as imaplib has them."""
        assert command == "FETCH"
        self._step("FETCH")
        messages = self._box().messages
        there = [uid for uid in messages if any(_within(uid, one) for one in numbers.split(","))]
        if items == "(RFC822.SIZE)":
            return "OK", [b"%d (UID %d RFC822.SIZE %d)" % (uid, uid, len(messages[uid].octets)) for uid in there]
        assert items == "(BODY.PEEK[])"
        if any(messages[uid].rotten for uid in there):
            raise imaplib.IMAP4.abort("EOF in the middle of a literal")
        # Somebody else's STORE, which no client asked for, stands under a sequence number (imapclient's reading).
        answers: list[Any] = [b"1 (FLAGS ($TlsrptDone))"]
        for uid in there:
            octets = messages[uid].octets
            answers += [(b"%d (UID %d BODY[] {%d}" % (uid, uid, len(octets)), octets), b")"]
        return "OK", answers

    # Changing

    def add_flags(self, uids: Sequence[int], flags: Sequence[bytes], *, silent: bool) -> None:
        assert silent
        self._step("STORE")
        box = self._writable()
        for uid in uids:
            if uid in box.messages:
                for flag in flags:
                    self._allow(f"STORE {flag.decode()}", uid)
                    box.messages[uid].flags.add(flag)
                self._step("STORE half done")

    def move(self, uids: Sequence[int], target: str) -> None:
        assert "MOVE" in self._capabilities
        self._step("MOVE")
        box = self._writable()
        if any(uid in self._told and uid not in box.messages for uid in uids):
            raise imaplib.IMAP4.error("MOVE failed: [EXPUNGEISSUED] Some of the messages no longer exist")
        there = self._copy("MOVE", uids, target)
        for uid in there:
            self._step("MOVE copied")
            self._box().messages.pop(uid, None)
        self._told -= set(uids)
        self._step("MOVE done")

    def copy(self, uids: Sequence[int], target: str) -> None:
        self._step("COPY")
        self._writable()
        self._copy("COPY", uids, target)
        self._step("COPY done")

    def uid_expunge(self, uids: Sequence[int]) -> None:
        assert "UIDPLUS" in self._capabilities
        self._step("EXPUNGE")
        box = self._writable()
        for uid in uids:
            if uid in box.messages and b"\\Deleted" in box.messages[uid].flags:
                self._allow("EXPUNGE", uid)
                del box.messages[uid]
        self._told -= set(uids)
        self._step("EXPUNGE done")

    def create_folder(self, name: str) -> None:
        self._step("CREATE")
        if name in self._server.boxes:  # somebody else was faster
            raise imaplib.IMAP4.error("create failed: [ALREADYEXISTS] Mailbox already exists")
        self._server.create(name)

    def subscribe_folder(self, _name: str) -> None:
        self._step("SUBSCRIBE")

    def _copy(self, command: str, uids: Sequence[int], target: str) -> list[int]:
        if target not in self._server.boxes:
            raise imaplib.IMAP4.error("copy failed: [TRYCREATE] Mailbox doesn't exist")
        messages = self._box().messages
        there = [uid for uid in uids if uid in messages]
        for uid in there:
            self._allow(f"{command} {target}", uid)
            self._server.add(target, messages[uid])
        return there

    def _allow(self, command: str, uid: int) -> None:
        self._allowed(command, self._name, self._uidvalidity, uid)

    def _box(self) -> Box:
        box = self._server.boxes[self._name]
        if box.uidvalidity != self._uidvalidity:
            raise imaplib.IMAP4.abort("IMAP session state is inconsistent, please relogin")
        return box

    def _writable(self) -> Box:
        assert not self._readonly, "a command that changes something, in a mailbox opened by EXAMINE"
        return self._box()


def _within(uid: int, numbers: str) -> bool:
    low, _, high = numbers.partition(":")
    return int(low) <= uid <= int(high or low)
