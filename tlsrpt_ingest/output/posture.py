"""How `posture` prints what it found, and what it recommends to publish, domain by domain."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.output import checks as checks_output
from tlsrpt_ingest.output.terminal import say, verbatim
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.posture.recommendation import TTL, Recommendation


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


def render_recommendation(console: Console, found: Recommendation) -> None:
    """Print what to publish: whole lines to be copied, then why."""
    say(console, Text(clean(found.domain), style="bold"))
    if found.records:
        say(console, "\nIn a zone file:")
    for record in found.records:
        verbatim(console, record.zone_line)
    if found.records:
        say(console, "\nIn a web form:")
    for record in found.records:
        verbatim(console, f"name   {record.name}")
        verbatim(console, "type   TXT")
        verbatim(console, f"value  {record.value}\n")
    if found.policy is not None:
        say(console, f"The file {found.policy_url}:")
        for line in str(found.policy).splitlines():
            verbatim(console, line)
    console.print()
    for note in found.notes:
        say(console, note, label="- ")
    console.print()


def recommendation_as_json(found: Recommendation) -> dict[str, Any]:
    """The object of one domain (docs/reference/json.md)."""
    return {
        "domain": found.domain,
        "records": [
            {"name": record.name, "type": "TXT", "ttl": TTL, "value": record.value, "zone_line": record.zone_line}
            for record in found.records
        ],
        "policy": None if found.policy is None else {"url": found.policy_url, "content": str(found.policy)},
        "notes": list(found.notes),
    }
