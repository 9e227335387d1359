"""The documents say what the code does: generated pages, documented commands, links, the map, the example config."""

import importlib.util
import itertools
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from pydantic import BaseModel

from tests import builders
from tests.installed import project_files
from tlsrpt_ingest import __version__, errors, rfc8460
from tlsrpt_ingest.cli.program import cli
from tlsrpt_ingest.config import Config, parse

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")],
    key=lambda page: page.as_posix(),
)

CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


def generator(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", root / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_those_of_the_code(root: Path) -> None:
    stale = [
        name
        for name, text in generator(root).pages().items()
        if (root / "docs" / name).read_text(encoding="utf-8") != text
    ]
    assert not stale, "type: make docs"


COMMANDS = {tuple(path.split()): command for path, command in generator(ROOT).commands()}


def documented_commands() -> list[Any]:
    return [
        pytest.param(line[2:], id=f"{page.relative_to(ROOT)}: {line[2:]}")
        for page in PAGES
        for block in CONSOLE.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        if line.startswith("$ tlsrpt-ingest")
    ]


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_are_those_of_the_program(line: str) -> None:
    """Parsed by click as the program would parse them; nothing is run."""
    words = shlex.split(line.partition(" < ")[0], comments=True)
    # Options of the program itself stand in front of the command.
    before = list(itertools.takewhile(lambda word: word != "--" and word.startswith("-"), words[1:]))
    cli.make_context(words[0], [*before, "summary"])
    words = [words[0], *words[1 + len(before) :]]
    path = next(path for path in sorted(COMMANDS, key=len, reverse=True) if words[: len(path)] == list(path))
    assert not isinstance(COMMANDS[path], click.Group), f"no such command: {line}"
    # Parses, and raises a UsageError for what the command does not know.
    COMMANDS[path].make_context(" ".join(path), words[len(path) :])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        aim = page.parent / path if path else page
        assert aim.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(aim), f"{page.name} links to {target}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked() -> None:
    """From the README on, one reaches every page."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / target).resolve() for target in targets if "://" not in target]
    assert not {str(page.relative_to(ROOT)) for page in set(PAGES) - reached}


def test_exit_status_of_every_error_is_documented(root: Path) -> None:
    page = (root / "docs" / "reference" / "exit-status.md").read_text(encoding="utf-8")
    help_text = cli.get_help(click.Context(cli))
    for kind in (errors.Unavailable, errors.Misconfigured, errors.LoginRefused):
        assert f"| {kind.exit_status} |" in page
        assert f"{kind.exit_status}" in help_text


def test_the_example_config_loads(root: Path) -> None:
    text = (root / "config.example.toml").read_text(encoding="utf-8")
    assert parse(text, "config.example.toml")


def test_the_example_config_names_every_key(root: Path) -> None:
    text = (root / "config.example.toml").read_text(encoding="utf-8")
    for key in keys(Config):
        # As a key, a table, or inside an inline table.
        assert re.search(rf"\b{re.escape(key)}( =|\.?\w*\])", text), key


def keys(model: type[BaseModel]) -> set[str]:
    """The names of all keys of a model and of the models in it."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        for inner in models_in(field.annotation):
            found |= keys(inner)
    return found


def models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for inner in getattr(annotation, "__args__", ()) for model in models_in(inner)}


def test_the_changelog_has_the_version(root: Path) -> None:
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog
    assert re.search(rf"^## \[?{re.escape(__version__)}\b", changelog, re.MULTILINE)


def test_no_path_of_a_developers_machine(root: Path) -> None:
    pattern = re.compile(rb"/(?:work|root|Users|home/[a-z]+)/(?!user\b)[\w.-]+/")
    for name in project_files(root):
        found = pattern.search((root / name).read_bytes())
        assert found is None, f"{name}: {found and found[0]!r}"


def test_the_example_of_the_library_page_runs(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (root / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    body = builders.report(0, builders.policy(failures=[builders.failure(count=3)]), contact_info=5)
    (tmp_path / "report.json.gz").write_bytes(builders.gzipped(builders.document(body)))
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "library.md", "exec"), {})  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "example.com 3"
    assert lines[1].endswith("$.contact-info")


def test_the_library_page_names_what_the_library_has(root: Path) -> None:
    page = (root / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
    table = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", page))
    assert {name for name in rfc8460.__all__ if not name.startswith("read_")} - table <= {
        "CODES",
        "Filename",
        "Subject",
    }
