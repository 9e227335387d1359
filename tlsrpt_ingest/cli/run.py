"""One run: sources into the database, the words about it, and the exit status that tells the truth."""

import logging
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

import click
from sqlalchemy import Engine

from tlsrpt_ingest.cli.setting import Setting
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output import tally as tally_output
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.sources import Source
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.tally import Tally
from tlsrpt_ingest.trust import Trust
from tlsrpt_ingest.workers import Here, Workers, settle_memory

log = logging.getLogger(__name__)

HERE = Here()

REJECTED = 65
"""Exit status with --strict when something was rejected (EX_DATAERR)."""


def run(
    sources: Generator[Source],
    engine: Engine,
    stop: Stopping,
    tally: Tally,
    alive: Callable[[], None] = lambda: None,
    trust: Trust | None = None,
    workers: Workers = HERE,
) -> None:
    """Read the sources one after the other, until there is no more or `stop` says so; `alive` is called on the way.

    `trust` says what is asked of a report, `workers` judge what is read. `tally` is added to: what was committed is in
    it, also where this raises.
    """
    settle_memory()
    with closing(sources):
        for source in sources:
            # Not at the top: a poll that finds nothing needs none of it, and it is a quarter of what we import.
            from tlsrpt_ingest.ingest import ingest  # noqa: PLC0415 - as said

            with _progress(source) as tell:

                def moved(source: Source, tell: Callable[[Source], None] = tell) -> None:
                    tell(source)
                    alive()

                ingest(source, engine, tally, trust=trust, workers=workers, stop=stop, progress=moved)
            if tally.interrupted or stop():
                tally.interrupted = True
                break


def _progress(source: Source) -> AbstractContextManager[Callable[[Source], None]]:
    """The bar, on a terminal; cron does without it, and without the tenth of a second that rich takes to import."""
    if not sys.stderr.isatty():
        return nullcontext(lambda _source: None)
    from tlsrpt_ingest.output.progress import progress  # noqa: PLC0415 - as said

    return progress(source)


def report(tally: Tally, *, as_json: bool) -> None:
    """Say what became of it: what was rejected as a warning, the sums as one line, and with --json as an object."""
    for origin, reason in tally.rejected:
        log.warning("rejected %s: %s", origin, reason)
    if more := tally.outcomes[Outcome.REJECTED] - len(tally.rejected):
        log.warning("and %d more; see them all with: tlsrpt-ingest ledger --outcome rejected", more)
    log.info("%s", tally_output.one_line(tally))
    if as_json:
        click.echo(json_text(tally_output.as_json(tally)))


def exit_status(tally: Tally, stop: Stopping, *, strict: bool) -> int:
    """0, 65 with `strict`, or 128 and the number of the signal that ended it before its time."""
    if tally.interrupted:
        log.warning("stopped after the batch in hand, as told; run the same command again to go on")
        return 128 + stop.asked
    return REJECTED if strict and tally.outcomes[Outcome.REJECTED] else 0


@contextmanager
def database(setting: Setting, url: str | None, *, dry_run: bool = False) -> Iterator[Engine]:
    """The database, ready; for a dry run an empty one that goes away again."""
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="tlsrpt-ingest-") as folder:
            engine = open_engine(f"sqlite:///{Path(folder) / 'dry-run.db'}")
            schema.ready(engine)
            yield engine
            engine.dispose()
        return
    engine = setting.database(url)
    try:
        yield engine
    finally:
        engine.dispose()
