"""`db` and `prune`: the database's schema and its age."""

from datetime import UTC, datetime, timedelta

import click

from tlsrpt_ingest.cli.setting import Age, Setting, database_option
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.prune import prune as prune_reports


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@database_option
@click.pass_obj
def upgrade(setting: Setting, database_url: str | None) -> None:
    """Bring the schema up to this version (SQLite does so by itself on first use)."""
    engine = setting.open_database(database_url)
    before, after = schema.upgrade(engine)
    click.echo(f"{after} (as it was)" if before == after else f"{before or 'empty'} -> {after}")


@db.command()
@database_option
@click.pass_obj
def current(setting: Setting, database_url: str | None) -> None:
    """Print the schema's revision, and the one that this version needs."""
    engine = setting.open_database(database_url)
    click.echo(f"{schema.current(engine) or 'empty'} (this version needs {schema.head()})")


@click.command()
@click.option("--older-than", type=Age(), required=True, metavar="AGE", help="Such as 400d: delete what ended before.")
@database_option
@click.pass_obj
def prune(setting: Setting, older_than: timedelta, database_url: str | None) -> None:
    """Delete reports of long ago, in small transactions, so that nobody has to wait."""
    engine = setting.database(database_url)
    try:
        before = datetime.now(UTC).replace(tzinfo=None) - older_than
    except OverflowError as error:
        raise click.BadParameter("that is before the first year", param_hint="--older-than") from error
    counts = prune_reports(engine, before)
    click.echo(f"deleted {counts.reports} reports that ended before {before:%Y-%m-%d %H:%M} UTC")
