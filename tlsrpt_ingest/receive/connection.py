"""uvicorn's HTTP/1.1 connection with the bounds that it lacks: on their number, and on the time for a head."""

import asyncio
import ipaddress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from tlsrpt_ingest import limits
from tlsrpt_ingest.receive.allowance import client_of, household


class Connection(H11Protocol):
    """One connection.

    uvicorn waits for ever for a head that comes drop by drop: its keep-alive timer ends with the first octet.
    """

    _deadline: asyncio.TimerHandle | None = None
    _household = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as H11Protocol's
        """Take it, unless there are too many."""
        super().connection_made(transport)
        client = client_of(self.client[0] if self.client else None)
        self._household = household(client)
        same = sum(getattr(one, "_household", "") == self._household for one in self.connections)
        if len(self.connections) > limits.CONNECTIONS or (
            same > limits.CONNECTIONS // 8 and not self._is_proxy(client)
        ):
            transport.abort()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Stop the clock where a head is whole."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_clock()

    def on_response_complete(self) -> None:
        """Start the clock for the next head, unless that was here already."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._stop_clock()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(limits.REQUEST_HEAD, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _is_proxy(self, client: str) -> bool:
        try:
            address: Any = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(one) for one in self.config.forwarded_allow_ips)
