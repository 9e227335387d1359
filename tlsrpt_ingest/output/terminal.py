"""A console for people: rich on a terminal, plain text of a fixed width in a pipe, a file or a cron mail."""

from collections.abc import Sequence
from io import TextIOWrapper
from typing import IO, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tlsrpt_ingest.output.text import CELL, clean

WIDTH: Final = 80
"""Columns where nobody can say how many there are."""

_NARROWEST: Final = 20
"""Columns of a paragraph, however narrow the terminal is."""


class _Console(Console):
    """A console that leaves a reader who has seen enough to the program, where rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Called in the handler of BrokenPipeError."""
        raise  # noqa: PLE0704 - what rich has just caught


def open_console(stream: IO[str], width: int | None = None) -> Console:
    """A console on `stream`: 80 columns where that is no terminal; never a UnicodeEncodeError, whatever the locale."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    # Markup, emoji codes and highlighting off: they would read what strangers wrote.
    console = _Console(file=stream, markup=False, emoji=False, highlight=False, width=width)
    if width is None and not console.is_terminal:
        console = _Console(file=stream, markup=False, emoji=False, highlight=False, width=WIDTH)
    return console


def strange(text: str | None, length: int = CELL, style: str = "") -> Text:
    """A stranger's text, to be shown; a dash where there is none."""
    return Text(clean(text, length) if text else "-", style=style)


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table without lines; columns in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(
            column, justify="right" if column in right else "left", overflow="fold", no_wrap=column in right
        )
    return made


def say(console: Console, text: Text | str, *, indent: int = 0, label: Text | str = "") -> None:
    """Print a paragraph broken at words, indented as a whole, behind its label."""
    label = Text(label) if isinstance(label, str) else label
    paragraph = Text(text) if isinstance(text, str) else text
    room = max(console.width - indent - label.cell_len, _NARROWEST)
    for number, line in enumerate(paragraph.wrap(console, room)):
        line.rstrip()
        verbatim(console, Text.assemble(" " * label.cell_len if number else label, line), indent)


def verbatim(console: Console, text: Text | str, indent: int = 0) -> None:
    """Print one line that is never broken, so that it can be copied whole."""
    console.print(Text.assemble(" " * indent, text), soft_wrap=True)


def show_table(console: Console, made: Table) -> None:
    """Print a table; without blanks at the ends of lines where people may keep it."""
    if console.is_terminal:
        console.print(made)
        return
    with console.capture() as captured:
        console.print(made)
    for line in captured.get().splitlines():
        verbatim(console, line.rstrip())
