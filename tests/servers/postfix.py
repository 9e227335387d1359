"""Postfix for tests: a temporary instance that takes mail on a loopback port and delivers it where the test says.

It needs root, as Postfix does.
"""

import contextlib
import os
import pwd
import signal
import smtplib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.servers.process import free_port, program

_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 1 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
virtual   unix - n n - - virtual
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
{more}
"""


class Postfix:
    """A running instance; `settings` are lines of main.cf, `services` of master.cf."""

    def __init__(self, folder: Path, settings: str, services: str = "") -> None:
        if os.geteuid() != 0:
            words = "Postfix can only be started by root"
            if os.environ.get("CI") == "true":
                pytest.fail(words)
            pytest.skip(words)
        self._postfix = program("postfix", "/usr/sbin/postfix", package="postfix")
        self.port = free_port()
        self._folder = folder
        self._config = folder / "config"
        self._log = Path("/var/log") / f"tlsrpt-test-{os.getpid()}-{self.port}.log"
        for name in ("config", "queue", "data"):
            (folder / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
        (self._config / "main.cf").write_text(
            f"compatibility_level = 3.6\nqueue_directory = {folder}/queue\ndata_directory = {folder}/data\n"
            f"maillog_file = {self._log}\nmaillog_file_prefixes = /var/log\ninet_protocols = ipv4\n"
            "myhostname = mx.example.org\nmydestination =\nmynetworks = 127.0.0.0/8\n"
            "smtpd_recipient_restrictions = permit_mynetworks, reject\nalias_maps =\nlocal_transport = error:no\n"
            # A test does not wait for a second try, nor for a process limit.
            f"minimal_backoff_time = 1s\nqueue_run_delay = 1s\n{settings}\n",
            encoding="utf-8",
        )
        (self._config / "master.cf").write_text(_MASTER.format(port=self.port, more=services), encoding="utf-8")

    def start(self) -> None:
        """Start it, and wait until it takes mail."""
        done = subprocess.run([self._postfix, "-c", self._config, "start"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + self.log()
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > deadline:
                    pytest.fail(f"Postfix does not come up: {self.log()}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it."""
        subprocess.run([self._postfix, "-c", self._config, "stop"], capture_output=True, check=False)
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self._folder / "queue" / "pid" / "master.pid").read_text()), signal.SIGKILL)
        self._log.unlink(missing_ok=True)

    def send(self, octets: bytes, recipient: str) -> None:
        """Hand over a mail by SMTP."""
        with smtplib.SMTP("127.0.0.1", self.port) as client:
            client.sendmail("noreply@reporter.example", [recipient], octets)

    def log(self) -> str:
        """What it logged."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def wait(self, recipient: str, status: str) -> None:
        """Wait until the log says that a mail to `recipient` was delivered, or what else `status` is."""
        deadline = time.monotonic() + 60
        while not any(f"to=<{recipient}>" in line and f"status={status}" in line for line in self.log().splitlines()):
            if time.monotonic() > deadline:
                pytest.fail(f"no status={status} for {recipient}: {self.log()}")
            time.sleep(0.05)
