"""`serve` where there is too much, too slow or too late: rates, places, clocks, a stop, a database that is away."""

import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from tests import builders
from tests.installed import Program
from tests.servers.certificates import Certificates
from tests.servers.databases import postgresql_of_its_own
from tests.servers.process import free_port
from tests.servers.process import program as server_program
from tests.servers.serving import JSON, Serving, answer, head
from tlsrpt_ingest.store.engine import open_engine

REPORT = builders.document(builders.report())


def reports(url: str) -> int:
    engine = open_engine(url)
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM report")).scalar_one()
    engine.dispose()
    return int(count)


def test_a_client_that_asks_too_often(program: Program, sqlite: str) -> None:
    # One a minute comes back: no test is as slow.
    with Serving(program, sqlite, "requests_per_minute = 3") as serving:
        assert [serving.post(REPORT, JSON).status for _ in range(3)] == [201, 200, 200]
        refused = serving.post(REPORT, JSON)
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert serving.post(REPORT, JSON, client="127.0.0.2").status == 200
        assert serving.ask("GET", "/healthz").status == 200


def test_each_mebibyte_counts_as_sixty_requests(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, "requests_per_minute = 121") as serving:
        # A credit: a report may be larger than a minute's worth.
        assert serving.post(bytes(2 << 20), JSON).status == 400
        assert serving.post(REPORT, JSON).status == 429


def test_whose_word_about_the_client_is_believed(program: Program, sqlite: str) -> None:
    with Serving(
        program, sqlite, "requests_per_minute = 1\ntrusted_proxies = ['127.0.0.1', '198.51.100.0/24']"
    ) as serving:

        def post(forwarded: str, client: str = "127.0.0.1") -> int:
            return serving.post(REPORT, JSON, client=client, x_forwarded_for=forwarded).status

        assert post("192.0.2.1") == 201
        assert post("192.0.2.1") == 429
        # What the client itself wrote stands further left; a second proxy of ours stands further right.
        assert post("203.0.113.9, 192.0.2.1, 198.51.100.7") == 429
        assert post("192.0.2.2") == 200
        # One customer has a /64.
        assert post("2001:db8::1") == 200
        assert post("2001:db8::2") == 429
        assert post("2001:db8:0:1::2") == 200
        assert post("::ffff:192.0.2.1") == 429
        # From elsewhere nobody is believed.
        assert post("192.0.2.77", client="127.0.0.5") == 200
        assert post("192.0.2.78", client="127.0.0.5") == 429
        # All that is no address is one client.
        assert post("\x1b[31m; DROP TABLE") == 200
        assert post("unknown") == 429
    engine = open_engine(sqlite)
    with engine.connect() as connection:
        origins = set(connection.execute(text("SELECT origin FROM delivery")).scalars())
    engine.dispose()
    clients = {"192.0.2.1", "192.0.2.2", "[2001:db8::1]", "[2001:db8:0:1::2]", "127.0.0.5", "unknown"}
    assert origins == {f"post://{client}/" for client in clients}


def test_places_are_taken_and_given_back(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, "requests_in_hand = 4") as serving, ExitStack() as held:
        slow = []
        for number in range(2, 6):
            connection = held.enter_context(serving.open(f"127.0.0.{number}"))
            connection.sendall(head(len(REPORT), "Expect: 100-continue", media_type=JSON))
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            slow.append(connection)
            if number == 2:
                # A quarter of four: one place a client.
                refused = serving.post(REPORT, JSON, client="127.0.0.2")
                assert (refused.status, refused.headers["retry-after"]) == (429, "10")
        refused = serving.post(REPORT, JSON, client="127.0.0.77")
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        slow[0].sendall(REPORT)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 201 ")
        assert serving.post(REPORT, JSON, client="127.0.0.77").status == 200
        slow[1].close()
        # The closed one's place is free as soon as the server has heard of it.
        while serving.post(REPORT, JSON, client="127.0.0.78").status == 503:
            pass
    assert reports(sqlite) == 1


def test_large_bodies_have_a_bound_and_small_ones_go_on(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"BODIES": 1 << 20}) as serving:
        with serving.open() as large:
            large.sendall(head(2 << 20, "Expect: 100-continue", media_type=JSON))
            assert large.recv(100).startswith(b"HTTP/1.1 100 ")
            large.sendall(bytes(1 << 20))
            assert serving.post(REPORT, JSON).status == 201
            large.sendall(bytes(1 << 20))
            said = answer(large)
        assert said.startswith("HTTP/1.1 503 ")
        assert "retry-after: 10\r\n" in said
        # What it had is free again.
        assert serving.post(bytes(1 << 20), JSON).status == 400


def test_a_head_that_comes_drop_by_drop(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"REQUEST_HEAD": 0.3, "KEEP_ALIVE": 60}) as serving:
        with serving.open() as silent, serving.open() as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nHost:")
            assert answer(slow) == ""
            assert answer(silent) == ""
        # The same on a connection that was good once.
        with serving.open() as reused:
            reused.sendall(head(len(REPORT), media_type=JSON) + REPORT)
            assert reused.recv(1000).startswith(b"HTTP/1.1 201 ")
            reused.sendall(b"P")
            assert answer(reused).removeprefix("recorded\n") == ""
        assert serving.post(REPORT, JSON).status == 200


def test_a_body_that_comes_drop_by_drop(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"REQUEST_BODY": 0.3}) as serving, serving.open() as slow:
        slow.sendall(head(len(REPORT), media_type=JSON) + REPORT[:10])
        said = answer(slow)
    assert said.startswith("HTTP/1.1 408 ")
    assert "connection: close" in said


def test_an_idle_connection_is_closed(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"KEEP_ALIVE": 0.2, "REQUEST_HEAD": 60}) as serving, serving.open() as idle:
        idle.sendall(head(len(REPORT), media_type=JSON) + REPORT)
        assert answer(idle).startswith("HTTP/1.1 201 ")


def test_connections_are_counted(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"CONNECTIONS": 16}) as serving, ExitStack() as held:
        # An eighth for one address, which is no trusted proxy.
        mine = [held.enter_context(serving.open("127.0.0.2")) for _ in range(3)]
        assert answer(mine[2]) == ""
        for number in range(3, 10):
            for _ in range(2):
                held.enter_context(serving.open(f"127.0.0.{number}"))
        over = held.enter_context(serving.open())
        assert answer(over) == ""
        mine[0].sendall(head(len(REPORT), media_type=JSON) + REPORT)
        assert mine[0].recv(1000).startswith(b"HTTP/1.1 201 ")


def test_sigterm_lets_the_requests_in_hand_finish(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"GRACE": 60}) as serving, serving.open() as slow, serving.open() as idle:
        slow.sendall(head(len(REPORT), "Expect: 100-continue", media_type=JSON))
        assert slow.recv(100).startswith(b"HTTP/1.1 100 ")
        serving.process.terminate()
        assert answer(idle) == ""
        with pytest.raises(ConnectionRefusedError):
            serving.open()
        slow.sendall(REPORT)
        assert answer(slow).startswith("HTTP/1.1 201 ")
        assert serving.process.wait(timeout=60) == 0
    assert reports(sqlite) == 1
    assert "Traceback" not in serving.log()


def test_sigterm_does_not_wait_for_ever(program: Program, sqlite: str) -> None:
    with Serving(program, sqlite, limits={"GRACE": 0.3}) as serving, serving.open() as slow:
        slow.sendall(head(len(REPORT), "Expect: 100-continue", media_type=JSON))
        assert slow.recv(100).startswith(b"HTTP/1.1 100 ")
        serving.process.terminate()
        said = answer(slow)
        assert said.startswith("HTTP/1.1 503 ")
        assert "retry-after: 10\r\n" in said
        assert serving.process.wait(timeout=60) == 0
    assert "Traceback" not in serving.log()


def test_the_database_is_away(program: Program) -> None:
    with postgresql_of_its_own({"fsync": "off"}) as server:
        url = f"{server.url}/postgres"
        assert program("db", "upgrade", "--database", url).status == 0
        with Serving(program, url) as serving:
            assert serving.post(REPORT, JSON, "/1").status == 201
            assert serving.ask("GET", "/healthz").status == 200
            server.stop()
            refused = serving.post(REPORT, JSON, "/2")
            assert (refused.status, refused.headers["retry-after"]) == (503, "300")
            # A health check's answer holds for two seconds.
            while serving.ask("GET", "/healthz").status == 200:
                pass
            server.start()
            assert serving.post(REPORT, JSON, "/2").status == 200
            assert serving.post(builders.document(builders.report(1)), JSON, "/3").status == 201
            while serving.ask("GET", "/healthz").status == 503:
                pass
            assert serving.stop() == 0
        assert reports(url) == 2
        assert "Traceback" not in serving.log()
        assert "p%40ss" not in serving.log()


def test_a_database_that_does_not_answer(program: Program, sqlite: str) -> None:
    assert program("db", "upgrade", "--database", sqlite).status == 0
    with Serving(program, sqlite, limits={"REQUEST_RECORDED": 0.5}) as serving:
        engine = open_engine(sqlite)
        with engine.connect() as connection:
            connection.execution_options(tlsrpt_writes=True)
            with connection.begin():
                refused = serving.post(REPORT, JSON)
                assert (refused.status, refused.headers["retry-after"]) == (503, "300")
        engine.dispose()
        while serving.post(REPORT, JSON).status == 503:
            pass
    assert reports(sqlite) == 1


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Certificates(folder)


def test_with_a_certificate_of_its_own(program: Program, sqlite: str, certificates: Certificates) -> None:
    config = f'certificate = "{certificates.certificate}"\nkey = "{certificates.key}"'
    trusting = ssl.create_default_context(cafile=certificates.ca)
    with Serving(program, sqlite, config, tls=trusting) as serving:
        assert serving.post(REPORT, JSON).status == 201
        # Closed before it is read, and the answer arrives all the same.
        assert serving.post(bytes(11 << 20), JSON).status == 413
        assert f"listening at https://127.0.0.1:{serving.port}" in serving.log()


def test_a_certificate_that_is_none(program: Program, sqlite: str, certificates: Certificates, tmp_path: Path) -> None:
    for certificate, key in (
        (certificates.certificate, certificates.certificate),
        (tmp_path / "none.pem", certificates.key),
    ):
        config = tmp_path / "config.toml"
        config.write_text(f'[receive]\nport = 0\ncertificate = "{certificate}"\nkey = "{key}"\n', encoding="utf-8")
        ran = program("--config", config, "serve", "--database", sqlite)
        assert ran.status == 78
        assert "[receive] certificate" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


def test_a_port_that_is_taken(program: Program, sqlite: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = program("serve", "--port", str(taken.getsockname()[1]), "--database", sqlite)
    assert ran.status == 75
    assert "[receive] host and port" in ran.stderr


def test_a_host_that_is_not_here(program: Program, sqlite: str) -> None:
    ran = program("serve", "--host", "192.0.2.1", "--port", "0", "--database", sqlite)
    assert ran.status == 78
    assert "cannot listen at 192.0.2.1 port 0" in ran.stderr


def test_socket_activation(program: Program, sqlite: str) -> None:
    """Started by the first connection, as systemd does it."""
    activate = server_program("systemd-socket-activate", "/usr/bin/systemd-socket-activate", package="systemd")
    port = free_port()
    before = [activate, "--listen", f"127.0.0.1:{port}", "--setenv=HOME"]
    with Serving(program, sqlite, "host = '192.0.2.1'", before=before, port=port) as serving:
        assert serving.post(REPORT, JSON).status == 201
        assert f"listening at http://127.0.0.1:{port}" in serving.log()


def test_systemd_is_told(program: Program, sqlite: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        with Serving(program, sqlite, environment={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as serving:
            manager.settimeout(60)
            assert {manager.recv(100), manager.recv(100)} == {b"READY=1", b"WATCHDOG=1"}
            assert serving.stop() == 0
            assert manager.recv(100) == b"STOPPING=1"


def test_without_the_extra(program: Program, sqlite: str) -> None:
    lacking = "import sys; sys.modules['uvicorn'] = None; from tlsrpt_ingest.cli import main; main()"
    ran = Program(program.script.with_name("python"), program.home)("-P", "-c", lacking, "serve", "--database", sqlite)
    assert (ran.status, ran.stdout) == (78, "")
    assert "pip install 'tlsrpt-ingest[receive]'" in ran.stderr
