"""What became of a run's items, counted: behind the summary line, `--json` and the exit status."""

from collections import Counter
from dataclasses import dataclass, field

from tlsrpt_ingest.outcome import Outcome


@dataclass(slots=True)
class Tally:
    """The counts of one run."""

    items: int = 0
    """Messages and files read."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Deliveries by outcome: one per report document, one for an item that holds none."""
    deviations: Counter[str] = field(default_factory=Counter)
    """Deviations by code, of reports that were recorded or conflicting."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Origin and reason of the first limits.REASONS rejected deliveries; the ledger has them all."""
    seconds: float = 0.0
    interrupted: bool = False
    """Whether the run was told to stop before the source was read to its end."""

    @property
    def deliveries(self) -> int:
        """All deliveries: the sum of the outcomes."""
        return self.outcomes.total()
