"""Where the program finds its config file and its database: options, environment, the usual places."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import click
from sqlalchemy import Engine

from tlsrpt_ingest.config import Config, parse
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.sources.secret import reveal
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine


class Setting:
    """What the operator chose, read when it is needed."""

    def __init__(self, config: Path | None, environment: Mapping[str, str]) -> None:
        self._chosen = config
        self.environment = environment

    @cached_property
    def path(self) -> Path | None:
        """The config file: --config, $TLSRPT_INGEST_CONFIG, the XDG place, /etc; None where there is none."""
        chosen = self._chosen or self.environment.get("TLSRPT_INGEST_CONFIG")
        if chosen:
            return Path(chosen)
        places = [self._xdg("XDG_CONFIG_HOME", ".config") / "tlsrpt-ingest", Path("/etc/tlsrpt-ingest")]
        return next((place / "config.toml" for place in places if (place / "config.toml").exists()), None)

    @cached_property
    def config(self) -> Config:
        """The config file's content, or the defaults where there is no file."""
        if self.path is None:
            return Config.model_construct()  # not Config(), which builds what checks a file
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise Misconfigured(f"cannot read the config file {self.path}: {error}; see --config") from error
        return parse(text, str(self.path))

    @property
    def state(self) -> Path:
        """The folder of the program's own files: $STATE_DIRECTORY (systemd) or the XDG state directory."""
        given = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
        return Path(given) if given else self._xdg("XDG_STATE_HOME", ".local/state") / "tlsrpt-ingest"

    def database_url(self, given: str | None) -> str:
        """--database, else the config's [database] url, else SQLite in the state folder; without the password."""
        return given or self.config.database.url or f"sqlite:///{self.state / 'tlsrpt.db'}"

    def open_database(self, given: str | None, *, durable: bool = False) -> Engine:
        """The database, in whatever state it is; [database] password goes with the config's url only."""
        secret = None if given else self.config.database.password
        password = reveal(secret, "[database] password", self.environment) if secret else None
        return open_engine(self.database_url(given), durable=durable, password=password)

    def database(self, given: str | None, *, durable: bool = False) -> Engine:
        """The database, ready: SQLite is created and migrated on first use, a server's schema is checked."""
        # Where a mail goes away after the commit, the commit has to survive a power cut.
        durable = durable or any(account.after.discards for account in self.config.imap)
        engine = self.open_database(given, durable=durable)
        schema.ready(engine)
        return engine

    def _xdg(self, variable: str, default: str) -> Path:
        # XDG: a relative path in the variable is to be ignored.
        given = self.environment.get(variable, "")
        return Path(given) if given.startswith("/") else Path.home() / default


class Age(click.ParamType):  # type: ignore[type-arg] # generic since click 8.5 only
    """An age such as 400d, 12w or 36h."""

    name = "age"
    _HOURS: ClassVar = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read the age."""
        if isinstance(value, timedelta):
            return value
        if not (match := re.fullmatch(r"(\d{1,6})([hdwy])", str(value))):
            self.fail(f"{value!r} is no age: write a number and h, d, w or y, as in 400d", param, ctx)
        try:
            return timedelta(hours=int(match[1]) * self._HOURS[match[2]])
        except OverflowError:
            self.fail(f"{value!r} is longer than time is counted", param, ctx)


def database_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--database URL`, the same for every command that touches the database."""
    return click.option(
        "--database",
        "database_url",
        metavar="URL",
        help="sqlite:///FILE, postgresql://... or mariadb://... Default: [database] url of the config file, "
        "else SQLite in $STATE_DIRECTORY or the XDG state directory.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`, the same for every command that prints."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/reference/json.md).")(command)
