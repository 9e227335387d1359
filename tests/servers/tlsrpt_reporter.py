"""sys4's tlsrpt-reporter, as it runs beside Postfix: collectd takes datagrams, reportd sends the day's reports."""

import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import STARTING, program

ORGANIZATION = "Sender Example"
CONTACT = "tlsrpt@sender.example"


def session(domain: str, record: str, *failures: Mapping[str, Any], failed: bool = False) -> bytes:
    """One SMTP session, as libtlsrpt tells it of: with what went wrong, and whether it failed in the end."""
    policy = {
        "policy-type": 2,
        "policy-string": ["version: STSv1", "mode: enforce", f"mx: mx1.{domain}", "max_age: 86400"],
        "policy-domain": domain,
        "mx-host": [f"mx1.{domain}"],
        "t": len(failures),
        "f": failed,
    }
    if failures:
        policy["failure-details"] = list(failures)
    return json.dumps({"dpv": "1", "d": domain, "pr": record, "policies": [policy]}).encode()


def send_reports(folder: Path, sessions: Sequence[bytes], sendmail: str, http: str) -> None:
    """Let the programs take these sessions as yesterday's, and send the reports about them to whom the records name.

    `sendmail` and `http` are shell commands, as in reportd's configuration; the URL comes behind `http`.
    """
    database = folder / "collectd.sqlite"
    config = folder / "tlsrpt.cfg"
    config.write_text(
        f"[tlsrpt_collectd]\nstorage = sqlite://{database}\nsocketname = {folder}/collectd.socket\n"
        "max_uncommited_datagrams = 1\n"
        f"[tlsrpt_fetcher]\nstorage = sqlite://{database}\n"
        f"[tlsrpt_reportd]\norganization_name = {ORGANIZATION}\ncontact_info = {CONTACT}\n"
        f"sender_address = noreply@sender.example\ndbname = {folder}/reportd.sqlite\n"
        f"fetchers = {_program('tlsrpt-fetcher')} --config_file {config}\n"
        f"sendmail_script = {sendmail}\nhttp_script = {http}\nsendmail_timeout = 60\nhttp_timeout = 60\n"
        # A test does not spread its reports over ten hours.
        "spread_out_delivery = 1\ninterval_main_loop = 1\n",
        encoding="utf-8",
    )
    with _running("tlsrpt-collectd", config) as collectd:
        _until(collectd, (folder / "collectd.socket").exists)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(str(folder / "collectd.socket"))
            for one in sessions:
                to.send(one)
        _until(collectd, lambda: _ask(database, "SELECT sum(cntrtotal) FROM finalresults") == len(sessions))
        # Midnight, "only used for development".
        collectd.send_signal(signal.SIGUSR2)
        _until(
            collectd, lambda: Path(f"{database}.yesterday").exists() and bool(_ask(database, "SELECT 1 FROM dbversion"))
        )
    with _running("tlsrpt-reportd", config) as reportd:
        sent = "SELECT count(*) > 0 AND count(*) = sum(status IS 'sent') FROM destinations"
        _until(reportd, lambda: bool(_ask(folder / "reportd.sqlite", sent)))


def _program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else program(name, f"/usr/bin/{name}", package="python3-tlsrpt-reporter")


@contextmanager
def _running(name: str, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (config.parent / f"{name}.log").open("wb") as log,
        subprocess.Popen([_program(name), "--config_file", config], stdin=subprocess.DEVNULL, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def _ask(database: Path, sql: str) -> Any:
    """The first value; None as long as the program has not made its tables."""
    place = f"file:{database}?mode=ro"
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(place, uri=True)) as connection,
    ):
        row = connection.execute(sql).fetchone()
        return row[0] if row else None
    return None


def _until(process: subprocess.Popen[bytes], true: Any) -> None:
    deadline = time.monotonic() + STARTING
    while not true():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{process.args!r} does not get there")
        time.sleep(0.05)
