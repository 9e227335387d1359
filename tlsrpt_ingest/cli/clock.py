"""The clock of the commands, in a module of its own so that a test can set it."""

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
