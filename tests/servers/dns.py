"""NSD for tests: a temporary DNS server on loopback that answers for every name there is, as root or ordinary user.

What it has is given as records by name, in the words of a zone file; a name without records does not exist.
"""

import pwd
import signal
import socket
import subprocess  # noqa: TC003 - only an annotation, at home among its like
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.servers.process import folder_for, free_port, program, start, stop, wait

SERVFAIL = "servfail.test"
"""A domain for which the server answers SERVFAIL, as a validating resolver does where DNSSEC is broken."""

_CONFIG = """
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  do-ip6: no
  username: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/nsd.pid"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  rrl-ratelimit: 0
  tcp-count: 50
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "{folder}/zone"
zone:
  name: "{servfail}"
  zonefile: "{folder}/no-such-file"
"""

_HEAD = """$ORIGIN .
$TTL 300
@ SOA ns.test. postmaster.test. 1 3600 600 86400 60
@ NS ns.test.
ns.test. A 127.0.0.1
"""


class Dns:
    """A running server."""

    def __init__(self, folder: Path, user: pwd.struct_passwd) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.address = f"{self.host}:{self.port}"
        self._folder = folder
        self._user = user
        self._program = program("nsd", "/usr/sbin/nsd", package="nsd")
        self._config = folder / "nsd.conf"
        self._config.write_text(_CONFIG.format(port=self.port, folder=folder, servfail=SERVFAIL), encoding="ascii")
        self._server: subprocess.Popen[bytes] | None = None

    def publish(self, records: Mapping[str, Iterable[str]], lines: str = "") -> None:
        """Have these records and no others: `{"example.test": ["MX 10 mx.example.test.", "60 IN A 127.0.0.1"]}`.

        `lines` are those of a zone file, with names written out in full and a dot at their ends.
        """
        # Not by SIGHUP: for a while after it, old processes go on answering beside the new ones.
        self.stop()
        rows = [f"{name.rstrip('.')}. {record}\n" for name, of_name in records.items() for record in of_name]
        (self._folder / "zone").write_text(_HEAD + "".join(rows) + lines, encoding="utf-8")
        self._server = start(self._user, [self._program, "-d", "-c", str(self._config)], self._folder)
        wait(self._server, self._folder, self._ask, dns.exception.DNSException)

    def stop(self) -> None:
        """Stop it; the port stays its own."""
        if self._server is not None:
            stop(self._server, signal.SIGTERM)
            self._server = None

    def _ask(self) -> None:
        dns.query.udp(dns.message.make_query("ns.test.", "A"), self.host, port=self.port, timeout=0.05)


@contextmanager
def validating(server: Dns) -> Iterator[str]:
    """The address of a resolver that asks the server, and says that it has validated every answer (DNSSEC)."""
    over = threading.Event()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        front.settimeout(0.05)
        back.connect((server.host, server.port))
        back.settimeout(5)

        def forward() -> None:
            while not over.is_set():
                try:
                    question, asker = front.recvfrom(65_535)
                except TimeoutError:
                    continue
                back.send(question)
                answer = bytearray(back.recv(65_535))
                answer[3] |= 0x20  # AD (RFC 4035 section 3.2.3)
                front.sendto(answer, asker)

        thread = threading.Thread(target=forward)
        thread.start()
        try:
            yield f"127.0.0.1:{front.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="session")
def dns_server() -> Iterator[Dns]:
    """A DNS server of this test session; each test publishes what it needs, and what was there before is gone."""
    with folder_for("nsd") as (folder, user):
        server = Dns(folder, user)
        server.publish({})
        try:
            yield server
        finally:
            server.stop()
