"""A list of checks: what is fine, what is wrong, what could be better, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.output.terminal import say
from tlsrpt_ingest.output.text import clean


class Finding(StrEnum):
    """How a check ended."""

    FINE = "fine"
    BETTER = "could be better"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    what: str
    """What was looked at: "database", "account 'main': login"."""
    finding: Finding
    words: str
    """What was found, and what to do if it is not fine."""
    exit_status: int = 0
    """With which status the program would have ended for it."""


_STYLES: Final = {Finding.FINE: "green", Finding.BETTER: "yellow", Finding.WRONG: "bold red"}


def render(console: Console, checks: Iterable[Check]) -> None:
    """Print each check as it is made, the word beside the colour."""
    for check in checks:
        say(
            console,
            f"{clean(check.what)}: {clean(check.words)}",
            label=Text(f"{check.finding:<15}  ", style=_STYLES[check.finding]),
        )


def as_json(check: Check) -> dict[str, Any]:
    """The object of one check (docs/reference/json.md)."""
    return {"check": check.what, "finding": str(check.finding), "words": check.words}
