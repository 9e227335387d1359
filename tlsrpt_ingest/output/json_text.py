"""JSON for scripts that a terminal may show too: ASCII only, so that no string of a stranger acts on it."""

import json
from typing import Any


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """The JSON text of `value`, in one line where `indent` is None; docs/reference/json.md has the shapes."""
    # ensure_ascii escapes all but the printable ASCII characters: DEL and the C1 controls too.
    return json.dumps(value, indent=indent, ensure_ascii=True, allow_nan=False)
