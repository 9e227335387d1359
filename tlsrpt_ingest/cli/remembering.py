"""Write down in the database how a run ended: what `alerts` and `metrics` know of it."""

import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine

from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.store import runs

log = logging.getLogger(__name__)


class Counted(Protocol):
    """What a run counts, `ingest.Tally` for one."""

    @property
    def items(self) -> int:
        """What it looked at."""

    @property
    def outcomes(self) -> Mapping[Any, int]:
        """What became of it."""


@contextmanager
def remembered(engine: Engine, command: str, counted: Counted, stop: Stopping) -> Iterator[list[IngestError]]:
    """Keep how the block ended: with the gravest failure of the list that it fills, what it raises, a signal, or well.

    Where that cannot be written, the run is none the worse for it.
    """
    began = clock.now()
    failures: list[IngestError] = []
    try:
        yield failures
    except IngestError as failure:
        _write(engine, command, counted, began, failure, stop)
        raise
    _write(engine, command, counted, began, max(failures, key=lambda one: one.exit_status, default=None), stop)


def _write(
    engine: Engine, command: str, counted: Counted, began: datetime, failure: IngestError | None, stop: Stopping
) -> None:
    run = runs.Run(
        command,
        socket.gethostname(),
        began,
        clock.now(),
        failure.exit_status if failure else 128 + stop.asked if stop() else 0,
        counted.items,
        {str(name): count for name, count in counted.outcomes.items() if count},
        str(failure) if failure else None,
    )
    try:
        runs.remember(engine, run)
    except IngestError as error:
        # Where the run failed for the same reason, it says so itself.
        log.log(logging.DEBUG if failure else logging.WARNING, "this run is not remembered: %s", error)
