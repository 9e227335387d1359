"""`posture`: is TLS reporting set up right, and MTA-STS and DANE beside it; and which records to publish."""

import sys

import click

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.output import posture as posture_output
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.posture.examination import examine, world
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.rfc8460.envelope import domain_name

WRONG = 65
"""The exit status if a check says that something is wrong."""


class Domain(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """A domain name, in A-labels."""

    name = "domain"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the name: in lower case, without a dot at its end."""
        name = domain_name(str(value))
        if name is None or not name.isascii():
            self.fail(f"{value!r} is no domain name (in A-labels: xn--...)", param, ctx)
        return name


@click.command()
@click.argument("domains", nargs=-1, type=Domain(), metavar="[DOMAIN]...")
@click.option("--probe", is_flag=True, help="Connect to each mail host too, and look at STARTTLS and its certificate.")
@database_option
@json_option
@click.pass_obj
def posture(setting: Setting, domains: tuple[str, ...], database_url: str | None, *, probe: bool, as_json: bool) -> int:
    """Look up what each DOMAIN publishes for TLS reporting, MTA-STS and DANE, and say what to do about it.

    Without DOMAIN: domains of [posture] in the config, else of [trust]. Exit status 65 if something is wrong; else 75
    if something could not be looked up, 0 if all that could be told is fine or could only be better.
    """
    asked = domains or setting.config.posture.domains or setting.config.trust.domains
    if not asked:
        raise Misconfigured("which domain? Name one, or set domains in [posture] of the config file")
    here = world(setting.config)
    console = open_console(sys.stdout)
    made: list[Check] = []
    found = []
    for domain in asked:
        checks = examine(here, Published(domain), probe=probe)
        if as_json:
            made += (checks := list(checks))
            found.append(posture_output.as_json(domain, checks))
        else:
            made += posture_output.render(console, domain, checks)
    if as_json:
        click.echo(json_text(found))
    return WRONG if any(check.finding is Finding.WRONG for check in made) else max(check.exit_status for check in made)
