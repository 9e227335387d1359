"""The site behind the nginx of deploy/: who may read it, and what is said with it."""

import base64
import grp
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import builders
from tests.installed import PATIENCE, Program
from tests.servers.certificates import Certificates
from tests.servers.process import environment, folder_for, free_port, start, stop, wait
from tests.servers.process import program as server_program

SNIPPET = Path(__file__).parents[2] / "deploy" / "nginx-site.conf"

AROUND = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 64; }}
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


class Front:
    """nginx, and the folder that it serves."""

    def __init__(self, port: int, site: Path, ca: Path) -> None:
        self.site = site
        self._port = port
        self._trusting = ssl.create_default_context(cafile=ca)

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=PATIENCE, context=self._trusting)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture
def front(program: Program, sqlite: str, tmp_path: Path) -> Iterator[Front]:
    binary = server_program("nginx", "/usr/sbin/nginx", package="nginx-light")
    (tmp_path / "certificates").mkdir()
    certificates = Certificates(tmp_path / "certificates")
    port = free_port()
    with folder_for("www-data") as (folder, user):
        # As docs/how-to/site.md says: the program's own, and the web server's by its group.
        site = folder / "site"
        site.mkdir()
        if os.geteuid() == 0:
            os.chown(site, 0, grp.getgrgid(user.pw_gid).gr_gid)
        site.chmod(0o2750)
        archive = tmp_path / "report.json"
        archive.write_bytes(builders.document())
        assert program("backfill", "--database", sqlite, archive).status == 0
        before = os.umask(0o077)
        try:
            assert program("site", "--database", sqlite, site).status == 0
        finally:
            os.umask(before)
        (folder / "htpasswd").write_text("postmaster:{PLAIN}secret\n", encoding="utf-8")
        text = SNIPPET.read_text(encoding="utf-8")
        for pattern, replacement in (
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"listen \[::\]:443 ssl;", ""),
            (r"/etc/letsencrypt/\S+/fullchain.pem", str(folder / "certificate")),
            (r"/etc/letsencrypt/\S+/privkey.pem", str(folder / "key")),
            (r"/var/www/tlsrpt", str(site)),
            (r"auth_basic_user_file /etc/nginx/tlsrpt.htpasswd", f"auth_basic_user_file {folder / 'htpasswd'}"),
        ):
            text, count = re.subn(pattern, replacement, text)
            assert count, pattern
        (folder / "snippet").write_text(text, encoding="utf-8")
        for name, source in (("certificate", certificates.certificate), ("key", certificates.key)):
            (folder / name).write_bytes(source.read_bytes())
        config = folder / "nginx.conf"
        config.write_text(AROUND.format(folder=folder), encoding="utf-8")
        tried = subprocess.run(
            [binary, "-t", "-e", "stderr", "-c", config], env=environment(), capture_output=True, text=True, check=False
        )
        assert tried.returncode == 0, tried.stderr
        assert "warn" not in tried.stderr
        (folder / "pid").unlink(missing_ok=True)  # of the trial, which root made
        for path in folder.iterdir():
            if path != site:
                path.chmod(0o777 if path.is_dir() else 0o644)
        server = start(user, [binary, "-e", "stderr", "-c", str(config)], folder)
        try:
            wait(server, folder, lambda: socket.create_connection(("127.0.0.1", port)).close(), ConnectionRefusedError)
            yield Front(port, site, certificates.ca)
        finally:
            stop(server, signal.SIGTERM)


def test_who_has_the_password_reads_the_pages(front: Front) -> None:
    assert front.get("/").status == 401
    known = {"Authorization": "Basic " + base64.b64encode(b"postmaster:secret").decode()}
    for page in front.site.iterdir():
        answer = front.get(f"/{page.name}", **known)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer = front.get("/", **known)
    assert answer.status == 200
    again = front.get("/", If_None_Match=str(answer.headers["ETag"]), **known)
    assert again.status == 304, "a page that did not change is not sent again"
