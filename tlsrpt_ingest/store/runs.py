"""The last run of each command on each host: when it ended and how, for `alerts`, `metrics` and the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from tlsrpt_ingest import limits
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.speaking import speaking

DONE = frozenset({0, 65})
"""Exit statuses of a run that did its work: 65 is --strict, and something was rejected."""


@dataclass(frozen=True, slots=True)
class Run:
    """How the last run of a command ended on a host. Times are UTC, without a zone."""

    command: str
    host: str
    began_at: datetime
    ended_at: datetime
    exit_status: int
    items: int
    outcomes: Mapping[str, int]
    """How many there were of what the command counts: deliveries by outcome, alerts told."""
    words: str | None = None
    """What it said when it failed."""
    done_at: datetime | None = None
    """When the last run ended that did its work, this one or one before it; `remember` knows."""


def remember(engine: Engine, run: Run) -> None:
    """Put this run in the place of the one before it; raises Unavailable or Misconfigured."""
    table = tables.run
    values = {
        "began_at": _naive(run.began_at),
        "ended_at": _naive(run.ended_at),
        "exit_status": run.exit_status,
        "items": run.items,
        "outcomes": dict(run.outcomes),
        "words": run.words[: limits.TEXT] if run.words else None,
    }
    if run.exit_status in DONE:
        values["done_at"] = values["ended_at"]
    key = {"command": run.command, "host": run.host[:255]}

    def once() -> None:
        with writing(engine) as connection:
            known = [table.c[name] == value for name, value in key.items()]
            if not connection.execute(update(table).where(*known).values(values)).rowcount:
                connection.execute(insert(table).values(**key, **values))

    with speaking(engine):
        try:
            persevering(once)
        except IntegrityError:  # another run of the same command ended just now
            persevering(once)


def last_runs(engine: Engine) -> tuple[Run, ...]:
    """The last runs, newest first, of at most limits.HOSTS hosts and commands."""
    asked = select(tables.run).order_by(tables.run.c.ended_at.desc()).limit(limits.HOSTS)
    with speaking(engine), engine.connect() as connection:
        return tuple(Run(**row) for row in connection.execute(asked).mappings())


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
