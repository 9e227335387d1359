"""`alerts`: says once what is new and needs somebody, and once that it is over."""

import logging
import sys

import click

from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.remembering import remembered
from tlsrpt_ingest.cli.run import database
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.output.alerts import message
from tlsrpt_ingest.output.alerts.outlets import Output, outlets
from tlsrpt_ingest.output.alerts.telling import Look, look, rehearse
from tlsrpt_ingest.output.json_text import json_text

log = logging.getLogger(__name__)


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be told; tell nobody, and remember nothing.")
@database_option
@json_option
@click.pass_obj
def alerts(setting: Setting, database_url: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Tell once what is new since the last time, and once more when it is over; for cron, after `poll`.

    New failures, a failure rate that is too high, policies that changed, senders that fell silent, no report at all,
    rejected deliveries, no poll that went well. It goes where [alerts] says; where that names nothing, it is printed.
    Silent when there is nothing to tell. Exit status 75 when somebody could not be told: the next run tries again.
    """
    config = setting.config.alerts
    polls = bool(setting.config.imap)

    def write(told: message.Message) -> None:
        if sys.stdout is None:  # click would print nothing, and say nothing of it
            raise Unavailable("standard output is closed, so nobody was told; give [alerts.mail] or [alerts.webhook]")
        if as_json:
            click.echo(json_text(message.as_json(told)))
        else:
            click.echo(message.text(told), nl=False)

    with database(setting, database_url) as engine, Stopping() as stop:
        if dry_run:
            rehearse(engine, config, Output(write), clock.now(), polls=polls)
            return 0
        found = Look()
        with remembered(engine, "alerts", found, stop) as failures:
            look(engine, config, outlets(config, setting.environment, write), clock.now(), found, polls=polls)
            failures.extend(found.failures)
    failures.sort(key=lambda failure: failure.exit_status)
    for failure in failures[:-1]:
        log.error("%s", failure)
    if failures:
        raise failures[-1]
    return 0
