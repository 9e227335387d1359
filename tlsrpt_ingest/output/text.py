"""The one encoder between strangers' text and a terminal, a log line or a mail: nothing invisible, nothing endless."""

import re
from typing import Final
from unicodedata import category

LINE: Final = 2_000
"""Characters of a text that stands alone: a log line of more is not read, and journald cuts at 48 KiB."""

CELL: Final = 200
"""Characters of a text among others: a table cell, a subject. The longest real host name has 253, most have 20."""

ELLIPSIS: Final = "..."
"""What stands for the rest. ASCII, since a cron mail may be."""

_PLAIN = re.compile(r"[ -~]*")

_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and symbols that show as nothing (Unicode's Default_Ignorable_Code_Point; the blank of Braille)."""

_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_MARKS: Final = 3
"""Combining marks on one letter; Vietnamese and Hebrew have two. More of them paint over the lines around."""


def clean(text: str, length: int = LINE) -> str:
    r"""The text on one line of printable characters, at most `length` of them.

    What is invisible or moves the cursor stands as an escape (\n, \x1b, \u202e): control characters, bidi controls,
    zero-width characters, line and paragraph separators, spaces that are not U+0020, lone surrogates, private and
    unassigned code points. This is for eyes and not to be reversed: a backslash stays a backslash.
    """
    if len(text) <= length and _PLAIN.fullmatch(text):
        return text
    shown: list[str] = []
    # Where to cut if the text turns out too long: the pieces that leave room for the ellipsis, and escapes stay whole.
    kept = size = marks = 0
    for character in text[: length + 1]:
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        piece = _escape(character) if marks > _MARKS or _hidden(character) else character
        size += len(piece)
        if size > length:
            return ("".join(shown[:kept]) + ELLIPSIS)[:length]
        shown.append(piece)
        if size <= length - len(ELLIPSIS):
            kept = len(shown)
    return "".join(shown)


def _hidden(character: str) -> bool:
    # C: control, format, surrogate, private use, unassigned. Z: separators.
    kind = category(character)
    if kind[0] == "C" or character in _INVISIBLE or (kind[0] == "Z" and character != " "):
        return True
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"  # variation selectors


def _escape(character: str) -> str:
    number = ord(character)
    if number > 0xFFFF:  # noqa: PLR2004 - the end of what \u can say
        return f"\\U{number:08x}"
    return _SHORT.get(character) or (f"\\u{number:04x}" if number > 0xFF else f"\\x{number:02x}")  # noqa: PLR2004 - and \x
