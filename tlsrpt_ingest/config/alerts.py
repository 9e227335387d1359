"""`[alerts]`: what is told, from when on, and through what."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tlsrpt_ingest.config.section import Name, Secret, Section

Address = Annotated[str, Field(pattern=r"^[!#-'*+\-./0-9=?A-Z^-~]+(@[A-Za-z0-9.\[\]:-]+)?$", max_length=320)]
"""A mail address without a display name; without @ it is a user of this host."""


class AlertMail(Section):
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


class AlertWebhook(Section):
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


class Alerts(Section):
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
