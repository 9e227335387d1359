"""`posture`: is TLS reporting set up right, and MTA-STS and DANE beside it; and which records to publish."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from tlsrpt_ingest.check import Check, Finding
from tlsrpt_ingest.cli.setting import Setting, database_option, json_option
from tlsrpt_ingest.errors import IngestError, Misconfigured, Unavailable
from tlsrpt_ingest.output import posture as posture_output
from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.examination import World, examine, world
from tlsrpt_ingest.posture.memory import recall
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.recommendation import Recommendation, recommend
from tlsrpt_ingest.rfc8460.envelope import domain_name
from tlsrpt_ingest.store.published import STS_RECORD, TLSRPT_RECORD
from tlsrpt_ingest.store.readiness import readiness

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
@click.option("--recommend", "recommending", is_flag=True, help="Print the records and the policy to publish instead.")
@click.option(
    "--rua",
    multiple=True,
    metavar="URI",
    help="With --recommend: where reports shall go (mailto:ADDRESS); may be given several times.",
)
@database_option
@json_option
@click.pass_obj
def posture(
    setting: Setting,
    domains: tuple[str, ...],
    rua: tuple[str, ...],
    database_url: str | None,
    *,
    probe: bool,
    recommending: bool,
    as_json: bool,
) -> int:
    """Look up what each DOMAIN publishes for TLS reporting, MTA-STS and DANE, and say what to do about it.

    Without DOMAIN: domains of [posture] in the config, else of [trust]. Where there is a database, what is published is
    remembered there and compared with what senders saw. Exit status 65 if something is wrong; else 75 if something
    could not be looked up; 0 if all that could be told is fine or could only be better.
    """
    if rua and not recommending:
        raise click.UsageError("--rua is for --recommend")
    asked = domains or setting.config.posture.domains or setting.config.trust.domains
    if not asked:
        raise Misconfigured("which domain? Name one, or set domains in [posture] of the config file")
    here = world(setting.config)
    if recommending:
        with _database(setting, database_url) as engine:
            _recommend([_recommendation(here, engine, domain, rua) for domain in asked], as_json=as_json)
        return 0
    console = open_console(sys.stdout)
    made: list[Check] = []
    objects = []
    for domain in asked:
        checks: Iterable[Check] = _checks(setting, here, domain, database_url, probe=probe)
        if as_json:
            made += (checks := list(checks))
            objects.append(posture_output.as_json(domain, checks))
        else:
            made += posture_output.render(console, domain, checks)
    if as_json:
        click.echo(json_text(objects))
    return WRONG if any(check.finding is Finding.WRONG for check in made) else max(check.exit_status for check in made)


@contextmanager
def _database(setting: Setting, given: str | None) -> Iterator[Engine | None]:
    """The database; None where nobody has named one and polled into the default one yet."""
    default = setting.state / "tlsrpt.db"
    if not given and not setting.config.database.url and not default.exists():
        yield None
        return
    engine = setting.database(given)
    try:
        yield engine
    finally:
        engine.dispose()


def _checks(setting: Setting, here: World, domain: str, database_url: str | None, *, probe: bool) -> Iterator[Check]:
    published = Published(domain)
    yield from examine(here, published, probe=probe)
    try:
        with _database(setting, database_url) as engine:
            if engine is not None:
                yield from recall(engine, published, _now())
    except IngestError as error:
        # What was seen from outside does not depend on it.
        yield found("database", "database", str(error), exit_status=error.exit_status)


def _recommendation(here: World, engine: Engine | None, domain: str, rua: tuple[str, ...]) -> Recommendation:
    published = Published(domain)
    away = [check.words for check in examine(here, published) if check.code.startswith("dns-")]
    # A lookup that failed must not pass for a record that is not there.
    if away and not (published.mx and published.texts.keys() >= {(domain, TLSRPT_RECORD), (domain, STS_RECORD)}):
        raise Unavailable(f"{domain}: {away[0]}; what to publish depends on it")
    ready = readiness(engine, domain) if engine is not None else None
    return recommend(published, here.ours, ready, _now(), rua)


def _recommend(made: list[Recommendation], *, as_json: bool) -> None:
    if as_json:
        click.echo(json_text([posture_output.recommendation_as_json(one) for one in made]))
        return
    console = open_console(sys.stdout)
    for one in made:
        posture_output.render_recommendation(console, one)


def _now() -> datetime:
    """UTC, without a zone, as the database has times."""
    return datetime.now(UTC).replace(tzinfo=None)
