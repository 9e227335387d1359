"""What the comparisons share: the corpora, the environments of the others, and how each program is called."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks import corpus

FLOOR: Final = ("isal", "orjson", "pybase64")


@dataclass(frozen=True)
class Setting:
    """How it was asked for."""

    root: Path
    cache: Path
    messages: int
    rounds: int
    core: int

    @cached_property
    def incumbent(self) -> Path:
        """The environment of parsedmarc."""
        return self._environment("parsedmarc", "parsedmarc[postgresql]")

    @cached_property
    def floor(self) -> Path:
        """The interpreter of the floor."""
        return self._environment("floor", *FLOOR) / "bin" / "python"

    @property
    def ours(self) -> Path:
        """The program."""
        return Path(sys.executable).parent / "tlsrpt-ingest"

    @property
    def parsedmarc(self) -> Path:
        """The incumbent's."""
        return self.incumbent / "bin" / "parsedmarc"

    def mbox(self, kind: str, count: int) -> Path:
        """So many messages of a kind."""
        return self._made(f"{kind}-{count}.mbox", lambda path: corpus.write_mbox(path, corpus.messages(kind, count)))

    def maildir(self, kind: str, count: int) -> Path:
        """The same as a Maildir."""
        return self._made(
            f"{kind}-{count}.maildir", lambda path: corpus.write_maildir(path, corpus.messages(kind, count))
        )

    @property
    def database(self) -> Path:
        """Where SQLite databases go."""
        return self.cache / "bench.db"

    @property
    def output(self) -> Path:
        """Where the incumbent writes its JSON."""
        return self.cache / "parsedmarc-output"

    def clear(self) -> None:
        """Remove both."""
        for tail in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + tail).unlink(missing_ok=True)
        shutil.rmtree(self.output, ignore_errors=True)

    def _made(self, name: str, write: Callable[[Path], None]) -> Path:
        self.cache.mkdir(parents=True, exist_ok=True)
        # Other generators make other messages.
        made_by = hashlib.sha256(Path(corpus.__file__).read_bytes()).hexdigest()[:8]
        path = self.cache / f"{made_by}-{name}"
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            if part.is_dir():
                shutil.rmtree(part)
            write(part)
            part.rename(path)
        return path

    def _environment(self, name: str, *packages: str) -> Path:
        """Make an environment for somebody alone, once."""
        home = self.cache / name
        if not (home / "complete").exists():
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([home / "bin" / "pip", "install", "--quiet", *packages], check=True)  # noqa: S603 - our own command
            (home / "complete").touch()
        return home
