"""The encoder: whatever a stranger wrote is one line of visible characters, and not too long a one."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrpt_ingest.output.json_text import json_text
from tlsrpt_ingest.output.terminal import open_console, say, show_table, strange, table, verbatim
from tlsrpt_ingest.output.text import clean

ANYTHING = st.text(st.characters(codec=None, categories=None), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Google Inc.", "Google Inc."),
        ("M\u00fcnchen \u6771\u4eac \u05e9\u05dc\u05d5\u05dd", "M\u00fcnchen \u6771\u4eac \u05e9\u05dc\u05d5\u05dd"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\x9bb", r"a\x9bb"),
        ("a\x07\x08\x7f", r"a\x07\x08\x7f"),
        ("250-mx\r\n250 STARTTLS\t", r"250-mx\r\n250 STARTTLS\t"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("a\u200bb\u200dc\ufeff", r"a\u200bb\u200dc\ufeff"),
        ("a\u2028b\u2029c\x85", r"a\u2028b\u2029c\x85"),
        ("a\u00a0b\u3000c", r"a\xa0b\u3000c"),
        ("a\u00adb", r"a\xadb"),
        ("a\ud800b", r"a\ud800b"),
        ("a\ue000b\U000f0000", r"a\ue000b\U000f0000"),
        ("a\u0378b", r"a\u0378b"),
        ("a\U000e0041b\ufe0f", r"a\U000e0041b\ufe0f"),
        ("a\u3164b\u115fc\u2800d", r"a\u3164b\u115fc\u2800d"),
        ("e\u0301\u0323", "e\u0301\u0323"),
        ("Z\u0301\u0301\u0301\u0301", "Z\u0301\u0301\u0301\\u0301"),
        ("", ""),
    ],
)
def test_what_is_invisible_is_shown(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(ANYTHING)
def test_nothing_hidden_gets_through(text: str) -> None:
    shown = clean(text)
    assert not [one for one in shown if unicodedata.category(one)[0] in "CZ" and one != " "]
    assert clean(shown) == shown


@given(ANYTHING, st.integers(3, 40))
def test_no_length_is_passed_and_no_escape_is_cut(text: str, length: int) -> None:
    shown, whole = clean(text, length), clean(text)
    assert len(shown) <= length
    assert (shown == whole) == (len(whole) <= length)
    if shown != whole:
        assert shown.endswith("...")
        pieces = [clean(text[:end]) for end in range(len(text) + 1)]
        assert shown[:-3] in pieces


def test_a_huge_text_is_cut() -> None:
    assert len(clean("a" * 10_000_000)) == 2_000
    assert clean("b" * 201, 200) == "b" * 197 + "..."
    assert clean("b" * 200, 200) == "b" * 200


def test_json_escapes_every_control_character() -> None:
    assert json_text("\x7f\x9b\x1b") == r'"\u007f\u009b\u001b"'


@given(ANYTHING)
def test_json_is_safe_on_a_terminal_and_still_the_text(text: str) -> None:
    written = json_text({"subject": text, text: 1}, indent=None)
    assert all(" " <= one <= "~" for one in written)
    assert json.loads(written) == {"subject": text, text: 1} or text == "subject"


def test_markup_and_emoji_codes_of_strangers_are_shown_as_they_are() -> None:
    stream = io.StringIO()
    console = open_console(stream)
    say(console, strange("[bold red]x[/] :smile: [link=https://example.org]"))
    verbatim(console, "[/nonsense]")
    made = table("[a]")
    made.add_row(strange("[blink]y"))
    show_table(console, made)
    assert stream.getvalue().splitlines() == [
        "[bold red]x[/] :smile: [link=https://example.org]",
        "[/nonsense]",
        "[a]",
        "[blink]y",
    ]


def test_a_narrow_charset_does_not_stop_the_output() -> None:
    octets = io.BytesIO()
    stream = io.TextIOWrapper(octets, encoding="ascii")
    say(open_console(stream), "M\u00fcnchen")
    stream.flush()
    assert octets.getvalue() == rb"M\xfcnchen" + b"\n"


def test_paragraphs_are_indented_as_a_whole_and_nothing_ends_in_blanks() -> None:
    stream = io.StringIO()
    console = open_console(stream, width=30)
    say(console, "one two three four five six seven", indent=2, label="To do: ")
    say(console, "x" * 40, indent=4)
    assert stream.getvalue().splitlines() == [
        "  To do: one two three four",
        "         five six seven",
        "    " + "x" * 26,
        "    " + "x" * 14,
    ]
