"""What all sections of config.toml are made of: frozen models, names of one line, and where a secret is."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A section: unknown keys are refused, and nothing is converted.

    What checks it is built when there is something to check: for all sections that takes longer than importing them.
    So defaults are made by `model_construct`, which checks nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def one_line(text: str) -> str:
    """The text, if it is on one line; raises ValueError."""
    # A CR or LF in a name would end an IMAP command; other controls have no business in a name either.
    if any(ord(character) < ord(" ") or ord(character) == 0x7F for character in text):  # noqa: PLR2004 - DEL
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(one_line)]


class Secret(Section):
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


def _domain(text: str) -> str:
    return one_line(text).strip().rstrip(".").lower()


Domain = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_domain)]
