"""`config`: what the config file says, and whether it can be read."""

import click

from tlsrpt_ingest.cli.setting import Setting
from tlsrpt_ingest.output.json_text import json_text


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


@config.command()
@click.pass_obj
def show(setting: Setting) -> None:
    """Print what applies, as JSON: the config file and the defaults. Secrets are not in it, only where they are."""
    where = {"config_file": str(setting.path) if setting.path else None, "state": str(setting.state)}
    click.echo(json_text({**where, **setting.config.model_dump(mode="json")}))
