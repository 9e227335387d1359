"""A Dovecot with the messages that ours, the draining client and the incumbent read, and what each is told of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import corpus
from benchmarks.measure import program
from tests.servers.certificates import Certificates
from tests.servers.dovecot import PASSWORD, User, running


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Two users of a Dovecot, one with all messages and one with those that the incumbent reads."""

    folder: Path
    whole: User
    part: User

    @property
    def config(self) -> Path:
        """Ours, for the first."""
        path = self.folder / "config.toml"
        path.write_text(self.whole.account())
        return path

    def ini(self, output: Path) -> Path:
        """The incumbent's, for the second."""
        server = self.part.server
        path = self.folder / "parsedmarc.ini"
        login = {"host": server.host, "port": server.tls_port, "user": self.part.name, "password": PASSWORD}
        path.write_text(
            ini(
                {"output": output},
                mailbox={"test": True, "batch_size": 0, "reports_folder": "INBOX"},
                imap={**login, "ssl": True, "skip_certificate_verification": True},
            )
        )
        return path

    def drain(self, user: User) -> list[object]:
        """The command of the draining client."""
        server = user.server
        where = [server.host, str(server.tls_port), server.ca_file, user.name, PASSWORD]
        return [sys.executable, "-m", "benchmarks.contenders.imap_drain", *where]


@contextmanager
def mailboxes(count: int, theirs: int) -> Iterator[Mailboxes]:
    """A server with `count` messages for us and `theirs` for the incumbent, that lives as long as the block."""
    with TemporaryDirectory() as folder:
        (keys := Path(folder) / "certificates").mkdir()
        with running(Certificates(keys)) as server:
            boxes = Mailboxes(Path(folder), server.user(), server.user())
            for number, mail in enumerate(corpus.messages("small", count)):
                boxes.whole.deliver(mail)
                if number < theirs:
                    boxes.part.deliver(mail)
            for user in (boxes.whole, boxes.part):  # the server makes its indexes
                program(boxes.drain(user))
            yield boxes


def ini(general: dict[str, object] | None = None, **sections: dict[str, object]) -> str:
    """A configuration of parsedmarc."""
    common = {"save_smtp_tls": True, "offline": True, "silent": True}
    lines = []
    for name, values in {"general": {**common, **(general or {})}, **sections}.items():
        lines += [f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]
    return "\n".join(lines) + "\n"
