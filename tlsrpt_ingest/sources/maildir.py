"""The files of a Maildir (maildir(5)): its messages, and the names that they keep while mail readers rename them."""

import heapq
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tlsrpt_ingest.sources import origin

log = logging.getLogger(__name__)

FOLDERS: Final = ("cur", "new", "tmp")
"""What makes a folder a Maildir."""

_MESSAGES: Final = ("new", "cur")
"""Where messages lie; what is in tmp is still being delivered."""


def is_maildir(folder: Path) -> bool:
    """Whether this folder is a Maildir, or a folder of one (Maildir++: `.Archive`, Dovecot's layout=fs: `Archive`)."""
    return all(_is_folder(folder / name) for name in FOLDERS)


def messages(folder: Path) -> Iterator[Path]:
    """The messages' files, oldest first: unique names begin with the time of delivery. Raises OSError at once."""
    listed = [(folder / name, sorted(_files(folder / name))) for name in _MESSAGES]
    # Only names are held: a Maildir may have a million.
    return heapq.merge(*(map(place.joinpath, names) for place, names in listed), key=lambda path: path.name)


def unique_name(path: Path) -> str:
    """The name without its flags: the same for the whole life of the message."""
    return path.name.partition(":")[0]


def _files(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            # A link may lead anywhere, out of what its owner may read.
            if entry.is_file(follow_symlinks=False):
                yield entry.name
            else:
                log.info("passed over %s: it is a link or no file", origin.of_path(entry.path))


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
