"""Fixtures of all test folders. What tests read is made by `tests.builders`; servers are in `tests.servers`."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# One seed for everybody: a failure on a machine is a failure on every machine. No deadline: nothing here is timed.
settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("tests")


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
