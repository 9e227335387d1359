"""The one word that the ledger has for what became of a delivery."""

from enum import StrEnum


class Outcome(StrEnum):
    """What became of one delivery, gravest first: the gravest of an item's deliveries is the item's own."""

    REJECTED = "rejected"
    """It could not be read, or not be stored; the ledger has the stage and the reason."""
    UNAUTHENTICATED = "unauthenticated"
    """A report that nobody vouches for, where `[trust] require` wants somebody to: kept, not counted."""
    FOREIGN = "foreign"
    """A report about none of the domains in `[trust] domains`: kept, not counted."""
    CONFLICTING = "conflicting"
    """A report with the identity of one that is counted and with other content: kept beside it, not counted."""
    RECORDED = "recorded"
    """A report that nobody delivered before; it is counted."""
    DUPLICATE = "duplicate"
    """A report that is counted already."""
    NOT_A_REPORT = "not_a_report"
    """Other mail: DMARC reports, cron mail, anything that holds no TLS report and does not claim to."""

    @property
    def is_open(self) -> bool:
        """Whether reading the item again may end otherwise: what it then is takes this outcome's place."""
        return self in (Outcome.REJECTED, Outcome.UNAUTHENTICATED, Outcome.FOREIGN)

    @classmethod
    def gravest(cls, outcomes: "list[Outcome]") -> "Outcome":
        """The outcome of an item with these deliveries (at least one)."""
        return next(outcome for outcome in cls if outcome in outcomes)
