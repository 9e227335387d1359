"""Origins: URIs that say where an item lies, in printable ASCII whatever its file is called (RFC 3986, RFC 8089)."""

import os
from typing import Final
from urllib.parse import quote, unquote_to_bytes

STDIN: Final = "stdin:"
"""The origin of what came in on standard input: nobody can read it there again."""

_SCHEME: Final = "file://"

_PATH: Final = 500
"""Characters of a path that are kept."""

POSTED: Final = "post:"
"""The scheme of what was posted to us (RFC 8460 section 5.4), which nobody can read there again either."""


def of_path(path: str) -> str:
    """The URI of a file or folder, absolute: `file:///srv/2024.mbox`."""
    return _SCHEME + quote(os.fsencode(os.path.abspath(path)))  # noqa: PTH100 - Path would drop what fsencode keeps


def inside(origin: str, place: str | int) -> str:
    """The URI of a place inside what `origin` names: an archive's member, the octet offset in an mbox.

    `file:///srv/a.zip#2024/b.mbox?1234`: a URI has one "#" (RFC 3986 section 3.5); from there "?", which is quoted
    in every name, leads further inwards.
    """
    step = str(place) if isinstance(place, int) else quote(place.encode("utf-8", "surrogateescape"))
    return origin + ("?" if "#" in origin else "#") + step


def of_post(client: str, path: str) -> str:
    """The URI of what a client posted: `post://192.0.2.1/path`; `path` is as in the request, and only its beginning."""
    host = f"[{client}]" if ":" in client else client
    return f"{POSTED}//{host}/" + quote(path[:_PATH].lstrip("/"), safe="/%!$&'()*+,;=:@~")


def container(origin: str) -> str | None:
    """The path of the file that an item lies in, for reading it again; None where it lies in no file."""
    if not origin.startswith(_SCHEME):
        return None
    return os.fsdecode(unquote_to_bytes(origin[len(_SCHEME) :].partition("#")[0]))
