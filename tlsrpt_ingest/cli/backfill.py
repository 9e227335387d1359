"""`backfill` and `reprocess`: archives into the database."""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import click
from sqlalchemy import Engine

from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.ingest import Tally, ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output import tally as words
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.progress import progress
from tlsrpt_ingest.sources import Item, Source
from tlsrpt_ingest.sources.files import open_path
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.sources.origin import container
from tlsrpt_ingest.sources.picked import PickedSource
from tlsrpt_ingest.store import ask, schema
from tlsrpt_ingest.store.engine import open_engine

log = logging.getLogger(__name__)

REJECTED = 65
"""Exit status with --strict when something was rejected (EX_DATAERR)."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@database_option
@click.option("--strict", is_flag=True, help="Exit with 65 when something was rejected.")
@click.option("--dry-run", is_flag=True, help="Read and judge everything as into an empty database; write nothing.")
@json_option
@click.pass_obj
def backfill(
    setting: Setting,
    paths: tuple[str, ...],
    database: str | None,
    *,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Read archives into the database: each report once, however often it is read.

    PATH is an mbox (also .gz, .bz2, .xz), a Maildir, an .eml, .json, .json.gz, .zip or .tar file, a folder of any of
    these, or - for one message on standard input. Nothing in PATH is changed.
    """
    sources = [open_path(path) for path in paths]
    with _scratch() if dry_run else _ready(setting, database) as engine:
        return _run(sources, engine, strict=strict, as_json=as_json)


@click.command()
@database_option
@click.option("--strict", is_flag=True, help="Exit with 65 when something is rejected again.")
@json_option
@click.pass_obj
def reprocess(setting: Setting, database: str | None, *, strict: bool, as_json: bool) -> int:
    """Read again what was rejected, as after an upgrade."""
    with _ready(setting, database) as engine:
        return _run(_rejected(engine), engine, strict=strict, as_json=as_json)


def _run(sources: Iterable[Source], engine: Engine, *, strict: bool, as_json: bool) -> int:
    tally = Tally()
    with Stopping() as stop:
        for source in sources:
            with progress(source) as tell:
                tally += ingest(source, engine, stop=stop, progress=tell)
            if tally.interrupted:
                break
    _report(tally, as_json=as_json)
    if tally.interrupted:
        log.warning("stopped after the batch in hand, as told; run the same command again to go on")
        return 128 + stop.asked
    return REJECTED if strict and tally.outcomes[Outcome.REJECTED] else 0


def _report(tally: Tally, *, as_json: bool) -> None:
    for origin, reason in tally.rejected:
        log.warning("rejected %s: %s", origin, reason)
    if more := tally.outcomes[Outcome.REJECTED] - len(tally.rejected):
        log.warning("and %d more; see them all with: tlsrpt-ingest ledger --outcome rejected", more)
    log.info("%s", words.one_line(tally))
    if as_json:
        click.echo(json_text(words.as_json(tally)))


def _rejected(engine: Engine) -> Iterator[Source]:
    """A source for each container that holds rejected items, handing out only these."""
    for path, rows in groupby(ask.rejected(engine), key=lambda row: container(row.origin)):
        if path is None:
            yield MemorySource(_kept(rows))
            continue
        origins = {row.origin for row in rows}
        try:
            yield PickedSource(open_path(path), origins)
        except Misconfigured as gone:
            log.warning("%d rejected items cannot be read again: %s", len(origins), gone)


def _kept(rows: Iterable[ask.RejectedRow]) -> Iterator[Item]:
    """Each item of which the ledger kept the octets, once however many of its parts were rejected."""
    for _item, parts in groupby(rows, key=lambda row: row.item):
        row = next(parts)
        if row.octets is not None:
            yield Item(row.origin, row.octets, repeatable=False)


@contextmanager
def _ready(setting: Setting, database: str | None) -> Iterator[Engine]:
    engine = setting.database(database)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _scratch() -> Iterator[Engine]:
    """An empty database that goes away again: what a dry run reads into."""
    with tempfile.TemporaryDirectory(prefix="tlsrpt-ingest-") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'dry-run.db'}")
        schema.ready(engine)
        yield engine
        engine.dispose()
