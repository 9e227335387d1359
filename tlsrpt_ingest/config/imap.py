"""`[[imap]]`: the accounts to poll, how to log in, and what becomes of their messages."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tlsrpt_ingest.config.section import Name, Secret, Section, one_line
from tlsrpt_ingest.outcome import Outcome


class OAuth(Section):
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
    if not _ACTION.fullmatch(one_line(text)):
        raise ValueError('write "keep", "seen", "flag", "move:FOLDER" or "delete"')
    return text


def _no_delete(text: str) -> str:
    if _action(text) == "delete":
        raise ValueError('"delete" is for reports only: what is no report, or was not read, is in no database')
    return text


Action = Annotated[str, AfterValidator(_action)]
Keeping = Annotated[str, AfterValidator(_no_delete)]


class After(Section):
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


class Imap(Section):
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
    after: After = After.model_construct()
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
