"""nginx for tests: deploy/nginx-tlsrpt.conf as it stands, but for ports and certificate, in a temporary instance."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.certificates import Certificates
from tests.servers.process import environment, folder_for, free_port, program, start, stop, wait

SNIPPET = Path(__file__).parents[2] / "deploy" / "nginx-tlsrpt.conf"

_AROUND = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
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
    """Run it with the snippet, in front of 127.0.0.1:`upstream`; the port at which it speaks https."""
    binary = program("nginx", "/usr/sbin/nginx", package="nginx-light")
    port = free_port()
    with folder_for("www-data") as (folder, user):
        for name, source in (("certificate", certificates.certificate), ("key", certificates.key)):
            copy = folder / name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o644)
        text = SNIPPET.read_text(encoding="utf-8")
        for pattern, replacement in (
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"listen \[::\]:443 ssl;", ""),
            (r"/etc/letsencrypt/\S+/fullchain.pem", str(folder / "certificate")),
            (r"/etc/letsencrypt/\S+/privkey.pem", str(folder / "key")),
            (r"http://127\.0\.0\.1:8460", f"http://127.0.0.1:{upstream}"),
        ):
            text, count = re.subn(pattern, replacement, text)
            assert count, pattern
        (folder / "snippet").write_text(text, encoding="utf-8")
        config = folder / "nginx.conf"
        config.write_text(_AROUND.format(folder=folder), encoding="utf-8")
        tried = subprocess.run(
            [binary, "-t", "-e", "stderr", "-c", config], env=environment(), capture_output=True, text=True, check=False
        )
        assert tried.returncode == 0, tried.stderr
        assert "warn" not in tried.stderr
        (folder / "pid").unlink(missing_ok=True)  # of the trial, which root made
        for made in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (folder / made).chmod(0o777)
        server = start(user, [binary, "-e", "stderr", "-c", str(config)], folder)
        try:
            wait(server, folder, lambda: socket.create_connection(("127.0.0.1", port)).close(), ConnectionRefusedError)
            yield port
        finally:
            stop(server, signal.SIGTERM)
