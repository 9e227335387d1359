"""`serve` of the installed program for tests, on a loopback port, and how to post to it octet by octet."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.installed import PATIENCE, Program
from tests.servers.process import STARTING, free_port

GZIP = "application/tlsrpt+gzip"
JSON = "application/tlsrpt+json"

_WITH_LIMITS = "import sys; from tlsrpt_ingest import limits; {changes}; from tlsrpt_ingest.cli import main; main()"


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: str


class Serving:
    """The program, serving until the block ends; `config` is the text of [receive] and whatever comes behind it.

    `limits` changes numbers of `tlsrpt_ingest.limits`, so that no test has to wait for a minute.
    """

    def __init__(
        self,
        program: Program,
        url: str,
        config: str = "",
        limits: Mapping[str, float] | None = None,
        before: Iterable[str | Path] = (),
        tls: ssl.SSLContext | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self._program = program
        self._environment = {"PATH": os.environ["PATH"], **(environment or {})}
        self._tls = tls
        file = program.home / f"config-{self.port}.toml"
        file.write_text(f"[receive]\nport = {self.port}\n{config}", encoding="utf-8")
        command: list[str | Path] = [program.script]
        if limits:
            changes = "; ".join(f"limits.{name} = {number}" for name, number in limits.items())
            command = [program.script.with_name("python"), "-P", "-c", _WITH_LIMITS.format(changes=changes)]
        self._command = [*before, *command, "-v", "--config", file, "serve", "--database", url]
        self._log = program.home / f"serve-{self.port}.log"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                env=self._program.environment(self._environment),
                cwd=self._program.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + STARTING
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"serve does not come up: {self.log()}")
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def again(self) -> Self:
        """Start it again once it is gone."""
        self.process = self._start()
        return self.__enter__()

    def log(self) -> str:
        """What it wrote to stderr and stdout."""
        return self._log.read_text(encoding="utf-8", errors="surrogateescape")

    def post(
        self,
        octets: bytes | Iterable[bytes],
        media_type: str | None = GZIP,
        path: str = "/",
        *,
        client: str = "127.0.0.1",
        **headers: str,
    ) -> Answer:
        """POST from the loopback address `client`; headers as `content_encoding="gzip"`. An iterable goes in chunks."""
        return self.ask("POST", path, octets, client, {"content-type": media_type, **headers})

    def ask(
        self,
        method: str,
        path: str,
        octets: bytes | Iterable[bytes] | None = None,
        client: str = "127.0.0.1",
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Any request."""
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE, source_address=(client, 0), context=self._tls
            )
        else:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, timeout=PATIENCE, source_address=(client, 0)
            )
        given = {name.replace("_", "-"): value for name, value in (headers or {}).items() if value is not None}
        with contextlib.closing(connection):
            connection.request(method, path, octets, given)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read().decode())

    def open(self, client: str = "127.0.0.1") -> socket.socket:
        """A connection of which nothing is known."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE, source_address=(client, 0))


def head(length: int, *more: str, media_type: str = GZIP) -> bytes:
    """The head of a POST with so many octets to come."""
    lines = ["POST / HTTP/1.1", "Host: tlsrpt.example.org", f"Content-Type: {media_type}", f"Content-Length: {length}"]
    return "".join(f"{line}\r\n" for line in (*lines, *more, "")).encode()


def answer(connection: socket.socket) -> str:
    """All that comes until the other side closes."""
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode()
