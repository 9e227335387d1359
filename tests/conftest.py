"""Fixtures of all test folders. What tests read is made by `tests.builders`; servers are in `tests.servers`."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.installed import Distribution, Program, build, install, one_at_a_time

pytest_plugins = [
    "tests.servers.dask",
    "tests.servers.chromium",
    "tests.servers.databases",
    "tests.servers.dns",
    "tests.servers.dovecot",
    "tests.servers.setups",
]

ROOT = Path(__file__).parent.parent

# One seed for everybody: a failure on a machine is a failure on every machine. No deadline: nothing here is timed.
settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Put the log back as it was: the program sets it up for itself where a test calls it in this process."""
    names = (None, "tlsrpt_ingest")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of captured reports, which is no part of the project: tests that read it are skipped without it."""
    folder = Path(os.environ.get("TLSRPT_SAMPLES", ROOT.parent / "shared" / "samples"))
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip(f"no captured reports in {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this test session share."""
    base = tmp_path_factory.getbasetemp()
    # A worker of xdist has a folder of its own inside the session's.
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "shared"


@pytest.fixture(scope="session")
def distribution(root: Path, shared_folder: Path) -> Distribution:
    """The sdist and the wheel of the checkout as it is."""
    if not (root / ".git").exists():
        pytest.skip("not a git checkout, so nobody knows which files belong to the project")
    with one_at_a_time(shared_folder):
        return build(root, shared_folder)


@pytest.fixture(scope="session")
def script(distribution: Distribution, shared_folder: Path) -> Path:
    """The console script of the installed wheel."""
    with one_at_a_time(shared_folder):
        return install(distribution, shared_folder)


@pytest.fixture
def program(script: Path, tmp_path: Path) -> Program:
    """The installed program, with a home of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return Program(script, home)
