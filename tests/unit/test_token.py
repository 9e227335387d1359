"""Access tokens by a grant, from a token endpoint on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from tlsrpt_ingest.config import OAuth, Secret
from tlsrpt_ingest.errors import LoginRefused, Unavailable
from tlsrpt_ingest.sources.token import token


class Endpoint(BaseHTTPRequestHandler):
    asked: list[dict[str, list[str]]]

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append(body)
        refused = body.get("refresh_token") == ["revoked"]
        answer = {"error": "invalid_grant"} if refused else {"access_token": "t0ken", "token_type": "Bearer"}
        self.send_response(400 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # The library insists on https, which a token deserves; on loopback there is nothing to protect.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    Endpoint.asked = []
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def oauth(url: str, **more: object) -> OAuth:
    return OAuth.model_validate({"token_url": url, "client_id": "us", **more})


def revealed(secret: Secret, _key: str) -> str:
    return str(secret.environment)


def test_client_credentials(endpoint: str) -> None:
    wanted = oauth(endpoint, client_secret={"environment": "s3cret"}, scope=["imap"])
    assert token(wanted, "account 'a'", revealed) == "t0ken"
    assert Endpoint.asked[0]["grant_type"] == ["client_credentials"]
    assert Endpoint.asked[0]["scope"] == ["imap"]


def test_refresh_token(endpoint: str) -> None:
    wanted = oauth(endpoint, refresh_token={"environment": "r3fresh"}, client_secret={"environment": "s3cret"})
    assert token(wanted, "account 'a'", revealed) == "t0ken"
    assert Endpoint.asked[0]["grant_type"] == ["refresh_token"]
    assert Endpoint.asked[0]["refresh_token"] == ["r3fresh"]
    assert Endpoint.asked[0]["client_secret"] == ["s3cret"]


def test_a_refused_grant_names_the_account_and_no_secret(endpoint: str) -> None:
    wanted = oauth(endpoint, refresh_token={"environment": "revoked"})
    with pytest.raises(LoginRefused, match=r"account 'a'.*invalid_grant") as caught:
        token(wanted, "account 'a'", revealed)
    assert "revoked" not in str(caught.value)


def test_an_endpoint_that_is_away(endpoint: str) -> None:
    wanted = oauth(endpoint.replace("/token", "0/token"), refresh_token={"environment": "r3fresh"})
    wanted = wanted.model_copy(update={"token_url": "http://127.0.0.1:9/token"})
    with pytest.raises(Unavailable, match="cannot reach"):
        token(wanted, "account 'a'", revealed)
