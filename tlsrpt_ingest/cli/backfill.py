"""`backfill`: archives into the database."""

from collections.abc import Generator, Iterable
from contextlib import closing
from urllib.parse import unquote, urlsplit

import click
from sqlalchemy import Engine

from tlsrpt_ingest.cli.jobs import jobs_options, workers
from tlsrpt_ingest.cli.remembering import remembered
from tlsrpt_ingest.cli.run import database, exit_status, report, run
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.cli.trust import trust
from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.sources import Source
from tlsrpt_ingest.sources.files import open_path
from tlsrpt_ingest.store.engine import write_much
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.tally import Tally


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--folder", "folders", multiple=True, metavar="NAME", help="Folder of the IMAP account that PATH names.")
@jobs_options
@database_option
@click.option("--strict", is_flag=True, help="Exit with 65 when something was rejected.")
@click.option("--dry-run", is_flag=True, help="Read and judge everything as into an empty database; write nothing.")
@json_option
@click.pass_obj
def backfill(  # noqa: PLR0913 - click has a parameter for each option
    setting: Setting,
    paths: tuple[str, ...],
    folders: tuple[str, ...],
    database_url: str | None,
    *,
    jobs: int | None,
    cluster: str | None,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Read archives into the database: each report once, however often it is read.

    PATH is an mbox (also .gz, .bz2, .xz), a Maildir, an .eml, .json, .json.gz, .zip or .tar file, a folder of any of
    these, or - for one message on standard input. It may also be an IMAP folder: imap://HOST/FOLDER, where HOST is the
    host or the name of an [[imap]] account, or with --folder such a name. Nothing in PATH is changed.
    """
    tally = Tally()
    places = [(path, _account(setting, path, folders) or open_path(path)) for path in paths]
    # A pipe brings one mail.
    octets = {path: None if isinstance(place, Imap) else place.octets_total for path, place in places if path != "-"}
    with (
        closing(workers(jobs, cluster, octets)) as judges,
        database(setting, database_url, dry_run=dry_run) as engine,
        Stopping() as stop,
        remembered(engine, "backfill", tally, stop),
    ):
        write_much(engine)
        run(
            _sources(setting, places, folders, engine),
            engine,
            stop,
            tally,
            # A pipe brings mail as it arrives.
            trust=trust(setting.config, fresh=paths == ("-",)),
            workers=judges,
        )
    report(tally, as_json=as_json)
    return exit_status(tally, stop, strict=strict)


def _sources(
    setting: Setting, places: Iterable[tuple[str, Imap | Source]], folders: tuple[str, ...], engine: Engine
) -> Generator[Source]:
    """The sources at these places: files as they are, accounts folder by folder."""
    for path, place in places:
        if isinstance(place, Imap):
            wanted = folders or (unquote(urlsplit(path).path.strip("/")) or "INBOX",)
            yield from folders_of(place, setting, engine, wanted, change=False)
        else:
            yield place


def folders_of(
    account: Imap, setting: Setting, engine: Engine, names: Iterable[str], *, change: bool
) -> Generator[Source]:
    """The folders of these names as sources."""
    # Imported here: a tenth of the time to start, and archives are files.
    from tlsrpt_ingest.sources.imap import imap_sources  # noqa: PLC0415 - as said

    return imap_sources(account, setting.environment, Messages(engine), names, change=change)


def _account(setting: Setting, path: str, folders: tuple[str, ...]) -> Imap | None:
    """The [[imap]] account that PATH means; None where it is a file."""
    if not path.startswith("imap://") and not folders:
        return None
    name = (urlsplit(path).hostname or "") if path.startswith("imap://") else path
    for account in setting.config.imap:
        if name.lower() in (account.name.lower(), account.host.lower()):
            return account
    known = ", ".join(account.name for account in setting.config.imap) or "none"
    raise Misconfigured(f"{path}: the config has no [[imap]] account with this name or host (it has: {known})")
