"""`site`: the static pages, written into a folder that a web server serves."""

import logging
from pathlib import Path

import click

from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.setting import Setting, database_option
from tlsrpt_ingest.config import Site
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.output.site.writing import write_site

log = logging.getLogger(__name__)


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False), metavar="[DIR]")
@click.option(
    "--days",
    type=click.IntRange(1, Site.MOST_DAYS),
    metavar="N",
    help="How many days up to the latest report. Default: [site] days of the config file, else 180.",
)
@database_option
@click.pass_obj
def site(setting: Setting, directory: Path | None, days: int | None, database_url: str | None) -> None:
    """Write static pages: all domains, each domain, and the reports to look at first.

    DIR is a folder for these pages alone; default: [site] directory of the config file. A page that says the same as
    before is left alone, and pages of former times are removed.
    """
    chosen = setting.config.site
    if directory is None and chosen.directory is None:
        raise Misconfigured("where should the site be? type: tlsrpt-ingest site DIR, or set [site] directory")
    path = directory or Path(str(chosen.directory))
    written = write_site(setting.database(database_url), path, days or chosen.days, clock.now())
    log.info("%s: %d pages, %d changed, %d removed", path, written.pages, written.changed, written.removed)
