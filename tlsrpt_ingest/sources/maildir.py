"""The files of a Maildir (maildir(5)): its messages, and finding one again that a mail reader has renamed."""

import os
from pathlib import Path
from typing import Final

_FOLDERS: Final = ("new", "cur")
"""Where messages lie; what is in tmp is still being delivered."""


def is_maildir(folder: Path) -> bool:
    """Whether this folder is a Maildir, or a folder of one (Maildir++: `.Archive`, Dovecot's layout=fs: `Archive`)."""
    return all((folder / name).is_dir() for name in ("cur", "new", "tmp"))


def messages(folder: Path) -> list[Path]:
    """The messages' files, oldest first: unique names begin with the time of delivery."""
    found = [entry for name in _FOLDERS for entry in _scan(folder / name)]
    return sorted(found, key=lambda path: (path.name, path.parent.name))


def find_again(path: Path) -> Path | None:
    """Where a message is now, which moved from new to cur, or got other flags, since it was listed."""
    unique = unique_name(path)
    for name in _FOLDERS:
        for entry in _scan(path.parent.parent / name):
            if unique_name(entry) == unique:
                return entry
    return None


def unique_name(path: Path) -> str:
    """The name without its flags: the same for the whole life of the message."""
    return path.name.partition(":")[0]


def _scan(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        # A link may lead anywhere, out of what its owner may read.
        return [Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False)]
