"""`serve` behind the nginx of deploy/."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import builders
from tests.installed import PATIENCE, Program
from tests.servers.certificates import Certificates
from tests.servers.nginx import nginx
from tests.servers.serving import GZIP, Serving
from tlsrpt_ingest.store.engine import open_engine

REPORT = builders.gzipped(builders.document())


class Front:
    """nginx, and serve behind it."""

    def __init__(self, port: int, serving: Serving, ca: Path) -> None:
        self.serving = serving
        self._port = port
        self._trusting = ssl.create_default_context(cafile=ca)

    def ask(self, method: str, path: str, octets: bytes | None = None, client: str = "127.0.0.1", **more: str) -> int:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=PATIENCE, source_address=(client, 0), context=self._trusting
        )
        headers = {"content-type": GZIP, **{name.replace("_", "-"): value for name, value in more.items()}}
        with closing(connection):
            connection.request(method, path, octets, headers)
            return connection.getresponse().status


@pytest.fixture
def front(program: Program, sqlite: str, tmp_path: Path) -> Iterator[Front]:
    (tmp_path / "certificates").mkdir()
    certificates = Certificates(tmp_path / "certificates")
    with Serving(program, sqlite) as serving, nginx(certificates, serving.port) as port:
        yield Front(port, serving, certificates.ca)


def test_a_post_through_nginx(front: Front, sqlite: str) -> None:
    assert front.ask("POST", "/v1/tlsrpt", REPORT, client="127.0.0.7") == 201
    # What a client says of itself is not what nginx hands on.
    assert front.ask("POST", "/v1/tlsrpt", REPORT, client="127.0.0.7", x_forwarded_for="192.0.2.99") == 200
    engine = open_engine(sqlite)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT origin, outcome FROM delivery")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("post://127.0.0.7/v1/tlsrpt", "recorded")]
    assert front.ask("GET", "/v1/tlsrpt") == 405
    assert front.ask("POST", "/v1/tlsrpt", REPORT, content_type="text/plain") == 415
    assert front.ask("POST", "/v1/tlsrpt", b"no report") == 400
    assert front.ask("POST", "/v1/tlsrpt", bytes((10 << 20) + 1)) == 413
    assert front.ask("POST", "/v1/tlsrpt", bytes(10 << 20)) == 400
    assert "413" not in front.serving.log()


def test_who_sees_the_health(front: Front) -> None:
    assert front.ask("GET", "/healthz") == 200
    assert front.ask("GET", "/healthz", client="127.0.0.7") == 403
