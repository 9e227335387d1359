"""Policy hosts (HTTPS) and mail hosts (SMTP with STARTTLS) for tests, on loopback, as good or bad as they are told."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TEXT = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass
class PolicyHost:
    """What it answers: change it between requests."""

    port: int
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(TEXT))
    drips: bool = False
    """Whether it sends an octet from time to time, until the test is over."""
    asked: int = 0
    """Requests for the policy file."""

    def serve(self, policy: str, *, end: str = "\n") -> None:
        """Serve a policy, and well."""
        self.body, self.status, self.headers, self.drips = policy.replace("\n", end).encode(), 200, TEXT, False


@contextmanager
def policy_host(certificate: tuple[Path, Path], *, address: str = "127.0.0.1", port: int = 0) -> Iterator[PolicyHost]:
    """A web server that lives as long as the block."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path != "/.well-known/mta-sts.txt":
                self.send_error(404)
                return
            host.asked += 1
            self.send_response(host.status)
            for name, value in ({"Content-Length": str(len(host.body))} | host.headers).items():
                self.send_header(name, value)
            self.end_headers()
            for octet in host.body if host.drips else ():
                self.wfile.write(bytes([octet]))
                if over.wait(0.1):
                    return
            self.wfile.write(host.body)

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        server_bind = socketserver.TCPServer.server_bind  # http.server would ask the DNS for its own name

        def handle_error(self, *args: Any) -> None:
            """A client that does not like what it sees goes away."""

        def finish_request(self, request: Any, client_address: Any) -> None:
            # Here and not in get_request: the handshake is the thread's business.
            with context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    context = _context(certificate)
    server = Server((address, port), Handler)
    host = PolicyHost(server.server_address[1])
    with _serving(server, over):
        yield host


@contextmanager
def mail_host(
    certificate: tuple[Path, Path] | None, *, greeting: str = "220 mx ESMTP", starts: bool = True
) -> Iterator[int]:
    """The port of a mail server that lives as long as the block.

    Without certificate it has no STARTTLS. With `starts` false it says that it starts TLS, and then nothing.
    """
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say(greeting)
            while line := self.rfile.readline(1000):
                command = line.split()[0].upper() if line.split() else b""
                if command == b"EHLO":
                    self._say(
                        "250-mx greets you",
                        "250-PIPELINING",
                        *(["250-STARTTLS"] if certificate else []),
                        "250 8BITMIME",
                    )
                elif command == b"STARTTLS" and certificate:
                    self._say("220 go ahead")
                    if not starts:
                        self.rfile.read()
                        return
                    with _context(certificate).wrap_socket(self.request, server_side=True) as secured:
                        secured.recv(1)
                    return
                elif command == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("500 what?")

        def _say(self, *lines: str) -> None:
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
            self.wfile.flush()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            """A client that does not like what it sees goes away."""

    server = Server(("127.0.0.1", 0), Handler)
    with _serving(server, over):
        yield server.server_address[1]


def _context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


@contextmanager
def _serving(server: socketserver.TCPServer, over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
