"""All checks of one domain, in the order in which a sender would meet what they check."""

from collections.abc import Iterator
from dataclasses import dataclass

from tlsrpt_ingest.check import Check
from tlsrpt_ingest.config import Config
from tlsrpt_ingest.posture.connection import Way, trust
from tlsrpt_ingest.posture.hosts import host_checks
from tlsrpt_ingest.posture.lookup import SECONDS, Lookup
from tlsrpt_ingest.posture.mx import mx_checks, tlsa_checks
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.sts import sts_checks
from tlsrpt_ingest.posture.tlsrpt import Ours, tlsrpt_checks


@dataclass(frozen=True, slots=True)
class World:
    """How to ask, and what is ours."""

    lookup: Lookup
    web: Way
    smtp: Way
    ours: Ours


def world(config: Config) -> World:
    """As the config says; raises Misconfigured."""
    posture = config.posture
    context = trust(posture.ca_file)
    seconds = float(posture.timeout)
    return World(
        Lookup(*posture.resolver_address, seconds=min(seconds, SECONDS)),
        Way(context, posture.https_port, seconds),
        Way(context, posture.smtp_port, seconds),
        ours(config),
    )


def ours(config: Config) -> Ours:
    """Where we take reports: rua of [posture], else users of [[imap]] that are addresses, and url of [receive]."""
    if config.posture.rua:
        return Ours(config.posture.rua, complete=True)
    users = [f"mailto:{account.user}" for account in config.imap if account.user and "@" in account.user]
    return Ours((*users, *([config.receive.url] if config.receive.url else [])))


def examine(world: World, published: Published, *, probe: bool = False) -> Iterator[Check]:
    """Check everything that can be seen from outside; `published` gets what was seen."""
    yield from mx_checks(world.lookup, published)
    yield from tlsrpt_checks(world.lookup, published, world.ours)
    yield from tlsa_checks(world.lookup, published)
    yield from sts_checks(world.lookup, world.web, published)
    if probe:
        yield from host_checks(world.smtp, published)
