"""Real senders' reporters send to us: sys4's tlsrpt-reporter by mail and by HTTPS, and curl in halon's way."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.installed import Program
from tests.servers.certificates import Certificates
from tests.servers.process import program as server_program
from tests.servers.serving import Serving
from tests.servers.tlsrpt_reporter import CONTACT, ORGANIZATION, send_reports, session
from tlsrpt_ingest.store.engine import open_engine


@dataclass
class Endpoint:
    """`serve` with a certificate, and its database."""

    url: str
    ca: Path
    database: str

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        engine = open_engine(self.database)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(sql))]
        engine.dispose()
        return rows


@pytest.fixture
def endpoint(program: Program, sqlite: str, tmp_path: Path) -> Iterator[Endpoint]:
    (tmp_path / "certificates").mkdir()
    made = Certificates(tmp_path / "certificates")
    with Serving(program, sqlite, f'certificate = "{made.certificate}"\nkey = "{made.key}"') as serving:
        yield Endpoint(f"https://127.0.0.1:{serving.port}/v1/tlsrpt", made.ca, sqlite)


@pytest.fixture
def curl() -> str:
    return server_program("curl", "/usr/bin/curl", package="curl")


def test_tlsrpt_reporter_mails_and_posts(program: Program, endpoint: Endpoint, curl: str, tmp_path: Path) -> None:
    """Three domains: one wants mail, one HTTPS, one both, whose report is counted once."""
    mail, post = "mailto:tlsrpt@solarmora.com", endpoint.url
    wanted = {"mail.example": mail, "post.example": post, "both.example": f"{mail},{post}"}
    refused = {"c": 203, "s": "192.0.2.7", "n": "mx1.post.example", "r": "198.51.100.4", "f": "self-signed_certificate"}
    sessions = [
        *(session(domain, f"v=TLSRPTv1;rua={rua}") for domain, rua in wanted.items() for _ in range(3)),
        session("post.example", f"v=TLSRPTv1;rua={post}", refused, failed=True),
        session("post.example", f"v=TLSRPTv1;rua={post}", refused, failed=True),
    ]
    # As Postfix's pipe does it (deploy/postfix-master.cf).
    ingest = shlex.join([str(program.script), "backfill", "--database", endpoint.database, "-"])
    send_reports(
        tmp_path,
        sessions,
        sendmail=f"HOME={shlex.quote(str(program.home))} {ingest}",
        # reportd's own default, and whom it is to trust.
        http=f"{curl} --cacert {endpoint.ca} --silent "
        "--header 'Content-Type: application/tlsrpt+gzip' --data-binary @-",
    )
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert endpoint.ask(
        "SELECT organization_name, contact_info, substr(start_datetime, 1, 19), substr(end_datetime, 1, 19), "
        "policy_domain, policy_type, total_successful_session_count, total_failure_session_count "
        "FROM report JOIN policy ON report_pk = pk ORDER BY policy_domain"
    ) == [
        (ORGANIZATION, CONTACT, f"{yesterday} 00:00:00", f"{yesterday} 23:59:59", domain, "sts", 3, failed)
        for domain, failed in (("both.example", 0), ("mail.example", 0), ("post.example", 2))
    ]
    assert endpoint.ask(
        "SELECT result_type, sending_mta_ip, receiving_mx_hostname, receiving_ip, failed_session_count, "
        "failure_reason_code FROM failure_detail"
    ) == [("certificate-not-trusted", "192.0.2.7", "mx1.post.example", "198.51.100.4", 2, "self-signed_certificate")]
    ledger = endpoint.ask("SELECT origin, outcome FROM delivery")
    assert sorted({origin for origin, _outcome in ledger}) == ["post://127.0.0.1/v1/tlsrpt", "stdin:"]
    assert sorted(outcome for _origin, outcome in ledger) == ["duplicate", "recorded", "recorded", "recorded"]
    assert endpoint.ask("SELECT DISTINCT json_extract(policy_string, '$[1]') FROM policy") == [("mode: enforce",)]


HALON = {
    "organization-name": "Halon Example",
    "date-range": {"start-datetime": "2026-11-22T01:00:00Z", "end-datetime": "2026-11-23T00:59:59Z"},
    "contact-info": "postmaster@halon.example",
    "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-string": "", "policy-domain": "example.com"},
            "summary": {"total-successful-session-count": 7, "total-failure-session-count": 1},
            "failure-details": [
                {
                    "result-type": "sts-policy-invalid",
                    "sending-mta-ip": "192.0.2.1",
                    "receiving-mx-hostname": "mx1.example.com",
                    "failed-session-count": 1,
                }
            ],
        },
        {
            "policy": {"policy-type": "no-policy-found", "policy-string": "", "policy-domain": "example.com"},
            "summary": {"total-successful-session-count": 2, "total-failure-session-count": 0},
            "failure-details": [],
        },
    ],
}
"""As halon-extras' tls-rpt makes it (src/send.js): no mx-host, an empty policy-string, the local time called Z."""


def test_curl_as_halon_does(endpoint: Endpoint, curl: str) -> None:
    """Plain JSON, the certificate not checked, and anything above 299 is a failure."""
    statuses = []
    for _ in range(2):
        ran = subprocess.run(
            [
                *[curl, "--insecure", "--silent", "--fail", "--write-out", "%{http_code}", "--output", "/dev/null"],
                *["--header", "Content-Type: application/tlsrpt+json", "--data-binary", "@-", endpoint.url],
            ],
            input=json.dumps(HALON, separators=(",", ":")),
            capture_output=True,
            text=True,
            check=True,
        )
        statuses.append(ran.stdout)
    assert statuses == ["201", "200"]
    assert endpoint.ask(
        "SELECT policy_type, policy_domain, policy_string, total_successful_session_count, total_failure_session_count "
        "FROM policy ORDER BY position"
    ) == [("sts", "example.com", "[]", 7, 1), ("no-policy-found", "example.com", "[]", 2, 0)]
    assert endpoint.ask("SELECT report_id, organization_name FROM report") == [(HALON["report-id"], "Halon Example")]
    assert endpoint.ask("SELECT result_type, sending_mta_ip, receiving_mx_hostname FROM failure_detail") == [
        ("sts-policy-invalid", "192.0.2.1", "mx1.example.com")
    ]
