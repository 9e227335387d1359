"""Words on stderr: logging for people, for cron and for journald."""

import logging
import os
import sys

import click

from tlsrpt_ingest.output.text import clean

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog's numbers for Python's levels, as sd-daemon(3) reads them in `<N>`."""


class _Words(logging.Formatter):
    """One line a message, whatever is in it; with `<N>` in front where journald reads."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record).splitlines() or [""]
        if self._journal:
            return "\n".join(f"<{_PRIORITY.get(record.levelno, 5)}>{clean(line)}" for line in lines)
        return "\n".join(f"tlsrpt-ingest: {clean(line)}" for line in lines)


def journal() -> bool:
    """Whether stderr goes to journald (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def listen(*, verbose: int, quiet: bool) -> None:
    """Set up the log: warnings and worse for cron, the run's one line too for a person or for journald."""
    level = logging.INFO if verbose or journal() or sys.stderr.isatty() else logging.WARNING
    if quiet:
        level = logging.ERROR
    handler = logging.StreamHandler()
    handler.setFormatter(_Words(journal=journal()))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Only our own words grow with -v: libraries at debug level print what servers and strangers send.
    logging.getLogger("tlsrpt_ingest").setLevel(logging.DEBUG if verbose > 1 else level)


def tell(message: str) -> None:
    """The last words of a run that failed."""
    prefix = "<3>" if journal() else "tlsrpt-ingest: "
    for line in message.splitlines():
        click.echo(prefix + clean(line), err=True)
