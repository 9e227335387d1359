"""JSON for scripts that a terminal may show too: ASCII only, so that no string of a stranger acts on it."""

import json
from typing import Any


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """The JSON text of `value`, in one line where `indent` is None; docs/reference/json.md has the shapes."""
    # DEL is the one control character that json leaves as it is. It can stand in strings only.
    return json.dumps(value, indent=indent, allow_nan=False).replace("\x7f", r"\u007f")
