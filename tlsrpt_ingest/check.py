"""A check of what an owner has set up, and how it ended: `doctor` and `posture` make them, `output` shows them."""

from dataclasses import dataclass
from enum import StrEnum


class Finding(StrEnum):
    """How a check ended."""

    FINE = "fine"
    BETTER = "could be better"
    WRONG = "wrong"
    UNTOLD = "could not tell"


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    what: str
    """What was looked at: "database", "account 'main': login"."""
    finding: Finding
    words: str
    """What was found, and why that is as good or bad as it is."""
    exit_status: int = 0
    """With which status the program would have ended for it."""
    code: str = ""
    """A fixed word for what was found, where there are many (docs/reference/posture.md)."""
    advice: str = ""
    """What to do, where `words` do not say it."""
