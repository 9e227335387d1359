"""`reprocess`: what was rejected, or did not count, once more."""

import hashlib
import logging
from collections.abc import Generator, Iterable, Iterator
from itertools import groupby
from urllib.parse import unquote

import click
from sqlalchemy import Engine

from tlsrpt_ingest.cli.backfill import folders_of
from tlsrpt_ingest.cli.remembering import remembered
from tlsrpt_ingest.cli.run import database, exit_status, report, run
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.cli.trust import trust
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.sources import Item, Source
from tlsrpt_ingest.sources.files import open_path
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.sources.origin import POSTED, STDIN, container
from tlsrpt_ingest.sources.picked import PickedSource
from tlsrpt_ingest.sources.source import Mailbox
from tlsrpt_ingest.store import ask
from tlsrpt_ingest.tally import Tally

log = logging.getLogger(__name__)

EVER = 1 << 31
"""Attempts that nobody makes."""


@click.command()
@database_option
@click.option("--strict", is_flag=True, help="Exit with 65 when something is rejected again.")
@json_option
@click.pass_obj
def reprocess(setting: Setting, database_url: str | None, *, strict: bool, as_json: bool) -> int:
    """Read again what was rejected, as after an upgrade, or did not count, as after a change of [trust]."""
    tally = Tally()
    with database(setting, database_url) as engine, Stopping() as stop, remembered(engine, "reprocess", tally, stop):
        run(_open_cases(setting, engine), engine, stop, tally, trust=trust(setting.config, fresh=True))
    report(tally, as_json=as_json)
    return exit_status(tally, stop, strict=strict)


def _open_cases(setting: Setting, engine: Engine) -> Generator[Source]:
    """A source for each container that holds items whose outcome is open, handing out only these."""
    for place, rows in groupby(ask.open_cases(engine), key=_place):
        if place is None:
            yield MemorySource(_kept(rows))
            continue
        origins = {row.origin for row in rows}
        try:
            sources = _messages(setting, place, engine) if place.startswith("imap:") else [open_path(place)]
            for source in sources:
                yield PickedSource(source, origins)
        except Misconfigured as gone:
            log.warning("%d items cannot be read again: %s", len(origins), gone)


def _place(row: ask.OpenRow) -> str | None:
    """The path, or the URL, of what the item lies in; None where the ledger keeps the item."""
    whole = row.place and row.octets and hashlib.sha256(row.octets).digest() == row.digest
    if whole or row.origin == STDIN or row.origin.startswith(POSTED):
        return None
    return container(row.origin) or row.origin.partition(";UIDVALIDITY=")[0]


def _messages(setting: Setting, url: str, engine: Engine) -> Generator[Source]:
    """The mailbox of such a URL, with every message of it that is rejected, however often it was tried."""
    name, _, folder = url.removeprefix("imap://").partition("/")
    account = next((one for one in setting.config.imap if one.name == name), None)
    if account is None:
        raise Misconfigured(f"{url}: the config has no [[imap]] account {name!r} any more")
    ever = account.model_copy(update={"attempts": EVER})
    yield from folders_of(ever, setting, engine, (unquote(folder),), change=True)


def _kept(rows: Iterable[ask.OpenRow]) -> Iterator[Item]:
    """Each item of which the ledger kept the octets, once however many of its parts are open."""
    for _item, parts in groupby(rows, key=lambda row: row.item):
        row = next(parts)
        if row.octets is None:
            continue
        if row.place:
            mailbox = Mailbox(row.place.account, row.place.mailbox, row.place.uidvalidity)
            yield Item(row.origin, row.octets, position=row.place.uid, mailbox=mailbox)
        else:
            media_type = "" if row.origin.startswith(POSTED) else None
            yield Item(row.origin, row.octets, repeatable=False, media_type=media_type)
