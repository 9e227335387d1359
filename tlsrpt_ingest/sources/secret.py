"""Fetch a secret from where the config says it is; it is in no message, whatever goes wrong."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tlsrpt_ingest.config import Secret
from tlsrpt_ingest.errors import Misconfigured, Unavailable

COMMAND: Final = 30
"""Seconds for a command to print a secret."""

SIZE: Final = 64 * 1024
"""Octets of the largest secret; access tokens have a few KiB."""


def reveal(secret: Secret, key: str, environment: Mapping[str, str]) -> str:
    """The secret, without the line's end; `key` is what messages call it ("account 'main': password").

    Raises Misconfigured when it is not there, Unavailable when its command fails.
    """
    if secret.environment is not None:
        if secret.environment not in environment:
            raise Misconfigured(f"{key}: there is no environment variable {secret.environment}")
        found = environment[secret.environment]
    elif secret.command is not None:
        found = _printed(secret.command, key)
    else:
        found = _read(_place(secret, key, environment), key)
    found = found.removesuffix("\n").removesuffix("\r")
    if not found:
        raise Misconfigured(f"{key}: what is there is empty")
    return found


def _place(secret: Secret, key: str, environment: Mapping[str, str]) -> Path:
    if secret.file is not None:
        return Path(secret.file)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise Misconfigured(
            f"{key}: there is no $CREDENTIALS_DIRECTORY, so this was not started by a systemd unit with "
            f"LoadCredential={secret.credential}; by hand use systemd-run, or name a file"
        )
    return Path(folder) / str(secret.credential)


def _read(path: Path, key: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(SIZE)
    except OSError as error:
        raise Misconfigured(f"{key}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{key}: what is in {path} is not UTF-8") from None


def _printed(command: tuple[str, ...], key: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command, without a shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{key}: {command[0]} printed nothing within {COMMAND} seconds") from None
    except OSError as error:
        raise Misconfigured(f"{key}: cannot start {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Unavailable(f"{key}: {command[0]} ended with status {done.returncode}; its words are above")
    return done.stdout[:SIZE].partition(b"\n")[0].decode("utf-8", "replace")
