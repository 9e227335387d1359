"""What every request passes on its way in and out: the access log, a refusal that can be read, a stop that is told."""

import asyncio
import logging
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tlsrpt_ingest import limits
from tlsrpt_ingest.receive.allowance import client_of

log = logging.getLogger(__name__)

_STOPPING: Final = b"stopping, try again\n"
_CLOSE: Final = (b"connection", b"close")


class Door:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the application's life."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        passage = _Passage(scope, receive, send)
        try:
            await self._app(scope, passage.receive, passage.send)
        except asyncio.CancelledError:
            # uvicorn's patience with us is at its end, and it would say 500.
            await passage.stopped()
        finally:
            _tell(scope, passage, time.monotonic() - began)


class _Passage:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.media_type = headers.get("content-type", "-")
        self.status = 0
        self.size = 0
        self._more = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        self.size += len(message.get("body", b""))
        self._more = bool(message.get("more_body", False))
        return message

    async def send(self, message: Message) -> None:
        """On its way out; where the body was not read, the connection is closed as soon as the client has the answer.

        Closed at once, it would be reset under what the client still sends, and the answer with it (RFC 9112 section
        9.6).
        """
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._more:
                message = {**message, "headers": [*message["headers"], _CLOSE]}
        elif self._more and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def stopped(self) -> None:
        """Say so, if nothing was said yet."""
        if self.status:
            return
        headers = [(b"retry-after", str(limits.RETRY_BUSY).encode()), _CLOSE]
        self.status = 503
        await self._send({"type": "http.response.start", "status": 503, "headers": headers})
        await self._send({"type": "http.response.body", "body": _STOPPING})

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(limits.LINGER):
                while self._more:
                    await self.receive()
        except TimeoutError:
            return


def _tell(scope: Scope, passage: _Passage, seconds: float) -> None:
    """The access log's line. A stranger's text in it is cleaned where it is written (`cli.words`)."""
    client = client_of(scope["client"][0] if scope.get("client") else None)
    path = scope.get("raw_path", b"").decode("ascii", "replace")[: limits.NAME]
    outcome = scope.get("state", {}).get("outcome", "-")
    log.info(
        '%s "%s %s" %d %s %s %d octets %.3f s',
        client,
        scope["method"],
        path,
        passage.status,
        outcome,
        passage.media_type[:100],
        passage.size,
        seconds,
    )
