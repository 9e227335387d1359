"""The one spelling of JSON that the store writes, so that equal values are equal text on every database."""

import json
from typing import Any, Final

dumps: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
"""A value as JSON text: members in their order, no blanks, characters as they are."""


def loads(text: str) -> Any:
    """The value of a JSON text."""
    return json.loads(text)
