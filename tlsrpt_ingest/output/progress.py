"""The progress bar of a long run: on stderr, on a terminal only, and gone when the run is over."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.output.text import clean

_NAME = 30
"""Characters of the source's origin, from its end, where file names differ."""


class Measured(Protocol):
    """What `sources.Source` says of its size."""

    @property
    def origin(self) -> str:
        """The URI of the whole."""

    @property
    def octets_total(self) -> int | None:
        """How much there is to read, if anybody can say."""

    @property
    def octets_read(self) -> int:
        """How much of it has been read."""


@contextmanager
def progress(source: Measured, console: Console | None = None) -> Iterator[Callable[[Measured], None]]:
    """A bar while the `with` lasts; what it hands out is to be told of the source whenever that has moved on."""
    console = console or open_console(sys.stderr)
    if not console.is_terminal:
        yield _nothing
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        name = clean(source.origin)
        task = bar.add_task(name if len(name) <= _NAME else f"...{name[-_NAME:]}", total=source.octets_total)

        def tell(moved: Measured) -> None:
            bar.update(task, completed=moved.octets_read, total=moved.octets_total)

        yield tell


def _nothing(moved: Measured) -> None:
    del moved
