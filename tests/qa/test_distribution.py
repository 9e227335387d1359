"""The release holds what git tracks, and nothing else."""

import tarfile
import zipfile

from tests.installed import Distribution

PLACES = {"tlsrpt_ingest/": "tlsrpt_ingest/", "migrations/": "tlsrpt_ingest/migrations/"}
"""Where in the wheel the folders of the checkout go."""


def test_the_wheel_is_the_package_and_the_migrations(distribution: Distribution) -> None:
    expected = {
        file.replace(folder, place, 1)
        for file in distribution.files
        for folder, place in PLACES.items()
        if file.startswith(folder)
    }
    with zipfile.ZipFile(distribution.wheel) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_sdist_is_the_checkout(distribution: Distribution) -> None:
    expected = {file for file in distribution.files if not file.startswith(".")}
    with tarfile.open(distribution.sdist) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    found = {name for name in names if ".egg-info/" not in name} - {"PKG-INFO", "setup.cfg"}
    assert found == expected


def test_the_wheel_says_what_it_is(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = wheel.read(name).decode()
        licenses = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "Provides-Extra: postgresql" in metadata
    assert "Provides-Extra: mariadb" in metadata
    assert len(licenses) == 1


def test_every_dependency_has_a_lower_bound(distribution: Distribution) -> None:
    with zipfile.ZipFile(distribution.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        needed = [line for line in wheel.read(name).decode().splitlines() if line.startswith("Requires-Dist:")]
    assert needed
    assert all(">=" in line for line in needed)
