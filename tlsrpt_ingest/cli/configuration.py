"""`config`: what the config file says, and whether it can be read."""

import click

from tlsrpt_ingest.cli.setting import Setting


@click.group()
def config() -> None:
    """The config file."""


@config.command()
@click.pass_obj
def check(setting: Setting) -> None:
    """Read the config file and say whether it is right (exit 78 and the key if not)."""
    if setting.path is None:
        click.echo("no config file; the defaults apply")
    else:
        _ = setting.config
        click.echo(f"{setting.path}: fine")
