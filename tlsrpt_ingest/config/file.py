"""The whole of config.toml, and the words for what is wrong with it."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from tlsrpt_ingest import limits
from tlsrpt_ingest.config.alerts import Alerts
from tlsrpt_ingest.config.imap import Imap
from tlsrpt_ingest.config.section import Domain, Name, Secret, Section, one_line
from tlsrpt_ingest.errors import Misconfigured


def _network(text: str) -> str:
    ipaddress.ip_network(text)  # its ValueError says what is wrong
    return text


Network = Annotated[str, AfterValidator(_network)]


class Receive(Section):
    """`[receive]`: reports by HTTPS POST (RFC 8460 section 5.4), as `serve` takes them."""

    url: Annotated[str, Field(pattern=r"^https://[!-~]{1,500}$")] | None = None
    """The https: address in the rua of our `_smtp._tls` records, at which this endpoint is reached."""
    host: Name = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8460
    certificate: Name | None = None
    """PEM file of the certificate and its chain; without it plain HTTP, for a web server in front."""
    key: Name | None = None
    """PEM file of its key, unless `certificate` has it."""
    trusted_proxies: Annotated[tuple[Network, ...], Field(strict=False)] = ("127.0.0.1", "::1")
    """Addresses or networks of web servers in front, whose X-Forwarded-For is believed."""
    max_body_mib: Annotated[int, Field(ge=1, le=20)] = 10
    """Larger bodies are refused (413) without being read. RFC 8460 section 5.3 calls ten megabytes common."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """Of one client address (IPv6: one /64), each MiB of a body counting as 60; beyond it 429."""
    requests_in_hand: Annotated[int, Field(ge=1, le=400)] = 256
    """Requests that are read or recorded at one time, a quarter of them by one client; beyond it 503."""

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("key needs certificate")
        return self


class Database(Section):
    """`[database]`: where the rows go."""

    url: str | None = None
    """`sqlite:///FILE`, `postgresql://...` or `mariadb://...`; without it SQLite in the state directory."""
    password: Secret | None = None
    """The password that the server asks for, if it asks for one."""

    @model_validator(mode="after")
    def _no_literal(self) -> Self:
        if self.url and re.search(r"^[^/]*://[^/@]*:[^/@]*@|[?&]password=", self.url):
            raise ValueError("no password in the URL, which others may read: say where it is with [database] password")
        return self


class Trust(Section):
    """`[trust]`: who has to vouch for a report, and about whose domains it has to be, before it counts."""

    require: Literal["none", "authenticated"] = "none"
    """With "authenticated", only reports count whose domain signed them (RFC 8460 section 5.3)."""
    authserv_ids: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    """Of your mail servers, whose Authentication-Results (RFC 8601) are believed."""
    dkim: bool = True
    """Whether `poll` and `serve` verify signatures themselves, by DNS, where no such field speaks of one."""
    domains: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    """Yours, with all below them; reports about others do not count. Without it, all do."""
    mx_hosts: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    """MX hosts that are not below your domains; DANE reports name them. Without it, the DNS is asked."""
    reports_per_day: Annotated[int, Field(ge=1)] = limits.REPORTS_OF_A_SENDER
    """Reports about one UTC day that `poll` and `serve` count for one sender."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.require == "authenticated" and not self.dkim and not self.authserv_ids:
            raise ValueError('require = "authenticated" needs authserv_ids or dkim = true: else nobody can vouch')
        return self


def _resolver(text: str) -> str:
    Posture.split(one_line(text))
    return text


class Posture(Section):
    """`[posture]`: whose records `posture` checks, and how."""

    domains: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    """What `posture` checks when it is given no domain; default: those of [trust]."""
    rua: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """The URIs (mailto: and https:) at which reports reach us, all of them; default: users of [[imap]] that are
    addresses, and url of [receive]."""
    resolver: Annotated[str, AfterValidator(_resolver)] | None = None
    """Address of the DNS resolver to ask, with :PORT if it is not 53; default: that of this host."""
    ca_file: Name | None = None
    """PEM file of the authorities to trust; default: the system's, as senders do."""
    https_port: Annotated[int, Field(ge=1, le=65535)] = 443
    """Where policy hosts are asked: senders use 443 and nothing else, so another one is for trying things out."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    """Where mail hosts are asked with --probe; the same holds."""
    timeout: Annotated[int, Field(ge=1, le=60)] = 60
    """Seconds for the policy file, and for each mail host; RFC 8461 section 3.3 suggests a minute."""

    @property
    def resolver_address(self) -> tuple[str | None, int]:
        """Address and port of `resolver`."""
        return self.split(self.resolver) if self.resolver else (None, 53)

    @staticmethod
    def split(text: str) -> tuple[str, int]:
        """Read ADDRESS, ADDRESS:PORT or [IPV6]:PORT."""
        host, colon, port = text.rpartition(":")
        if not colon or (":" in host and not host.endswith("]")):
            host, port = text, "53"
        try:
            return str(ipaddress.ip_address(host.strip("[]"))), int(port)
        except ValueError:
            raise ValueError("write the IP address of a resolver, and :PORT if it is not 53") from None


class Site(Section):
    """`[site]`: static pages, written by `site`, and by `poll` after each run that changed something."""

    MOST_DAYS: ClassVar[int] = 400
    """With more, a page would be larger than 200 KB."""

    directory: Name | None = None
    """A folder for the pages alone. `poll` writes it where it polls into the database of this file."""
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 180
    """How many days up to the latest report."""


class Config(Section):
    """The whole file."""

    database: Database = Database.model_construct()
    posture: Posture = Posture.model_construct()
    imap: Annotated[tuple[Imap, ...], Field(strict=False)] = ()
    alerts: Alerts = Alerts.model_construct()
    receive: Receive = Receive.model_construct()
    trust: Trust = Trust.model_construct()
    site: Site = Site.model_construct()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [account.name for account in self.imap]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two [[imap]] accounts are called {twice!r}")
        return self


def parse(text: str, name: str = "config.toml") -> Config:
    """Read the text of a config file; raises Misconfigured, which names the key and what to write instead."""
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{name} is no TOML: {error}") from error
    except ValidationError as error:
        raise Misconfigured("\n".join(_words(name, one) for one in error.errors())) from error


def _words(name: str, error: Any) -> str:
    key = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in error["loc"]).lstrip(".")
    if error["type"] != "extra_forbidden":
        said = error["msg"].removeprefix("Value error, ")
        return f"{name}: {key}: {said}" if key else f"{name}: {said}"
    near = difflib.get_close_matches(str(error["loc"][-1]), _known(error["loc"][:-1]), n=1)
    return f"{name}: there is no key {key}" + (f"; did you mean {near[0]}?" if near else "")


def _known(path: Iterable[str | int]) -> list[str]:
    """The keys of the section at `path`."""
    section: type[BaseModel] = Config
    for step in path:
        if isinstance(step, str) and (inner := _section(section.model_fields[step].annotation)):
            section = inner
    return list(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `tuple[Imap, ...]` or `Secret | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in getattr(annotation, "__args__", ()) if (found := _section(inner))), None)
