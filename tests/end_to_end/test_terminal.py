"""Whatever a stranger wrote, the terminal shows it and does not do it."""

import json
import os
import pty
import re
import subprocess
import unicodedata
from pathlib import Path

import pytest

from tests import builders
from tests.installed import Program

HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07\x1b[5mX\x9b31m\x85\x7f\r\n\t\b\u202e\u2066\u200b\u200f\u2028\ufeff\u00ad\U000e0041"
    " [bold]red[/bold] [link=https://evil.example]x[/link]"
)
"""Escape sequences, C1 controls, line ends, bidi and invisible characters, and the mark-up of our own table library."""

OURS = re.compile(r"\x1b\[(?:[0-4]|[0-9]{2,3})?(?:;[0-9]+)*m|\x1b\[\?25[lh]|\x1b\[[12]?K|\x1b\[1A")
"""Colours, and what a progress bar needs. Blinking (5) is a stranger's."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Reports and mails with the hostile string wherever a sender may write."""
    detail = builders.failure(
        HOSTILE,
        sending_mta_ip=HOSTILE,
        receiving_mx_hostname=HOSTILE,
        receiving_mx_helo=HOSTILE,
        receiving_ip=HOSTILE,
        additional_information=HOSTILE,
        failure_reason_code=HOSTILE,
    )
    entry = builders.policy(HOSTILE, HOSTILE, failures=[detail], policy_string=[HOSTILE], mx_host=[HOSTILE])
    body = builders.report(
        0, entry, organization_name=HOSTILE, contact_info=HOSTILE, report_id=HOSTILE, **{HOSTILE: HOSTILE}
    )
    folder = tmp_path / f"hostile {HOSTILE.replace('/', '')}"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(body), encoding="utf-8")
    encoded = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in HOSTILE.encode()) + "?="
    mail = builders.mail(b"\x1f\x8b\x08 broken", subject=encoded, submitter=encoded, message_id=encoded)
    (folder / "broken.eml").write_bytes(mail)
    return folder


def on_a_terminal(program: Program, *args: str | Path) -> str:
    """What the program writes on a terminal of 200 columns, stdout and stderr together."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [program.script, *args],
        env=program.environment({"TERM": "xterm-256color", "COLUMNS": "200", "LANG": "C.UTF-8"}),
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=program.home,
    ):
        os.close(its)
        pieces = []
        while True:
            try:
                pieces.append(os.read(ours, 1 << 16))
            except OSError:  # EIO: Linux's way to say that the other side is closed
                break
            if not pieces[-1]:
                break
    os.close(ours)
    return b"".join(pieces).decode()


def unclean(text: str) -> list[str]:
    """The characters in the text that do something to a terminal or to the eye, apart from line ends."""
    plain = OURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return [
        f"U+{ord(one):04X}" for one in plain if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")
    ]


def test_a_terminal_stays_clean(program: Program, sqlite: str, archive: Path) -> None:
    commands: list[list[str | Path]] = [
        ["-v", "backfill", "--database", sqlite, archive],
        ["show", archive / "report.json"],
        ["show", archive / "broken.eml"],
        ["summary", "--database", sqlite],
        ["ledger", "--database", sqlite],
        ["ledger", "--database", sqlite, "--outcome", "rejected"],
        ["reprocess", "--database", sqlite],
        ["backfill", "--database", sqlite, archive / "not-there"],
    ]
    for args in commands:
        text = on_a_terminal(program, *args)
        assert not unclean(text), (args, text)
        assert text.strip(), args


def test_so_does_a_log(program: Program, sqlite: str, archive: Path) -> None:
    commands: list[list[str | Path]] = [
        ["-vv", "backfill", "--database", sqlite, archive],
        ["show", archive / "report.json"],
    ]
    for args in commands:
        ran = program(*args)
        assert not unclean(ran.stdout + ran.stderr), args


def test_table_markup_is_shown_and_not_obeyed(program: Program, archive: Path) -> None:
    assert "[bold]red[/bold]" in program("show", archive / "report.json").stdout
