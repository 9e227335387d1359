"""`export`: the rows for a spreadsheet, a script or a data frame."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import IO

import click

from tlsrpt_ingest.cli.look import Day, PolicyDomain
from tlsrpt_ingest.cli.run import database
from tlsrpt_ingest.cli.setting import Setting, database_option
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.output.export import Format, write
from tlsrpt_ingest.store.extract import What, extract


@click.command()
@click.argument("what", type=click.Choice(list(map(str, What))), metavar="reports|policies|failures")
@click.option("--format", "form", type=click.Choice(list(map(str, Format))), default="csv", help="Default: csv.")
@click.option("--since", type=Day(), metavar="DAY", help="First day (UTC): 2026-11-24, or 30d for 30 days ago.")
@click.option("--until", type=Day(), metavar="DAY", help="Last day (UTC).")
@click.option("--domain", type=PolicyDomain(), metavar="DOMAIN", help="Only this policy domain.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Default: standard output."
)
@database_option
@click.pass_obj
def export(
    setting: Setting,
    what: str,
    form: str,
    since: date | None,
    until: date | None,
    domain: str | None,
    output: Path | None,
    database_url: str | None,
) -> None:
    """Write counted reports, their policies or their failures, one row each, oldest first.

    csv is for spreadsheets: no cell is a formula, and control characters stand as escapes. jsonl (an object a line) and
    parquet (needs the extra parquet) are exact. FILE is there only once all is in it.
    """
    if form == Format.PARQUET and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal; give -o FILE")
    with database(setting, database_url) as engine, _file(output) as file:
        write(extract(engine, What(what), since, until, domain), Format(form), file)


@contextmanager
def _file(path: Path | None) -> Iterator[IO[bytes]]:
    """The file, which takes its place when it is whole; or standard output."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink()
