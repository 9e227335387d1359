"""nginx for tests: what deploy/ has for it as it stands, but for ports, certificate and paths; a temporary instance."""

import pwd
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers.certificates import Certificates
from tests.servers.process import environment, folder_for, free_port, program, start, stop, wait

DEPLOY = Path(__file__).parents[2] / "deploy"

_AROUND = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    types {{ text/html html; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/snippet;
}}
"""


@contextmanager
def nginx(certificates: Certificates, upstream: int) -> Iterator[int]:
    """Run it in front of 127.0.0.1:`upstream`; the port at which it speaks https."""
    with (
        folder_for("www-data") as (folder, user),
        serving(folder, user, certificates, "nginx-tlsrpt.conf", {r"(?<=127\.0\.0\.1:)8460": str(upstream)}) as port,
    ):
        yield port


@contextmanager
def serving(
    folder: Path, user: pwd.struct_passwd, certificates: Certificates, snippet: str, changes: Mapping[str, str]
) -> Iterator[int]:
    """Run it in `folder` as `user` with a snippet of deploy/, `changes` (pattern: text) made to it; the https port."""
    binary = program("nginx", "/usr/sbin/nginx", package="nginx-light")
    port = free_port()
    text = (DEPLOY / snippet).read_text(encoding="utf-8")
    for pattern, replacement in {
        r"listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        r"listen \[::\]:443 ssl;": "",
        r"/etc/letsencrypt/\S+/fullchain.pem": str(folder / "certificate"),
        r"/etc/letsencrypt/\S+/privkey.pem": str(folder / "key"),
        **changes,
    }.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    for name, octets in {
        "certificate": certificates.certificate.read_bytes(),
        "key": certificates.key.read_bytes(),
        "snippet": text.encode(),
        "nginx.conf": _AROUND.format(folder=folder).encode(),
    }.items():
        (folder / name).write_bytes(octets)
        (folder / name).chmod(0o644)
    config = str(folder / "nginx.conf")
    tried = subprocess.run(
        [binary, "-t", "-e", "stderr", "-c", config], env=environment(), capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stderr
    assert "warn" not in tried.stderr
    (folder / "pid").unlink(missing_ok=True)  # of the trial, which root made
    for made in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / made).chmod(0o777)
    server = start(user, [binary, "-e", "stderr", "-c", config], folder)
    try:
        wait(server, folder, lambda: socket.create_connection(("127.0.0.1", port)).close(), ConnectionRefusedError)
        yield port
    finally:
        stop(server, signal.SIGTERM)
