"""A list of checks: what is fine, what is wrong, what could be better, and what to do about it."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.output.terminal import say
from tlsrpt_ingest.output.text import clean

_STYLES: Final = {
    Finding.FINE: "green",
    Finding.BETTER: "yellow",
    Finding.WRONG: "bold red",
    Finding.UNTOLD: "cyan",
}


def render(console: Console, checks: Iterable[Check]) -> None:
    """Print each check as it is made, the word beside the colour."""
    for check in checks:
        words = clean(check.words) + (f". {check.advice}" if check.advice else "")
        say(
            console, f"{clean(check.what)}: {words}", label=Text(f"{check.finding:<15}  ", style=_STYLES[check.finding])
        )


def as_json(check: Check) -> dict[str, Any]:
    """The object of one check (docs/reference/json.md)."""
    found = {"check": check.what, "finding": str(check.finding), "words": check.words}
    return found | ({"code": check.code, "advice": check.advice} if check.code else {})
