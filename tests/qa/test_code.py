"""What the linters do not check: floors, reasons for silencing, names."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("tlsrpt_ingest", "migrations", "tests", "benchmarks", "demo", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
MODULES = [path for path in SOURCES if path.is_relative_to(ROOT / "tlsrpt_ingest")]

SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)\b(.*)")


def label(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_only_go_down_a_floor(root: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed; `make lint` runs it")
    done = subprocess.run([lint, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_each_silenced_lint_has_its_reason(path: Path) -> None:
    """Behind it, or in a comment on the line above."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        for kind, rest in SILENCED.findall(token.string):
            if kind == "noqa":
                codes = re.match(r":\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*(.*)", rest)
            else:
                codes = re.match(r"\[[\w, -]+\](.*)", rest)
            assert codes, f"{label(path)}:{token.start[0]}: names no rule"
            above = lines[token.start[0] - 2].lstrip()
            assert codes[1].strip(" -#:") or above.startswith("#"), f"{label(path)}:{token.start[0]}: says no reason"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_each_module_says_in_one_line_what_it_does(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text
    assert text.partition("\n")[0].endswith((".", ":")), label(path)


def test_no_module_is_named_for_having_no_purpose() -> None:
    names = {part for path in MODULES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & {"util", "utils", "helper", "helpers", "manager", "common", "core", "misc"}
