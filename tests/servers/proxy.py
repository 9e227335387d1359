"""A proxy between a client and a server that does what networks do: cut, stall, hand over octet by octet."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Listens while its `with` lasts. The faults are about what the server says."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_after: int | None = None
        """Octets after which a connection is cut; cleared by the first cut unless `always`."""
        self.always = False
        self.stall_after: int | None = None
        """Octets after which nothing more comes."""
        self.piece = 65536
        """Octets handed over at once."""
        self.rewrite: tuple[bytes, bytes] | None = None
        """What the server says, and what the client hears instead; lines are handed over whole then."""
        self.heard = b""
        """What the clients said."""
        self.connections = 0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self._to)
            except OSError:
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := client.recv(65536):
                self.heard += octets
                server.sendall(octets)
        _close(client, server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        said = 0
        with contextlib.suppress(OSError):
            while octets := server.recv(65536):
                if self.rewrite is not None:
                    while not octets.endswith(b"\n") and (more := server.recv(65536)):
                        octets += more
                    octets = octets.replace(*self.rewrite)
                cut, stall = self.cut_after, self.stall_after
                if stall is not None and said + len(octets) > stall:
                    client.sendall(octets[: max(0, stall - said)])
                    self._closed.wait()
                    break
                if cut is not None and said + len(octets) > cut:
                    client.sendall(octets[: max(0, cut - said)])
                    if not self.always:
                        self.cut_after = None
                    break
                said += len(octets)
                for start in range(0, len(octets), self.piece):
                    client.sendall(octets[start : start + self.piece])
        _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
