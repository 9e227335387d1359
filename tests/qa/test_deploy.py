"""What deploy/ offers is taken by the programs that it is for."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.servers.process import program

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = [unit for kind in ("service", "socket", "timer") for unit in sorted(DEPLOY.glob(f"*.{kind}"))]
EXPOSURE = 1.5
"""Of 10: systemd calls up to 2 safe."""


def systemd_analyze() -> str:
    return program("systemd-analyze", "/usr/bin/systemd-analyze", package="systemd")


def postfix(name: str) -> str:
    return program(name, f"/usr/sbin/{name}", package="postfix")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # The program is at its place only where it is installed.
        text = unit.read_text(encoding="utf-8").replace("/usr/bin/tlsrpt-ingest", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [
            systemd_analyze(),
            "verify",
            "--man=no",
            *(tmp_path / unit.name for unit in UNITS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_the_services_are_hardened(unit: Path) -> None:
    ran = subprocess.run(
        [
            systemd_analyze(),
            "security",
            "--offline=true",
            "--no-pager",
            unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", ran.stdout)
    assert found, ran.stderr
    assert float(found[1]) <= EXPOSURE


@pytest.mark.parametrize(("number", "command", "sleeps"), [(0, "poll", 1), (1, "alerts", 0)])
def test_the_cron_lines_run_the_program(tmp_path: Path, number: int, command: str, sleeps: int) -> None:
    lines = (DEPLOY / "tlsrpt-ingest.cron").read_text(encoding="utf-8").splitlines()
    jobs = [line for line in lines if line and line[0].isdigit()]
    assert len(jobs) == 2
    fields = jobs[number].split(None, 6)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    assert fields[5] == "tlsrpt"
    assert "%" not in fields[6], "cron makes a line break of a % (crontab(5))"
    # As cron runs it: by sh, with the program and the sleep replaced by ones that tell.
    for name in ("tlsrpt-ingest", "sleep"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n', encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    job = fields[6].replace("/run/systemd/system", str(tmp_path / "none"))
    path = f"{tmp_path}:/usr/bin:/bin"
    ran = subprocess.run(["/bin/sh", "-c", job], env={"PATH": path}, capture_output=True, text=True, check=True)
    *slept, called = ran.stdout.splitlines()
    assert len(slept) == sleeps
    assert all(re.fullmatch(r"sleep \d{1,3}", one) for one in slept)
    assert called == f"tlsrpt-ingest --config /etc/tlsrpt-ingest/config.toml {command}"


def test_postfix_takes_the_pipe(tmp_path: Path) -> None:
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n", encoding="utf-8")
    (tmp_path / "master.cf").write_text((DEPLOY / "postfix-master.cf").read_text(encoding="utf-8"), encoding="utf-8")
    ran = subprocess.run(
        [postfix("postconf"), "-c", tmp_path, "-M", "tlsrpt/unix"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    words = shlex.split(ran.stdout)
    assert words[7] == "pipe"
    assert ran.stdout.split("argv=")[1].split() == [
        "/usr/bin/tlsrpt-ingest",
        "--config",
        "/etc/tlsrpt-ingest/config.toml",
        "backfill",
        "-",
    ]


def test_postfix_takes_the_transport(tmp_path: Path) -> None:
    table = tmp_path / "transport"
    table.write_text((DEPLOY / "postfix-transport").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n", encoding="utf-8")
    postmap = [postfix("postmap"), "-c", str(tmp_path)]
    subprocess.run([*postmap, f"hash:{table}"], check=True)
    ran = subprocess.run(
        [*postmap, "-q", "tls-reports@example.org", f"hash:{table}"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "tlsrpt:\n"
