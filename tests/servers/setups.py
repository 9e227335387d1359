"""A domain set up for tests, rightly unless told otherwise: DNS, policy host, and `posture` run over it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.servers.certificates import Certificates
from tests.servers.dns import Dns
from tests.servers.hosts import PolicyHost, policy_host
from tlsrpt_ingest.cli.program import cli

DOMAIN = "solarmora.com"
POLICY = f"version: STSv1\nmode: enforce\nmax_age: 604800\nmx: mx1.{DOMAIN}\nmx: *.mail.{DOMAIN}\n"

Records = dict[str, list[str]]


def good() -> Records:
    return {
        DOMAIN: [f"MX 10 mx1.{DOMAIN}.", f"MX 20 b.mail.{DOMAIN}.", 'TXT "v=spf1 mx -all"'],
        f"mx1.{DOMAIN}": ["A 127.0.0.1"],
        f"b.mail.{DOMAIN}": ["A 127.0.0.1"],
        f"_smtp._tls.{DOMAIN}": [f'TXT "v=TLSRPTv1; " "rua=mailto:tlsrpt@{DOMAIN}"'],
        f"_mta-sts.{DOMAIN}": ['TXT "v=STSv1; id=20261124140000;"'],
        f"mta-sts.{DOMAIN}": ["A 127.0.0.1"],
    }


@dataclass
class Setup:
    """A domain set up, and `posture` run over it."""

    dns: Dns
    host: PolicyHost
    certificates: Certificates
    folder: Path
    records: Records = field(default_factory=good)
    config: dict[str, str] = field(default_factory=dict)
    more: str = ""
    """Further sections of the config."""
    https_port: int | None = None
    status: int = 0
    """With which the last run ended."""

    def txt(self, name: str, *texts: str) -> None:
        self.records[f"{name}.{DOMAIN}"] = [f"TXT {json.dumps(text)}" for text in texts]

    def policy(self, old: str = "", new: str = "", *, end: str = "\n") -> None:
        assert old in POLICY
        self.host.serve(POLICY.replace(old, new) if old else POLICY, end=end)

    def run(self, *words: str, publish: bool = True, status: int | None = None) -> Any:
        """What `posture --json` prints about the domain, or about those in `words`."""
        return json.loads(self.text("--json", *(words or [DOMAIN]), publish=publish, status=status))

    def configured(self) -> Path:
        """The config file."""
        keys = {
            "resolver": f'"{self.dns.address}"',
            "https_port": str(self.https_port or self.host.port),
            "ca_file": f'"{self.certificates.ca}"',
            "rua": f'["mailto:tlsrpt@{DOMAIN}"]',
            "timeout": "10",
        } | self.config
        config = self.folder / "config.toml"
        config.write_text("[posture]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) + self.more)
        return config

    def text(self, *words: str, publish: bool = True, status: int | None = None) -> str:
        """What `posture` prints."""
        if publish:
            self.dns.publish(self.records)
        runner = CliRunner(env={"STATE_DIRECTORY": str(self.folder)})
        done = runner.invoke(cli, ["--config", str(self.configured()), "posture", *words], standalone_mode=False)
        if done.exception:
            raise done.exception
        self.status = done.return_value
        if status is not None:
            assert self.status == status, done.output
        return done.stdout

    def findings(self, *words: str, publish: bool = True, status: int | None = None) -> dict[str, str]:
        """Code -> finding."""
        (found,) = self.run(*words, publish=publish, status=status)
        return {check["code"]: check["finding"] for check in found["checks"]}

    def codes(self, *words: str, publish: bool = True) -> set[str]:
        """The codes of what is not fine."""
        return {code for code, finding in self.findings(*words, publish=publish).items() if finding != "fine"}


@pytest.fixture(scope="session")
def good_policy_host(certificates: Certificates) -> Iterator[PolicyHost]:
    with policy_host(certificates.host(f"mta-sts.{DOMAIN}")) as server:
        yield server


@pytest.fixture
def setup(dns_server: Dns, good_policy_host: PolicyHost, certificates: Certificates, tmp_path: Path) -> Setup:
    made = Setup(dns_server, good_policy_host, certificates, tmp_path)
    made.policy()
    return made
