"""config.toml as frozen pydantic models; pure: reads no file and no environment."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.outcome import Outcome


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _one_line(text: str) -> str:
    # A CR or LF in a name would end an IMAP command; other controls have no business in a name either.
    if any(ord(character) < ord(" ") or ord(character) == 0x7F for character in text):  # noqa: PLR2004 - DEL
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]


def _network(text: str) -> str:
    ipaddress.ip_network(text)  # its ValueError says what is wrong
    return text


Network = Annotated[str, AfterValidator(_network)]


class Secret(_Section):
    """Where a secret is, never the secret: exactly one of the four."""

    credential: Name | None = None
    """A systemd credential: the file of this name in $CREDENTIALS_DIRECTORY (LoadCredential=)."""
    file: Name | None = None
    """A file that holds it."""
    environment: Name | None = None
    """An environment variable that holds it."""
    command: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] | None = None
    """A program and its arguments, started without a shell; the first line it prints."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("name exactly one of credential, file, environment, command")
        return self


class OAuth(_Section):
    """How to get an OAuth 2.0 access token (RFC 6749): `token` as it is, or a grant at `token_url`."""

    mechanism: Literal["XOAUTH2", "OAUTHBEARER"] = "XOAUTH2"
    token: Secret | None = None
    """An access token, asked for at every login."""
    token_url: Name | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None
    refresh_token: Secret | None = None
    """With it the grant is refresh_token, without it client_credentials."""
    scope: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _token_or_grant(self) -> Self:
        if (self.token is None) == (self.token_url is None):
            raise ValueError("give either token, or token_url and client_id for a grant")
        if self.token_url is not None and self.client_id is None:
            raise ValueError("token_url needs client_id")
        if self.token_url is not None and self.refresh_token is None and self.client_secret is None:
            raise ValueError("token_url needs refresh_token, or client_secret for client_credentials")
        return self


_ACTION: Final = re.compile(r"keep|seen|flag|delete|move:.+")


def _action(text: str) -> str:
    if not _ACTION.fullmatch(_one_line(text)):
        raise ValueError('write "keep", "seen", "flag", "move:FOLDER" or "delete"')
    return text


def _no_delete(text: str) -> str:
    if _action(text) == "delete":
        raise ValueError('"delete" is for reports only: what is no report, or was not read, is in no database')
    return text


Action = Annotated[str, AfterValidator(_action)]
Keeping = Annotated[str, AfterValidator(_no_delete)]


class After(_Section):
    """`[imap.after]`: what becomes of a message once its outcome is committed."""

    recorded: Action = "keep"
    duplicate: Action = "keep"
    conflicting: Action = "keep"
    unauthenticated: Keeping = "keep"
    foreign: Keeping = "keep"
    rejected: Keeping = "keep"
    not_a_report: Keeping = "keep"
    delete_after_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """With "delete": only messages that the server has had for so many days."""

    @property
    def discards(self) -> bool:
        """Whether messages are moved or deleted."""
        wishes = (getattr(self, outcome.value) for outcome in Outcome)
        return any(wish.startswith(("move:", "delete")) for wish in wishes)


class Imap(_Section):
    """`[[imap]]`: an account, and the folders to read in it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    """What the ledger calls the account; a new name is a new account, whose messages are all read again."""
    host: Name
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Default: 993 with security "tls", else 143."""
    security: Literal["tls", "starttls", "none"] = "tls"
    insecure: bool = False
    """With security "none": send the password in the clear to a host that is not this one."""
    ca_file: Name | None = None
    """PEM file of the authority that signed the server's certificate; default: the system's authorities."""
    client_certificate: Name | None = None
    """PEM file of a certificate, and its key unless `client_key` has it, to show to the server."""
    client_key: Name | None = None
    user: Name | None = None
    password: Secret | None = None
    oauth: OAuth | None = None
    folders: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)] = ("INBOX",)
    """Names as people write them, `/` between levels; `*` and `?` stand for many and for one character."""
    after: After = After()
    keyword: Annotated[str, Field(pattern=r"^[$A-Za-z0-9._-]{1,64}$")] = "$TlsrptDone"
    """The keyword that "flag" sets (RFC 3501 section 2.3.2)."""
    timeout: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds for the server to answer."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How often polls try a message that is rejected; after that only `reprocess` does."""
    max_message_mib: Annotated[int, Field(ge=1, le=64)] = 25
    """Larger messages are rejected without being fetched."""

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if self.password is not None and self.oauth is not None:
            raise ValueError("give password or oauth, not both")
        if self.password is None and self.oauth is None and self.client_certificate is None:
            raise ValueError("give password, oauth, or client_certificate (SASL EXTERNAL)")
        if self.user is None and self.client_certificate is None:
            raise ValueError("user is missing")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        return self


class Receive(_Section):
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


class Database(_Section):
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


Address = Annotated[str, Field(pattern=r"^[!#-'*+\-./0-9=?A-Z^-~]+(@[A-Za-z0-9.\[\]:-]+)?$", max_length=320)]
"""A mail address without a display name; without @ it is a user of this host."""


class AlertMail(_Section):
    """`[alerts.mail]`: alerts by SMTP to `host`, or by a `sendmail` program of this host."""

    to: Annotated[tuple[Address, ...], Field(min_length=1, strict=False)]
    sender: Address
    """Whom the mail is from, also in the envelope."""
    host: Name | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Default: 465 with security "tls", 587 with "starttls", 25 with "none"."""
    security: Literal["tls", "starttls", "none"] = "starttls"
    insecure: bool = False
    """With security "none": talk in the clear to a host that is not this one."""
    ca_file: Name | None = None
    """PEM file of the authority that signed the server's certificate; default: the system's authorities."""
    user: Name | None = None
    password: Secret | None = None
    sendmail: Name | None = None
    """The program, as in "/usr/sbin/sendmail"."""
    timeout: Annotated[int, Field(ge=1, le=300)] = 30
    """Seconds for each answer of the server, or for the program to end."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.host is None) == (self.sendmail is None):
            raise ValueError("give host (SMTP) or sendmail (a program), one of them")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


class AlertWebhook(_Section):
    """`[alerts.webhook]`: alerts as JSON by HTTPS POST."""

    url: Name | None = None
    secret_url: Secret | None = None
    """Where the URL is, if whoever knows it may post."""
    token: Secret | None = None
    """Sent as `Authorization: Bearer`."""
    insecure: bool = False
    """Post in the clear (http://) to a host that is not this one."""
    ca_file: Name | None = None
    timeout: Annotated[int, Field(ge=1, le=300)] = 30
    """Seconds for the whole of it."""

    @model_validator(mode="after")
    def _one_url(self) -> Self:
        if (self.url is None) == (self.secret_url is None):
            raise ValueError("give url or secret_url, one of them")
        return self


AlertKind = Literal["poll", "no-report", "rejected", "failure", "failure-rate", "policy", "sender"]
"""What `alerts` looks for (output/alerts/rules.py)."""


class Alerts(_Section):
    """`[alerts]`: what `alerts` tells, from when on, and through what; with no outlet given it prints."""

    off: Annotated[tuple[AlertKind, ...], Field(strict=False)] = ()
    """What is not looked for."""
    days: Annotated[int, Field(ge=1, le=14)] = 3
    """A failure is over after so many days without it; the failure rate is that of so many days."""
    failure_rate: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Told when more than this part of the sessions to a domain failed."""
    failure_sessions: Annotated[int, Field(ge=1, le=1_000_000_000)] = 20
    """Fewer sessions than that make no rate."""
    silent_days: Annotated[int, Field(ge=2, le=60)] = 7
    """A sender that used to report is silent after so many days, and three times its usual pause."""
    no_report_days: Annotated[int, Field(ge=2, le=60)] = 4
    """Told when no report of anybody came for so many days."""
    poll_hours: Annotated[int, Field(ge=1, le=1_000)] = 26
    """Told when no poll went well for so many hours."""
    mail: AlertMail | None = None
    webhook: AlertWebhook | None = None
    apprise: Annotated[tuple[Secret, ...], Field(max_length=4, strict=False)] = ()
    """Where the URLs are, at most four; needs the extra `apprise`."""


def _domain(text: str) -> str:
    return _one_line(text).strip().rstrip(".").lower()


Domain = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_domain)]


class Trust(_Section):
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
    Posture.split(_one_line(text))
    return text


class Posture(_Section):
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


class Site(_Section):
    """`[site]`: static pages, written by `site`, and by `poll` after each run that changed something."""

    MOST_DAYS: ClassVar[int] = 400
    """With more, a page would be larger than 200 KB."""

    directory: Name | None = None
    """A folder for the pages alone. `poll` writes it where it polls into the database of this file."""
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = 180
    """How many days up to the latest report."""


class Config(_Section):
    """The whole file."""

    database: Database = Database()
    posture: Posture = Posture()
    imap: Annotated[tuple[Imap, ...], Field(strict=False)] = ()
    alerts: Alerts = Alerts()
    receive: Receive = Receive()
    trust: Trust = Trust()
    site: Site = Site()

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
