"""Who runs side by side with whom, over what."""

import sqlite3
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks import corpus
from benchmarks.mailboxes import ini, mailboxes
from benchmarks.measure import Comparison, Contender, Usage, program
from benchmarks.setting import Setting
from tests.servers.databases import postgresql_running
from tests.servers.dovecot import PASSWORD

BIG: Final = 20
"""A big message is worth as many others."""

INCUMBENT_LESS: Final = 4
"""Into PostgreSQL and out of IMAP the incumbent reads a part of the messages: its rate does not depend on how many."""


def parsing(setting: Setting) -> Comparison:
    """Parsing only."""
    comparison = Comparison(
        "parsing",
        "Parsing only",
        "From the octets of a message to a validated report; the CPU time of one core, without the start.",
    )
    here = setting.root / "benchmarks" / "contenders"
    for kind in (*corpus.KINDS, "mix"):
        count = max(setting.messages // 10 // (BIG if kind == "big" else 1), 1)
        mbox = setting.mbox(kind, count)
        pinned = partial(_pinned, setting, count)
        comparison.add(
            kind,
            [
                pinned("ours", [sys.executable, "-m", "benchmarks.contenders.parse_ours", mbox]),
                pinned("parsedmarc", [setting.incumbent / "bin" / "python", here / "parse_parsedmarc.py", mbox]),
                pinned("floor", [setting.floor, "-m", "benchmarks.contenders.parse_floor", mbox]),
            ],
            setting.rounds,
        )
    return comparison


def sqlite(setting: Setting) -> Comparison:
    """Mbox to SQLite."""
    comparison = Comparison(
        "sqlite",
        "mbox to SQLite",
        "The whole command from its start to its end, the CPU time of one core. parsedmarc writes JSON files, since it"
        " has no SQLite; the floor keeps none of the promises.",
    )
    count = setting.messages
    for kind in ("small", "mix"):
        mbox = setting.mbox(kind, count)
        floor = [setting.floor, "-m", "benchmarks.contenders.mbox_floor", mbox, setting.database]
        comparison.add(
            kind,
            [
                _ours(setting, count, mbox),
                _incumbent(setting, count, mbox),
                _pinned(setting, count, "floor", floor),
            ],
            setting.rounds,
        )
    setting.clear()
    return comparison


def maildir(setting: Setting) -> Comparison:
    """Maildir to SQLite."""
    comparison = Comparison(
        "maildir", "Maildir to SQLite", "As above, one file a message; parsedmarc reads the files in cur/."
    )
    count = setting.messages
    path = setting.maildir("small", count)
    comparison.add(
        "small",
        [_ours(setting, count, path), _incumbent(setting, count, path / "cur")],
        setting.rounds,
    )
    setting.clear()
    return comparison


def cores(setting: Setting) -> Comparison:
    """All cores."""
    comparison = Comparison(
        "cores",
        "mbox to SQLite, all cores",
        "The clock on the wall, from start to end: with a process for each core, and pinned to one.",
        wall=True,
    )
    count = setting.messages
    for kind in ("small", "mix"):
        mbox = setting.mbox(kind, count)
        comparison.add(
            kind,
            [
                _ours(setting, count, mbox, name="ours, all cores", core=None),
                _ours(setting, count, mbox, name="ours, one core"),
            ],
            setting.rounds,
        )
    setting.clear()
    return comparison


def postgresql(setting: Setting) -> Comparison:
    """Mbox to PostgreSQL."""
    comparison = Comparison(
        "postgresql",
        "mbox to PostgreSQL",
        "The clock on the wall; the program pinned to one core, the server (as it is when installed, fsync on) where it"
        " likes. Each into a database of its own with its tables made.",
        wall=True,
    )
    count, theirs = setting.messages, max(setting.messages // INCUMBENT_LESS, 1)
    mbox, part = setting.mbox("small", count), setting.mbox("small", theirs)
    with postgresql_running({}) as server, TemporaryDirectory() as folder:
        url = f"{server}/bench"

        def fresh_with_tables() -> None:
            _fresh(server)
            program([setting.ours, "db", "upgrade", "--database", url])

        config = Path(folder) / "parsedmarc.ini"
        config.write_text(ini(postgresql=_parts(url)))
        comparison.add(
            "small",
            [
                Contender(
                    "ours",
                    count,
                    partial(
                        program,
                        [setting.ours, "backfill", "--jobs", "1", "--database", url, mbox],
                        before=fresh_with_tables,
                        after=partial(_check_postgresql, url, count),
                    ),
                    setting.core,
                ),
                Contender(
                    "parsedmarc",
                    theirs,
                    partial(
                        program,
                        [setting.parsedmarc, "-c", config, part],
                        before=partial(_fresh, server),
                        after=partial(_check_postgresql, url, theirs, "smtp_tls_report"),
                    ),
                    setting.core,
                ),
            ],
            setting.rounds,
        )
    return comparison


def imap(setting: Setting) -> Comparison:
    """IMAP to SQLite."""
    comparison = Comparison(
        "imap",
        "IMAP over TLS to SQLite",
        "The clock on the wall; the program pinned to one core, Dovecot on the same machine where it likes. The"
        " draining client asks for the same messages and drops them; parsedmarc leaves them there and writes JSON.",
        wall=True,
    )
    count, theirs = setting.messages, max(setting.messages // INCUMBENT_LESS, 1)
    with mailboxes(count, theirs) as boxes:
        comparison.add(
            "small",
            [
                Contender(
                    "ours",
                    count,
                    partial(
                        program,
                        [setting.ours, "--config", boxes.config, "poll", "--database", _url(setting)],
                        before=setting.clear,
                        after=partial(_check, setting, count),
                        environment={"IMAP_PASSWORD": PASSWORD, "XDG_STATE_HOME": str(boxes.folder)},
                    ),
                    setting.core,
                ),
                Contender("draining client", count, partial(program, boxes.drain(boxes.whole)), setting.core),
                Contender(
                    "parsedmarc",
                    theirs,
                    partial(
                        program,
                        [setting.parsedmarc, "-c", boxes.ini(setting.output)],
                        before=setting.clear,
                        after=partial(_check_json, setting, theirs),
                    ),
                    setting.core,
                ),
            ],
            setting.rounds,
        )
    setting.clear()
    return comparison


ALL: Final[dict[str, Callable[[Setting], Comparison]]] = {
    "parsing": parsing,
    "sqlite": sqlite,
    "cores": cores,
    "maildir": maildir,
    "postgresql": postgresql,
    "imap": imap,
}


def _pinned(setting: Setting, count: int, name: str, command: Sequence[object]) -> Contender:
    return Contender(name, count, partial(program, command, before=setting.clear), setting.core)


def _ours(setting: Setting, count: int, path: Path, *, name: str = "ours", core: int | None = -1) -> Contender:
    """Ours into SQLite, on one core, or with `core=None` on all."""
    core = setting.core if core == -1 else core
    jobs = ["--jobs", "1"] if core is not None else []
    command = [setting.ours, "backfill", *jobs, "--database", _url(setting), path]
    run: Callable[[], Usage] = partial(program, command, before=setting.clear, after=partial(_check, setting, count))
    return Contender(name, count, run, core)


def _url(setting: Setting) -> str:
    return f"sqlite:///{setting.database}"


def _check(setting: Setting, count: int) -> None:
    """Who is quick and loses reports has not won."""
    with sqlite3.connect(setting.database) as connection:
        _equal(connection.execute("SELECT count(*) FROM report").fetchone()[0], count)


def _check_postgresql(url: str, count: int, table: str = "report") -> None:
    with psycopg.connect(url) as connection:
        found = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone()
        _equal(found[0] if found else 0, count)


def _check_json(setting: Setting, count: int) -> None:
    # Line by line: what this process takes is counted as a peak of its children's.
    with (setting.output / "smtp_tls.json").open() as lines:
        _equal(sum('"report_id":' in line for line in lines), count)


def _equal(found: int, count: int) -> None:
    if found != count:
        sys.exit(f"{found} reports of {count} messages were recorded")


def _incumbent(setting: Setting, count: int, path: Path) -> Contender:
    """The incumbent into JSON."""
    command = [setting.parsedmarc, "--offline", "-s", "-o", setting.output, path]
    run: Callable[[], Usage] = partial(
        program, command, before=setting.clear, after=partial(_check_json, setting, count)
    )
    return Contender("parsedmarc", count, run, setting.core)


def _parts(url: str) -> dict[str, object]:
    split = urlsplit(url)
    return {
        "host": split.hostname,
        "port": split.port,
        "user": split.username,
        "password": unquote(split.password or ""),
        "database": split.path.strip("/"),
    }


def _fresh(server: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bench WITH (FORCE)")
        connection.execute("CREATE DATABASE bench")
