"""Try a transaction again where other writers were in the way: deadlocks, locks that took too long, rows that went."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from tlsrpt_ingest.store.speaking import is_transient

ATTEMPTS: Final = 8
"""Tries of one transaction. Each deadlock lets one of the writers through, so this many writers get by at once."""

PAUSE: Final = 0.02
"""Seconds before the second try, doubling from one to the next."""

T = TypeVar("T")


class Vanished(Exception):
    """A row that stood in the way was deleted between two of our statements."""


def persevering(transaction: Callable[[], T]) -> T:
    """The value of one whole transaction, tried a few times; what stays in the way is raised as it came."""
    for attempt in range(1, ATTEMPTS):
        try:
            return transaction()
        except Exception as error:
            if not (isinstance(error, Vanished) or is_transient(error)):
                raise
        # By chance, so that two who met do not meet again.
        time.sleep(PAUSE * 2**attempt * random.random())  # noqa: S311 - no secret
    return transaction()
