"""The site behind the nginx of deploy/: who may read it, and what is said with it."""

import base64
import grp
import http.client
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import builders
from tests.installed import PATIENCE, Program
from tests.servers.certificates import Certificates
from tests.servers.nginx import serving
from tests.servers.process import folder_for


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
    (tmp_path / "certificates").mkdir()
    certificates = Certificates(tmp_path / "certificates")
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
        (folder / "htpasswd").chmod(0o644)
        changes = {r"/var/www/tlsrpt": str(site), r"/etc/nginx/tlsrpt\.htpasswd": str(folder / "htpasswd")}
        with serving(folder, user, certificates, "nginx-site.conf", changes) as port:
            yield Front(port, site, certificates.ca)


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
