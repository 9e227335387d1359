"""`doctor`: tries everything that a poll needs, changes nothing, and says what is fine and what to do."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.output import checks as checks_output
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.sources.imap import look_into
from tlsrpt_ingest.store import schema


@click.command()
@database_option
@json_option
@click.pass_obj
def doctor(setting: Setting, database_url: str | None, *, as_json: bool) -> int:
    """Try the config, the database, and each account with its folders; say what is fine and what to do.

    Exit status 0 if nothing is wrong, else that with which `poll` would end.
    """
    checks: list[Check] = []

    def made() -> Iterator[Check]:
        for check in _checks(setting, database_url):
            checks.append(check)
            yield check

    if as_json:
        click.echo(json_text([checks_output.as_json(check) for check in made()]))
    else:
        checks_output.render(open_console(sys.stdout), made())
    return max((check.exit_status for check in checks), default=0)


def _checks(setting: Setting, database_url: str | None) -> Iterator[Check]:
    try:
        config = setting.config
    except IngestError as error:
        yield _wrong("config file", error)
        return
    yield Check("config file", Finding.FINE, str(setting.path) if setting.path else "none; the defaults apply")
    yield _state(setting.state)
    yield _database(setting, database_url)
    if not config.imap:
        yield Check("accounts", Finding.BETTER, "there is no [[imap]] in the config, so poll has nothing to read")
    for account in config.imap:
        yield from _account(account, setting)


def _state(state: Path) -> Check:
    there = state if state.exists() else next(folder for folder in state.parents if folder.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return Check("state folder", Finding.FINE, str(state))
    words = f"{state} cannot be written by this user; run this as the user that polls, or set $STATE_DIRECTORY"
    return Check("state folder", Finding.WRONG, words, exit_status=78)


def _database(setting: Setting, database_url: str | None) -> Check:
    try:
        engine = setting.open_database(database_url)
        place = engine.url.database
        if engine.dialect.name == "sqlite" and place and not Path(place).exists():
            return Check("database", Finding.FINE, f"{place} is made by the first run")
        revision = schema.current(engine)
        if engine.dialect.name != "sqlite" or revision == schema.head():
            schema.ready(engine)
        engine.dispose()
    except IngestError as error:
        return _wrong("database", error)
    return Check("database", Finding.FINE, f"{engine.url.render_as_string(hide_password=True)}, schema {revision}")


def _account(account: Imap, setting: Setting) -> Iterator[Check]:
    what = f"account {account.name!r}"
    if account.security == "none":
        yield Check(f"{what}: TLS", Finding.BETTER, 'security = "none": nothing between here and the server is secret')
    try:
        for words in look_into(account, setting.environment):
            yield Check(what, Finding.FINE, words)
    except IngestError as error:
        yield _wrong(what, error)


def _wrong(what: str, error: IngestError) -> Check:
    return Check(what, Finding.WRONG, str(error).removeprefix(f"{what}: "), exit_status=error.exit_status)
