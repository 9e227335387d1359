"""What became of a run's items: one line for people, one object for scripts."""

from collections import Counter
from typing import Any, Protocol

from tlsrpt_ingest.outcome import Outcome


class Tallied(Protocol):
    """What `ingest.Tally` counts."""

    items: int
    outcomes: Counter[Outcome]
    deviations: Counter[str]
    seconds: float
    interrupted: bool

    @property
    def deliveries(self) -> int:
        """The sum of the outcomes."""


def as_json(tally: Tallied) -> dict[str, Any]:
    """The object of `backfill --json` (docs/reference/json.md)."""
    return {
        "items": tally.items,
        "deliveries": tally.deliveries,
        **{str(outcome): tally.outcomes[outcome] for outcome in _ORDER},
        "deviations": dict(sorted(tally.deviations.items())),
        "seconds": round(tally.seconds, 3),
        "interrupted": tally.interrupted,
    }


def one_line(tally: Tallied) -> str:
    """The one line at the end of a run: "18 items: 14 recorded, 2 duplicate, 1 rejected, 1 not a report; 0.2 s"."""
    parts = [f"{tally.outcomes[one]:,} {_WORDS[one]}" for one in _ORDER if tally.outcomes[one] or one in _ALWAYS]
    noun = "item" if tally.items == 1 else "items"
    return f"{tally.items:,} {noun}: {', '.join(parts)}; {tally.seconds:.1f} s"


_ORDER = (
    Outcome.RECORDED,
    Outcome.DUPLICATE,
    Outcome.CONFLICTING,
    Outcome.UNAUTHENTICATED,
    Outcome.FOREIGN,
    Outcome.REJECTED,
    Outcome.NOT_A_REPORT,
)
_ALWAYS = frozenset({Outcome.RECORDED, Outcome.REJECTED})
_WORDS = {outcome: str(outcome).replace("_", " ") for outcome in Outcome}
