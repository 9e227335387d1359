"""The policy file of RFC 8461 section 3.2, and how its mx patterns match hosts (section 4.1)."""

import re
from dataclasses import dataclass
from typing import Final

from tlsrpt_ingest.rfc8461.fields import Fields

MAX_AGE: Final = 31_557_600
"""Seconds: the largest max_age, about a year."""

MODES: Final = ("enforce", "testing", "none")


class InvalidPolicy(ValueError):
    """A policy that section 3.2 does not know; `code` is a fixed word, `str(error)` says what is wrong for people.

    Codes: "encoding", "line", "version", "mode", "max-age", "mx", and each of the last four with "-missing".
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy; `str()` is its text with LF."""

    mode: str
    max_age: int
    """Seconds for which senders may keep it, 0 to MAX_AGE."""
    mx: tuple[str, ...] = ()
    """Patterns: host names in lower case, `*.` in front stands for one label."""
    extensions: Fields = ()
    """Fields that RFC 8461 does not know, which senders ignore."""
    repeated: tuple[str, ...] = ()
    """Fields that stand more than once though only the first one counts."""

    def __str__(self) -> str:
        """The text to publish."""
        fields = [("version", "STSv1"), ("mode", self.mode), ("max_age", str(self.max_age))]
        fields += [("mx", pattern) for pattern in self.mx] + list(self.extensions)
        return "".join(f"{name}: {value}\n" for name, value in fields)

    @property
    def meaning(self) -> tuple[str, int, frozenset[str]]:
        """What two policies have in common that say the same, whatever the order of their lines."""
        return self.mode, self.max_age, frozenset(self.mx)

    def covers(self, host: str) -> bool:
        """Whether one of the patterns matches the host name of an MX."""
        return any(matches(pattern, host) for pattern in self.mx)


def matches(pattern: str, host: str) -> bool:
    """Whether a pattern (of a policy, or a certificate's DNS-ID) matches a host: `*` is the whole leftmost label."""
    pattern, host = (name.lower().rstrip(".") for name in (pattern, host))
    if pattern.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == pattern[2:]
    return pattern == host


def parse_policy(content: str | bytes) -> Policy:
    """Read a policy file, lines ended by LF or CRLF; raises InvalidPolicy for the first thing that is wrong."""
    first: dict[str, str] = {}
    mx: list[str] = []
    extensions: list[tuple[str, str]] = []
    repeated: list[str] = []
    for number, line in enumerate(_lines(_text(content)), start=1):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise InvalidPolicy("line", f"line {number} is no field like `mode: enforce`: {line[:80]!r}")
        name, value = field["name"], field["value"]
        if name == "mx":
            if not _PATTERN.fullmatch(value) or len(value) > _LONGEST_NAME:
                raise InvalidPolicy(
                    "mx",
                    f"mx {value[:80]!r} is no host name, nor *. and a domain: one * may stand "
                    "for one whole label, the leftmost, and IP addresses and U-labels may not stand here",
                )
            mx.append(value.lower())
        elif name not in _ONCE:
            extensions.append((name, value))
        elif name in first:
            repeated.append(name)
        else:
            first[name] = value
    for name in _ONCE:
        if name not in first:
            raise InvalidPolicy(f"{name.replace('_', '-')}-missing", f"it has no field {name}{_near(extensions, name)}")
    mode = _checked(first)
    if not mx and mode != "none":
        raise InvalidPolicy("mx-missing", f"it has no field mx, which mode {mode} needs{_near(extensions, 'mx')}")
    return Policy(mode, int(first["max_age"]), tuple(mx), tuple(extensions), tuple(repeated))


def _text(content: str | bytes) -> str:
    if isinstance(content, str):
        return content
    if content.startswith(b"\xef\xbb\xbf"):
        raise InvalidPolicy(
            "encoding", "it begins with a byte order mark, so its first line is no field; save it without one"
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidPolicy("encoding", f"octet {error.start} is no UTF-8") from error


def _lines(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def _checked(first: dict[str, str]) -> str:
    """The mode, where version, mode and max_age have values that there are."""
    if first["version"] != "STSv1":
        raise InvalidPolicy("version", f"version is {first['version'][:80]!r} and not 'STSv1', letter by letter")
    if first["mode"] not in MODES:
        raise InvalidPolicy(
            "mode", f"mode is {first['mode'][:80]!r}; enforce, testing and none are what there is, in lower case"
        )
    if not _SECONDS.fullmatch(first["max_age"]) or int(first["max_age"]) > MAX_AGE:
        raise InvalidPolicy(
            "max-age", f"max_age is {first['max_age'][:80]!r}; it is a number of seconds, 0 to {MAX_AGE} (a year)"
        )
    return first["mode"]


def _near(extensions: list[tuple[str, str]], name: str) -> str:
    """A hint for a missing field: one that differs only in its case."""
    near = next((found for found, _ in extensions if found.lower().replace("-", "_") == name), None)
    return f" ({near!r} is there, but it has to be written {name!r})" if near else ""


_ONCE: Final = ("version", "mode", "max_age")
_LONGEST_NAME: Final = 253
# `.` of a value is a printable character of any script (sts-policy-vchar) or a blank inside; \s would take more.
_FIELD: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(?P<value>[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?)"
    r"[ \t]*"
)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PATTERN: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*(?<![.][0-9])(?<![.][0-9][0-9])(?<![.][0-9][0-9][0-9])")
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
