"""deploy/requirements.txt is a lock of what pyproject.toml asks for: every dependency, one version, with hashes."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def entries(root: Path) -> list[str]:
    """Each pinned requirement with its hashes, on one line."""
    text = (root / "deploy" / "requirements.txt").read_text(encoding="utf-8")
    lines = [line.split("#")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def test_everything_is_pinned_with_hashes(root: Path) -> None:
    for entry in entries(root):
        pinned, *hashes = re.split(r"\s+--hash=", entry)
        assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+( *;.*)?", pinned.strip()), entry
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one.strip()) for one in hashes), entry


def test_what_the_project_asks_for_is_there(root: Path) -> None:
    locked: dict[str, list[str]] = {}
    for entry in entries(root):
        pinned = Requirement(re.split(r"\s+--hash=", entry)[0].strip())
        locked.setdefault(canonicalize_name(pinned.name), []).append(str(pinned.specifier).removeprefix("=="))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for wanted in map(Requirement, asked):
        versions = locked.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted} is not in the lock; run: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted}: run: make lock"
