"""What `serve` hands to the endpoint."""

import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from tlsrpt_ingest import receive
from tlsrpt_ingest.cli.program import cli
from tlsrpt_ingest.config import Receive
from tlsrpt_ingest.trust import Trust


def test_what_is_said_yes_to_survives_a_power_cut(sqlite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender forgets its report after a 2xx: SQLite commits with synchronous=FULL."""
    seen: list[Any] = []

    def endpoint(settings: Receive, engine: Engine, listener: socket.socket, trust: Trust, **_more: object) -> None:
        with engine.connect() as connection, listener:
            seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        seen.extend((settings.max_body_mib, trust.wanted.domains))

    monkeypatch.setattr(receive, "serve", endpoint)
    config = tmp_path / "config.toml"
    config.write_text("[receive]\nmax_body_mib = 3\n[trust]\ndomains = ['example.org']\n", encoding="utf-8")
    arguments = ["--config", str(config), "serve", "--port", "0", "--database", sqlite]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)
    assert result.return_value == 0
    assert seen == [2, 3, ("example.org",)]
