"""`poll`: what cron and systemd run. Drains the mailboxes of the config, once or for as long as it is left alone."""

import logging
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import Engine

from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.jobs import when_much
from tlsrpt_ingest.cli.lock import only_one
from tlsrpt_ingest.cli.notify import Notify
from tlsrpt_ingest.cli.remembering import remembered
from tlsrpt_ingest.cli.run import database, exit_status, report, run
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.cli.trust import trust
from tlsrpt_ingest.config import Imap
from tlsrpt_ingest.errors import IngestError, Misconfigured, Unavailable
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources.begun import begun
from tlsrpt_ingest.sources.imap import imap_sources
from tlsrpt_ingest.sources.imap_idle import Idler
from tlsrpt_ingest.store.messages import Messages
from tlsrpt_ingest.tally import Tally

log = logging.getLogger(__name__)

EVERY = 300
"""Seconds between two polls of --watch when no server said that there is something."""

FIRST_PAUSE = 5
"""Seconds to wait after a poll that failed, doubling up to EVERY."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is written after a run, where it is wanted."""

    pages: Path | None = None
    """The folder of the site, written when something changed."""
    metrics: Path | None = None
    """The file of the metrics, written each time."""


@click.command()
@click.option("--account", "names", multiple=True, metavar="NAME", help="Only this [[imap]] account (may be repeated).")
@click.option("--watch", is_flag=True, help="Stay, and poll when the server says that there is mail (IDLE).")
@click.option("--dry-run", is_flag=True, help="Read everything as into an empty database; write nothing anywhere.")
@click.option(
    "--site",
    "pages",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the site there after each run that changed something. Default: [site] directory, unless --database.",
)
@click.option(
    "--metrics",
    "numbers",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the metrics there after each run (see metrics).",
)
@database_option
@click.option("--strict", is_flag=True, help="Exit with 65 when something was rejected.")
@json_option
@click.pass_obj
def poll(  # noqa: PLR0913 - one parameter for each option
    setting: Setting,
    names: tuple[str, ...],
    pages: Path | None,
    numbers: Path | None,
    database_url: str | None,
    *,
    watch: bool,
    dry_run: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Read new reports from the [[imap]] accounts of the config into the database.

    Silent when all is well. Nothing is moved, marked or deleted but as [imap.after] says, and only after the commit.
    """
    if watch and dry_run:
        raise click.UsageError("--watch and --dry-run do not go together")
    accounts = _accounts(setting, names)
    if pages is None and database_url is None and setting.config.site.directory is not None:
        pages = Path(setting.config.site.directory)
    with (
        nullcontext() if dry_run else only_one(setting.state),
        database(setting, database_url, dry_run=dry_run) as engine,
        Stopping() as stop,
    ):
        if watch:
            _watch(setting, accounts, engine, stop, Written(pages, numbers))
            return 0
        written = Written() if dry_run else Written(pages, numbers)
        tally, failures = _poll(setting, accounts, engine, stop, written, change=not dry_run)
    report(tally, as_json=as_json)
    for failure in failures[:-1]:
        log.error("%s", failure)
    if failures:
        raise failures[-1]
    return exit_status(tally, stop, strict=strict)


def _accounts(setting: Setting, names: tuple[str, ...]) -> list[Imap]:
    known = {account.name: account for account in setting.config.imap}
    if not known:
        where = f"{setting.path} has no [[imap]] account" if setting.path else "there is no config file (see --config)"
        raise Misconfigured(f"nothing to poll: {where}; config.example.toml shows how")
    if unknown := [name for name in names if name not in known]:
        raise Misconfigured(f"there is no [[imap]] account {unknown[0]!r} in the config; there is: {', '.join(known)}")
    return [known[name] for name in names or known]


def _poll(
    setting: Setting,
    accounts: list[Imap],
    engine: Engine,
    stop: Stopping,
    written: Written,
    *,
    change: bool = True,
    alive: Callable[[], None] = lambda: None,
) -> tuple[Tally, list[IngestError]]:
    """Drain each account. One that fails does not keep the others waiting; the gravest failure comes last."""
    tally = Tally()
    asked = trust(setting.config, fresh=True)
    with remembered(engine, "poll", tally, stop) as failures, closing(when_much()) as judges:
        for account in accounts:
            try:
                sources = imap_sources(account, setting.environment, Messages(engine), change=change)
                run(begun(sources), engine, stop, tally, alive, trust=asked, workers=judges)
            except (Unavailable, Misconfigured) as failure:
                failures.append(failure)
            if stop():
                break
        pages = written.pages
        if pages and (_changed(tally) or not os.access(pages / "index.html", os.F_OK)):
            try:
                _write_site(setting, engine, pages)
            except (Unavailable, Misconfigured) as failure:
                failures.append(failure)
    if written.metrics:  # which tell of this run too
        try:
            _write_metrics(engine, written.metrics)
        except (Unavailable, Misconfigured) as failure:
            failures.append(failure)
    return tally, sorted(failures, key=lambda failure: failure.exit_status)


def _changed(tally: Tally) -> bool:
    """Whether the database says something that it did not say before."""
    return tally.deliveries > tally.outcomes[Outcome.DUPLICATE] + tally.outcomes[Outcome.NOT_A_REPORT]


def _write_site(setting: Setting, engine: Engine, pages: Path) -> None:
    # Imported here: a poll that finds nothing does without the templates.
    from tlsrpt_ingest.output.site.writing import write_site  # noqa: PLC0415 - as said

    write_site(engine, pages, setting.config.site.days, clock.now())


def _write_metrics(engine: Engine, file: Path) -> None:
    from tlsrpt_ingest.output import metrics  # noqa: PLC0415 - as above

    metrics.write(metrics.collect(engine, clock.now()), file)


def _watch(setting: Setting, accounts: list[Imap], engine: Engine, stop: Stopping, written: Written) -> None:
    """Poll until told to stop. Raises Misconfigured when only the operator can help."""
    notify = Notify(setting.environment)
    news = threading.Event()
    idlers: list[Idler] = []
    pause = FIRST_PAUSE
    try:
        while not stop():
            news.clear()
            tally, failures = _poll(setting, accounts, engine, stop, written, alive=notify.alive)
            if tally.items or failures:
                report(tally, as_json=False)
            for failure in failures:
                log.error("%s", failure)
                if isinstance(failure, Misconfigured):
                    raise failure
            if not idlers:
                idlers = list(_idlers(setting, accounts, news))
                notify("READY=1")
            notify(f"STATUS=last poll: {tally.items} items{'; ' + str(failures[-1]) if failures else ''}")
            wait = pause * (0.5 + random.random()) if failures else EVERY  # noqa: S311 - no secret
            pause = min(2 * pause, EVERY) if failures else FIRST_PAUSE
            _wait(wait, news if not failures else threading.Event(), stop, notify)
        notify("STOPPING=1")
    finally:
        for idler in idlers:
            idler.close()


def _idlers(setting: Setting, accounts: list[Imap], news: threading.Event) -> Iterator[Idler]:
    """A thread that idles for the first folder of each account; the other folders are polled with it."""
    for account in accounts:
        idler = Idler(account, account.folders[0], setting.environment, news)
        idler.start()
        yield idler


def _wait(seconds: float, news: threading.Event, stop: Stopping, notify: Notify) -> None:
    while seconds > 0 and not stop() and not news.wait(min(1.0, seconds)):
        seconds -= 1
        notify.alive()
