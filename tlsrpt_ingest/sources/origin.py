"""Origins: URIs that say where an item lies, in printable ASCII whatever its file is called (RFC 3986, RFC 8089)."""

import os
from urllib.parse import quote, unquote_to_bytes

STDIN = "stdin:"
"""The origin of what came in on standard input: nobody can read it there again."""

_SCHEME = "file://"


def of_path(path: str, *inside: str | int) -> str:
    """The URI of a file, and of a place inside it: `file:///srv/a.zip#2024/b.mbox#1234`.

    `inside` goes inwards: the name of an archive's member, the octet offset in an mbox.
    """
    octets = os.fsencode(os.path.abspath(path))  # noqa: PTH100 - Path would drop what fsencode keeps
    return _SCHEME + quote(octets) + "".join("#" + quote(os.fsencode(str(place))) for place in inside)


def inside(origin: str, place: str | int) -> str:
    """The URI of a place inside what `origin` names."""
    return origin + "#" + quote(str(place).encode("utf-8", "surrogateescape"))


def container(origin: str) -> str | None:
    """The path of the file that an item lies in, for reading it again; None where it lies in no file."""
    if not origin.startswith(_SCHEME):
        return None
    return os.fsdecode(unquote_to_bytes(origin[len(_SCHEME) :].partition("#")[0]))
