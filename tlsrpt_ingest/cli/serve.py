"""`serve`: reports by HTTPS POST, behind a web server or with a certificate of its own."""

import errno
import logging
import os
import socket
from ipaddress import ip_address
from typing import Final

import click

from tlsrpt_ingest.cli.notify import Notify
from tlsrpt_ingest.cli.setting import Setting, database_option
from tlsrpt_ingest.cli.stopping import Stopping
from tlsrpt_ingest.cli.trust import trust
from tlsrpt_ingest.config import Receive
from tlsrpt_ingest.errors import Misconfigured, Unavailable

log = logging.getLogger(__name__)

_FIRST: Final = 3
"""The first descriptor that systemd hands over (sd_listen_fds(3))."""


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen. Default: [receive] host of the config, or 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: [receive] port of the config, or 8460.")
@database_option
@click.pass_obj
def serve(setting: Setting, host: str | None, port: int | None, database_url: str | None) -> int:
    """Take reports by POST (RFC 8460 section 5.4) into the database, on every path.

    Plain HTTP for a web server in front, unless [receive] names a certificate. 201 is answered after the commit, GET
    /healthz says whether the database answers. SIGTERM finishes the requests in hand. Needs the extra [receive].
    """
    try:
        from tlsrpt_ingest import receive  # noqa: PLC0415 - only whoever serves has what it needs
    except ModuleNotFoundError as missing:
        if missing.name not in ("starlette", "uvicorn"):
            raise
        raise Misconfigured(
            f"serve needs {missing.name}, which is not installed; type: pip install 'tlsrpt-ingest[receive]'"
        ) from missing
    settings = setting.config.receive
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    notify = Notify(setting.environment)
    # A sender forgets what we said yes to, so the commit has to survive a power cut.
    engine = setting.database(database_url, durable=True)
    listener = _handed_over(setting) or _listen(settings)
    place = _place(listener)
    if settings.certificate is None and not _is_local(listener):
        log.warning("plain HTTP at %s: RFC 8460 wants https, so put a web server in front, or a certificate", place)
    log.info("listening at %s", f"https://{place}" if settings.certificate else f"http://{place}")
    try:
        with Stopping():
            receive.serve(
                settings,
                engine,
                listener,
                trust(setting.config, fresh=True),
                ready=lambda: notify("READY=1"),
                alive=notify.alive,
            )
        notify("STOPPING=1")
    finally:
        engine.dispose()
    return 0


def _handed_over(setting: Setting) -> socket.socket | None:
    """The socket that systemd listens at for us (tlsrpt-ingest-serve.socket)."""
    environment = setting.environment
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS", "0") == "0":
        return None
    return socket.socket(fileno=_FIRST)


def _listen(settings: Receive) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, dualstack_ipv6=settings.host == "::")
    except (OSError, UnicodeError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        words = f"cannot listen at {settings.host} port {settings.port}: {said}; see [receive] host and port"
        in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise (Unavailable if in_use else Misconfigured)(words) from error


def _place(listener: socket.socket) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        return name
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _is_local(listener: socket.socket) -> bool:
    name = listener.getsockname()
    return isinstance(name, str) or ip_address(name[0]).is_loopback
