"""config.toml as frozen pydantic models; pure: reads no file and no environment."""

import difflib
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from tlsrpt_ingest.errors import Misconfigured

_UNKNOWN: Final = "extra_forbidden"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Database(_Section):
    """`[database]`: where the rows go."""

    url: str | None = None
    """`sqlite:///FILE`, `postgresql://...` or `mariadb://...`; without it SQLite in the state directory."""


class Config(_Section):
    """The whole file."""

    database: Database = Database()


def parse(text: str, name: str = "config.toml") -> Config:
    """Read the text of a config file; raises Misconfigured, which names the key and what to write instead."""
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{name} is no TOML: {error}") from error
    except ValidationError as error:
        raise Misconfigured("\n".join(_words(name, one) for one in error.errors())) from error


def _words(name: str, error: Any) -> str:
    key = ".".join(str(step) for step in error["loc"])
    if error["type"] != _UNKNOWN:
        return f"{name}: {key}: {error['msg']}"
    near = difflib.get_close_matches(str(error["loc"][-1]), _known(error["loc"][:-1]), n=1)
    return f"{name}: there is no key {key}" + (f"; did you mean {near[0]}?" if near else "")


def _known(path: Iterable[str | int]) -> list[str]:
    """The keys of the section at `path`."""
    section: type[BaseModel] = Config
    for step in path:
        inner = section.model_fields[step].annotation if isinstance(step, str) else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            section = inner
    return list(section.model_fields)
