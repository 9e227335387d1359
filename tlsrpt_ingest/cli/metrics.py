"""`metrics`: numbers for Prometheus, in a file that node_exporter reads."""

from pathlib import Path

import click

from tlsrpt_ingest.cli import clock
from tlsrpt_ingest.cli.run import database
from tlsrpt_ingest.cli.setting import Setting, database_option
from tlsrpt_ingest.output import metrics as metrics_output


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE")
@database_option
@click.pass_obj
def metrics(setting: Setting, file: Path, database_url: str | None) -> None:
    """Write what the database holds as a Prometheus text file: sessions, failures, latest reports, last runs.

    FILE is one that node_exporter's textfile collector reads (its name ends in .prom), or - for standard output. It is
    replaced as a whole. `poll --metrics FILE` writes it after each run.
    """
    with database(setting, database_url) as engine:
        registry = metrics_output.collect(engine, clock.now())
    if str(file) == "-":
        click.echo(metrics_output.text(registry), nl=False)
    else:
        metrics_output.write(registry, file)
