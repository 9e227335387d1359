"""Run the endpoint on uvicorn until a signal comes."""

import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

import uvicorn
from sqlalchemy import Engine

from tlsrpt_ingest import limits
from tlsrpt_ingest.config import Receive
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.receive.connection import Connection
from tlsrpt_ingest.receive.endpoint import application
from tlsrpt_ingest.receive.recording import Recorder
from tlsrpt_ingest.trust import Trust

_ALIVE: Final = 30
"""Seconds between two signs of life for the watchdog."""


def serve(
    settings: Receive,
    engine: Engine,
    listener: socket.socket,
    trust: Trust | None = None,
    *,
    ready: Callable[[], None] = lambda: None,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests at `listener` until SIGTERM or SIGINT; those in hand are finished first, within limits.GRACE.

    `engine` should be durable: a sender forgets what we said yes to. `trust` says what is asked of a report before it
    counts. `ready` is called once, `alive` now and then.
    Raises Misconfigured where the certificate cannot be read.
    """
    # Its warnings are about strangers: each connection that speaks no HTTP is one.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)

    async def still_alive() -> None:
        alive()

    config = uvicorn.Config(
        application(settings, Recorder(engine, trust), ready),
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=limits.KEEP_ALIVE,
        timeout_graceful_shutdown=limits.GRACE,
        timeout_notify=_ALIVE,
        callback_notify=still_alive,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            f"cannot use [receive] certificate {settings.certificate} with its key: {error.strerror or error}"
        ) from error
    uvicorn.Server(config).run(sockets=[listener])
