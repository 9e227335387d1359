"""Write what docs/ and migrations/ repeat of the code: `make docs`. A test compares the pages with the code."""

import ast
import inspect
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Final

import click
from sqlalchemy import Column, ForeignKeyConstraint
from sqlalchemy.dialects import sqlite

import tlsrpt_ingest
from tlsrpt_ingest import errors, limits
from tlsrpt_ingest.check import Finding
from tlsrpt_ingest.cli.program import cli
from tlsrpt_ingest.mail.deviations import MAIL_DEVIATIONS
from tlsrpt_ingest.posture.codes import CODES as POSTURE_CODES
from tlsrpt_ingest.rfc8460 import CODES
from tlsrpt_ingest.store import schema, tables, views
from tlsrpt_ingest.store.engine import open_engine

DOCS: Final = Path(__file__).parent
PACKAGE: Final = Path(tlsrpt_ingest.__file__).parent

_NOTE: Final = "<!-- Written by docs/generate.py from the code; do not edit. Run `make docs`. -->\n"

_SQLITE: Final = """\
-- What the revisions make of an empty SQLite file, for making one without them (store/schema.py).
-- Written by docs/generate.py; do not edit. Run `make docs`.
"""

_TABLES: Final = """\
Column types are SQLite's; PostgreSQL and MariaDB have their like. Times are UTC. Dashboards read the [views](views.md),
which stay as they are while tables may change.
"""

_VIEWS: Final = """\
The public face for people and dashboards, the same on SQLite, PostgreSQL and MariaDB. Only counted reports are in them:
none that conflicts with another. A session count enters as at most 10^12: no claim of a stranger makes a sum overflow.
"""


def pages() -> dict[str, str]:
    """The generated pages: path in docs/ -> text."""
    return {
        "reference/cli.md": _cli(),
        "reference/deviation-codes.md": _deviation_codes(),
        "reference/exit-status.md": _exit_status(),
        "reference/limits.md": _limits(),
        "reference/posture-codes.md": _posture_codes(),
        "reference/tables.md": _tables(),
        "reference/views.md": _views(),
        "map.md": _map(),
        "../migrations/sqlite.sql": _sqlite(),
    }


def commands(group: click.Command = cli, path: str = "tlsrpt-ingest") -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, the group itself first."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None:
                yield from commands(command, f"{path} {name}")


def _cli() -> str:
    parts = [f"# Commands\n\n{_NOTE}"]
    for path, command in commands():
        parts.append(f"## {path}\n\n`{' '.join([path, *_usage(command)])}`\n\n{inspect.cleandoc(command.help or '')}\n")
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        if options:
            rows = [f"| `{_spelling(option)}` | {' '.join((option.help or '').split())} |" for option in options]
            parts.append("\n".join(["| option | |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def _usage(command: click.Command) -> list[str]:
    """Not click's own words, which differ from version to version."""
    words = ["[OPTIONS]"] if any(isinstance(parameter, click.Option) for parameter in command.params) else []
    words += [parameter.metavar or "" for parameter in command.params if isinstance(parameter, click.Argument)]
    return [*words, "COMMAND"] if isinstance(command, click.Group) else words


def _spelling(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.is_flag or option.count:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {' or '.join(map(str, option.type.choices))}"
    return f"{names} {option.metavar or option.type.name.upper()}"


def _exit_status() -> str:
    rows = [(0, "done"), (click.UsageError.exit_code, "the command line is not right")]
    rows += [
        (
            errors.Unreadable.exit_status,
            "something was rejected and `--strict` was given; `posture` found something wrong",
        )
    ]
    rows += [
        (kind.exit_status, inspect.cleandoc(kind.__doc__ or "").partition("\n")[0])
        for kind in (errors.Unavailable, errors.Misconfigured, errors.LoginRefused)
    ]
    rows += [(130, "stopped by Ctrl-C after the batch in hand"), (143, "stopped by SIGTERM after the batch in hand")]
    lines = [f"| {status} | {meaning} |" for status, meaning in sorted(rows)]
    return "\n".join([f"# Exit status\n\n{_NOTE}", "| status | meaning |", "|---|---|", *lines, ""])


def _limits() -> str:
    lines = [f"# Limits\n\n{_NOTE}\nEvery bound on what a stranger controls. Sizes are octets, times seconds.\n"]
    lines += ["| name | value | reason |", "|---|---|---|"]
    for name, reason in _said(limits).items():
        value = getattr(limits, name)
        said = f"{value:%Y-%m-%d}" if isinstance(value, datetime) else f"{value:,}"
        lines.append(f"| `{name}` | {said} | {' '.join(reason.split())} |")
    return "\n".join([*lines, ""])


def _deviation_codes() -> str:
    """The codes of deviations, in the order of the code: what each says."""
    parts = [
        f"# Codes of deviations\n\n{_NOTE}\nWho deviates so, and the test of each: [deviations](../deviations.md).\n"
    ]
    for heading, codes in (
        ("In the document: the path is a JSON path", CODES),
        ("In the mail around it: the path is `mail`", MAIL_DEVIATIONS),
    ):
        parts.append(f"## {heading}\n\n| code | what was met, and done |\n|---|---|")
        parts.append("\n".join(f"| `{code}` | {said} |" for code, said in codes.items()) + "\n")
    return "\n".join(parts)


def _posture_codes() -> str:
    parts = [f"# What `posture` may find\n\n{_NOTE}\nEach check ends with one of these codes, the same in `--json`.\n"]
    for finding in (Finding.WRONG, Finding.BETTER, Finding.UNTOLD):
        parts.append(f"## {finding.capitalize()}\n\n| code | what to do |\n|---|---|")
        rows = [(code, advice) for code, (of_code, advice) in POSTURE_CODES.items() if of_code is finding]
        parts.append("\n".join(f"| `{code}` | {advice} |" for code, advice in rows) + "\n")
    fine = [f"`{code}`" for code, (finding, _) in POSTURE_CODES.items() if finding is Finding.FINE]
    parts.append(f"## Fine\n\n{', '.join(fine)}\n")
    return "\n".join(parts)


def _tables() -> str:
    said = _said(tables)
    parts = [f"# Tables\n\n{_NOTE}\n{_TABLES}"]
    for table in tables.metadata.sorted_tables:
        parts.append(f"## {table.name}\n\n{' '.join(said[table.name].split())}\n")
        parts.append("| column | type | |\n|---|---|---|")
        parts.extend(
            f"| `{column.name}` | {column.type.compile(sqlite.dialect())} | {_about(column)} |"
            for column in table.columns
        )
        parts.append("")
    return "\n".join(parts)


def _views() -> str:
    said = _said(views)
    parts = [f"# Views\n\n{_NOTE}\n{_VIEWS}"]
    for view in views.metadata.tables.values():
        parts.append(f"## {view.name}\n\n{said[view.name].strip()}\n")
        parts.append("| column | type |\n|---|---|")
        parts.extend(f"| `{column.name}` | {column.type.compile(sqlite.dialect())} |" for column in view.columns)
        parts.append("")
    return "\n".join(parts)


def _map() -> str:
    """The page as it is, with the list of modules between its two marks written again."""
    begin, end = "<!-- modules -->\n", "<!-- end of modules -->\n"
    before, _, rest = (DOCS / "map.md").read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + "\n" + "\n".join(_modules()) + "\n" + end + after


def _modules() -> Iterator[str]:
    """A heading and a table for each package, a row for each module with the first line of its docstring."""
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        name = ".".join(["tlsrpt_ingest", *folder.relative_to(PACKAGE).parts])
        yield f"### {name}\n\n{_first_line(folder / '__init__.py')}\n\n| module | |\n|---|---|"
        for path in sorted(folder.glob("*.py")):
            if path.name != "__init__.py":
                yield f"| `{path.stem}` | {_first_line(path).replace('|', chr(92) + '|')} |"
        yield ""


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def _about(column: Column[Any]) -> str:
    about = []
    if column.primary_key:
        about.append("primary key")
    keys = column.table.foreign_key_constraints
    about += [f"-> {_target(key, column.name)}" for key in keys if column.name in key.column_keys]
    if column.nullable:
        about.append("may be NULL")
    return ", ".join(about)


def _target(key: ForeignKeyConstraint, name: str) -> str:
    element = key.elements[key.column_keys.index(name)]
    return f"{element.column.table.name}.{element.column.name}"


def _sqlite() -> str:
    """What the revisions make of an empty SQLite file, as its schema has it."""
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'empty.db'}")
        schema.upgrade(engine)
        with engine.connect() as connection:
            asked = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
            statements = [*connection.exec_driver_sql(asked).scalars()]
        engine.dispose()
    statements.append(f"INSERT INTO alembic_version VALUES ('{schema.HEAD}')")  # noqa: S608 - a word of ours
    return _SQLITE + ";\n".join(statements) + "\n"


def _said(module: ModuleType) -> dict[str, str]:
    """The text under each name of a module; names on lines one after the other share it."""
    said: dict[str, str] = {}
    sharing: list[str] = []
    line = 0
    for node in ast.parse(inspect.getsource(module)).body[1:]:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                sharing = [*(sharing if node.lineno == line + 1 else []), name]
                line = node.end_lineno or node.lineno
            case ast.Expr(value=ast.Constant(value=str(text))):
                said |= dict.fromkeys(sharing, text)
                sharing = []
            case _:
                sharing = []
    return said


def main() -> None:
    """Write the pages that changed."""
    for name, text in pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
