"""The ledger, row by row as it comes: what became of each delivery, and why."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.terminal import say, strange, verbatim
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.store.ask import LedgerRow
from tlsrpt_ingest.verdict import Verdict

_STYLES: Final = {
    Outcome.REJECTED: "red",
    Outcome.UNAUTHENTICATED: "yellow",
    Outcome.FOREIGN: "yellow",
    Outcome.CONFLICTING: "yellow",
    Outcome.RECORDED: "green",
}
_REASON: Final = 500
"""Characters of a reason; sentences of ours, with a stranger's words in them."""


def render(console: Console, rows: Iterable[LedgerRow]) -> None:
    """Print a line for each row with time, outcome and origin, and under it what it is; streams, holds one row."""
    found = False
    for row in rows:
        found = True
        _row(console, row)
    if not found:
        say(console, "The ledger has no such delivery.")


def as_json(row: LedgerRow) -> dict[str, Any]:
    """The object of one line of `ledger --json` (docs/reference/json.md)."""
    return {
        "pk": row.pk,
        "first_at": f"{row.first_at.isoformat()}Z",
        "last_at": f"{row.last_at.isoformat()}Z",
        "origin": row.origin,
        "part": row.part,
        "outcome": str(row.outcome),
        "stage": row.stage,
        "code": row.code,
        "reason": row.reason,
        "attempts": row.attempts,
        "size": row.size,
        "digest": row.digest.hex(),
        "message_id": row.message_id,
        "sender": row.sender,
        "subject": row.subject,
        "submitter": row.submitter,
        "verdict": row.verdict,
        "signing_domain": row.signing_domain,
        "selector": row.selector,
        "verdict_reason": row.verdict_reason,
        "report_pk": row.report_pk,
        "organization_name": row.organization_name,
        "report_id": row.report_id,
    }


def _row(console: Console, row: LedgerRow) -> None:
    part = f" part {row.part + 1}" if row.part else ""
    outcome = Text(f"{str(row.outcome).replace('_', ' '):<16}", style=_STYLES.get(row.outcome, ""))
    verbatim(console, Text.assemble(f"{row.last_at:%Y-%m-%d %H:%M}  ", outcome, clean(row.origin), part))
    if row.reason:
        tries = f"; tried {row.attempts} times" if row.attempts > 1 else ""
        say(
            console, Text.assemble(strange(row.reason, _REASON), clean(f" [{row.stage}: {row.code}{tries}]")), indent=18
        )
    if row.report_id is not None:
        say(console, Text.assemble(strange(row.organization_name), "  ", strange(row.report_id)), indent=18)
    elif row.sender or row.subject:
        say(console, Text.assemble("From ", strange(row.sender), ": ", strange(row.subject)), indent=18)
    if row.verdict is not None:
        say(console, signature(row.verdict, row.signing_domain, row.selector, row.verdict_reason), indent=18)


def signature(verdict: str, domain: str | None, selector: str | None, reason: str | None) -> Text:
    """Who vouches for a report, in a line: `DKIM pass by google.com (20230601)`, `DKIM none: there is no signature`."""
    line = Text.assemble("DKIM ", (clean(verdict), "green" if verdict == Verdict.PASS else "yellow"))
    if domain:
        line.append(" by ").append_text(strange(domain))
    if selector:
        line.append(" (").append_text(strange(selector)).append(")")
    if reason:
        line.append(": ").append_text(strange(reason, _REASON))
    return line
