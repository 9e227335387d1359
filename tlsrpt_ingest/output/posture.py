"""How `posture` prints what it found, domain by domain, as it comes."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.output import checks as checks_output
from tlsrpt_ingest.output.terminal import say
from tlsrpt_ingest.output.text import clean


def render(console: Console, domain: str, checks: Iterable[Check]) -> list[Check]:
    """Print the checks of a domain as they are made, then how many ended how; the checks."""
    say(console, Text(clean(domain), style="bold"))
    made = []
    for check in checks:
        made.append(check)
        checks_output.render(console, [check])
    say(console, verdict(made))
    console.print()
    return made


def verdict(checks: Sequence[Check]) -> str:
    """The sum of the checks of a domain."""
    counts = {finding: sum(check.finding is finding for check in checks) for finding in Finding}
    if counts[Finding.FINE] == len(checks):
        return "All is fine."
    order = (Finding.WRONG, Finding.BETTER, Finding.UNTOLD, Finding.FINE)
    return ", ".join(f"{counts[finding]} {finding}" for finding in order if counts[finding]) + "."


def as_json(domain: str, checks: Iterable[Check]) -> dict[str, Any]:
    """The object of one domain (docs/reference/json.md)."""
    return {"domain": domain, "checks": [checks_output.as_json(check) for check in checks]}
