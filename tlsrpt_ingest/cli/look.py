"""`show`, `summary` and `ledger`: looking at reports and at what became of them."""

import sys
from datetime import UTC, date, datetime, timedelta

import click

from tlsrpt_ingest.cli.setting import Age, Setting, database_option, json_option
from tlsrpt_ingest.cli.trust import only_looking
from tlsrpt_ingest.ingest import judge
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output import ledger as ledger_output
from tlsrpt_ingest.output import show as show_output
from tlsrpt_ingest.output import summary as summary_output
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.rfc8460.codes import Notes
from tlsrpt_ingest.rfc8460.members import domain as domain_as_reported
from tlsrpt_ingest.sources.files import open_path
from tlsrpt_ingest.store import ask


class Day(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A UTC day: 2026-11-24, or how long ago (30d)."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read the day."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            pass
        try:
            ago: timedelta = Age().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no day: write one as 2026-11-24, or how long ago, as 30d", param, ctx)
        try:
            return (datetime.now(UTC) - ago).date()
        except OverflowError:
            self.fail(f"{value!r} is before the first year", param, ctx)


class PolicyDomain(click.ParamType):  # type: ignore[type-arg] # as above
    """A policy domain, however it is written: reports have it in lower-case A-labels, without a dot at its end."""

    name = "domain"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it as a report's is read."""
        del param, ctx
        return domain_as_reported(str(value), Notes(), ()) or str(value)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--dkim", is_flag=True, help="Verify the DKIM signature too, by DNS.")
@json_option
@click.pass_obj
def show(setting: Setting, files: tuple[str, ...], *, dkim: bool, as_json: bool) -> None:
    """Explain reports, without a database: every field, what each failure means and what to do about it.

    FILE is whatever `backfill` takes; - is standard input. Who vouches for a report is said where the config names
    your mail server in [trust] authserv_ids, or with --dkim.
    """
    asked = only_looking(setting.config, dkim=dkim)
    items = (item for file in files for item in open_path(file).items())
    deliveries = (delivery for item in items for delivery in judge(item, trust=asked))
    if as_json:
        click.echo(json_text(show_output.as_json(deliveries)))
    else:
        show_output.render(open_console(sys.stdout), deliveries)


@click.command()
@click.option("--since", type=Day(), metavar="DAY", help="First day (UTC): 2026-11-24, or 30d for 30 days ago.")
@click.option("--until", type=Day(), metavar="DAY", help="Last day (UTC).")
@click.option("--domain", type=PolicyDomain(), metavar="DOMAIN", help="Only this policy domain.")
@database_option
@json_option
@click.pass_obj
def summary(
    setting: Setting,
    since: date | None,
    until: date | None,
    domain: str | None,
    database_url: str | None,
    *,
    as_json: bool,
) -> None:
    """Say in a screenful how mail to each domain arrived, who failed and why."""
    if since and until and until < since:
        raise click.BadParameter(f"{until} is before --since {since}", param_hint="--until")
    totals = ask.totals(setting.database(database_url), since, until, domain)
    if as_json:
        click.echo(json_text(summary_output.as_json(totals)))
    else:
        summary_output.render(open_console(sys.stdout), totals, chosen=bool(since or until or domain))


@click.command()
@click.option("--outcome", type=click.Choice([str(one) for one in Outcome]), help="Only deliveries that ended so.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@database_option
@json_option
@click.pass_obj
def ledger(
    setting: Setting, outcome: str | None, limit: int | None, database_url: str | None, *, as_json: bool
) -> None:
    """List what became of each delivery, newest first, and why; with --json one object a line."""
    rows = ask.ledger(setting.database(database_url), Outcome(outcome) if outcome else None, limit)
    if as_json:
        for row in rows:
            click.echo(json_text(ledger_output.as_json(row), indent=None))
    else:
        ledger_output.render(open_console(sys.stdout), rows)
