"""`[trust]`, with the installed program: mails in a real Dovecot, signed by a real key that a real DNS server has."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.end_to_end.test_poll import Poller
from tests.installed import Program
from tests.servers.dns import Dns
from tests.servers.dovecot import User
from tests.signing import Key

DOMAIN = "reporter.example"
NAME = f"tls._domainkey.{DOMAIN}"
BY_OUTCOME = "SELECT outcome, verdict, signing_domain FROM delivery ORDER BY uid"
COUNTED = "SELECT organization_name, signing_domain FROM report WHERE conflicts_with IS NULL ORDER BY signing_domain"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def poller(program: Program, mailbox: User, sqlite: str) -> Poller:
    return Poller(program, mailbox, sqlite)


def configure(poller: Poller, dns: Dns, trust: str = "", account: str = "", after: str = "") -> None:
    text = poller.user.account(more=account, after=after)
    poller.write(f'{text}\n[posture]\nresolver = "{dns.address}"\n[trust]\n{trust}\n')


def forged(number: int = 0) -> bytes:
    """The same report with other counts, mailed by somebody."""
    body = builders.report(number, builders.policy(successful=0, failed=1_000_000))
    return builders.mail(builders.gzipped(builders.document(body)), message_id=f"<{number}@evil.example>")


def test_by_default_who_signed_is_noted_and_a_forged_report_gives_way(
    poller: Poller, dns_server: Dns, key: Key
) -> None:
    dns_server.publish({NAME: [key.record("s=tlsrpt")]})
    poller.user.deliver(forged())
    configure(poller, dns_server)
    assert poller().status == 0
    assert poller.ask(BY_OUTCOME) == [("recorded", "none", None)]
    poller.user.deliver(key.sign(builders.mail()))
    assert poller().status == 0
    assert poller.ask(BY_OUTCOME) == [("conflicting", "none", None), ("recorded", "pass", DOMAIN)]
    assert poller.ask(COUNTED) == [("Reporter Example", DOMAIN)]
    assert poller.ask("SELECT successful, failed FROM daily_sessions") == [(100, 0)]
    shown = poller.program("--config", str(poller.config), "ledger", "--database", poller.url).stdout
    assert f"DKIM pass by {DOMAIN} (tls)" in shown
    assert "DKIM none: there is no DKIM signature" in " ".join(shown.split())


def test_what_nobody_vouches_for_is_kept_and_counted_when_the_owner_relents(
    poller: Poller, dns_server: Dns, key: Key
) -> None:
    dns_server.publish({NAME: [key.record()]})
    poller.user.deliver(forged())
    poller.user.deliver(key.sign(builders.mail()))
    poller.user.deliver(key.sign(builders.mail(number=1)).replace(b"aggregate", b"altered"))
    poller.user.deliver(builders.other_mail())
    configure(poller, dns_server, 'require = "authenticated"', after='unauthenticated = "move:Doubt"')
    ran = poller("--json")
    assert ran.status == 0
    assert [json.loads(ran.stdout)[name] for name in ("recorded", "unauthenticated", "not_a_report")] == [1, 2, 1]
    assert poller.ask(BY_OUTCOME) == [
        ("unauthenticated", "none", None),
        ("recorded", "pass", DOMAIN),
        ("unauthenticated", "fail", DOMAIN),
        ("not_a_report", None, None),
    ]
    assert len(poller.user.files("Doubt")) == 2
    assert poller("--json").stdout.startswith('{\n  "items": 0')
    # Also when the mails are gone: the ledger has them.
    for file in poller.user.files("Doubt"):
        Path(file).unlink()
    configure(poller, dns_server)
    again = poller.program(
        "--config", str(poller.config), "reprocess", "--json", "--database", poller.url, env=poller.environment()
    )
    assert (again.status, again.stderr) == (0, "")
    assert [json.loads(again.stdout)[name] for name in ("recorded", "conflicting")] == [1, 1]
    assert poller.ask("SELECT outcome, attempts, octets IS NULL FROM delivery ORDER BY uid") == [
        ("conflicting", 2, 1), ("recorded", 1, 1), ("recorded", 2, 1), ("not_a_report", 1, 1)
    ]  # fmt: skip
    assert poller.ask("SELECT count(*) FROM report WHERE conflicts_with IS NULL") == [(2,)]


def test_a_silent_dns_is_asked_again_by_the_next_poll(poller: Poller, dns_server: Dns, key: Key) -> None:
    dns_server.publish({NAME: [key.record()]})
    poller.user.deliver(key.sign(builders.mail()))
    configure(poller, dns_server, 'require = "authenticated"')
    dns_server.stop()
    assert poller().status == 0
    assert poller.ask("SELECT outcome, stage, code FROM delivery") == [("rejected", "trust", "temperror")]
    dns_server.publish({NAME: [key.record()]})
    assert poller().status == 0
    assert poller.ask(BY_OUTCOME) == [("recorded", "pass", DOMAIN)]


def test_reports_about_others_and_floods_are_in_the_ledger_and_do_not_count(
    poller: Poller, dns_server: Dns, key: Key
) -> None:
    dns_server.publish({NAME: [key.record()], "example.com": ["MX 10 mx.provider.example."]})
    dane = builders.report(1, builders.policy("mx.provider.example", "tlsa"))
    foreign = builders.report(2, builders.policy("victim.example"))
    for body in (builders.report(0), dane, foreign):
        poller.user.deliver(builders.mail(builders.gzipped(builders.document(body))))
    for number in range(3):
        flood = builders.report(0, report_id=f"invented-{number}")
        poller.user.deliver(builders.mail(builders.gzipped(builders.document(flood))))
    configure(poller, dns_server, 'domains = ["example.com"]\nreports_per_day = 2', "attempts = 1")
    ran = poller()
    assert ran.status == 0
    assert "reports about 2024-01-01 that count" in ran.stderr
    rows = poller.ask("SELECT outcome, code FROM delivery ORDER BY uid")
    assert rows[:3] == [("recorded", None), ("recorded", None), ("foreign", "foreign")]
    assert sorted(rows[3:], key=repr) == [
        ("recorded", None), ("rejected", "too-many-reports"), ("rejected", "too-many-reports")
    ]  # fmt: skip
    assert poller.ask("SELECT DISTINCT policy_domain FROM daily_sessions ORDER BY 1") == [
        ("example.com",), ("mx.provider.example",)
    ]  # fmt: skip
    # Nothing is lost: the owner raises the cap, and takes the others' reports too.
    configure(poller, dns_server)
    again = poller.program(
        "--config", str(poller.config), "reprocess", "--json", "--database", poller.url, env=poller.environment()
    )
    assert again.status == 0
    assert json.loads(again.stdout)["recorded"] == 3


def test_an_archive_is_judged_by_what_our_mail_server_said(program: Program, sqlite: str, tmp_path: Path) -> None:
    """Its signatures were verified when it came; the keys are long gone."""
    said = b"Authentication-Results: mx.example.com; dkim=pass header.d=reporter.example header.s=old\n"
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=reporter.example; s=old; h=from; bh=AAAA; b=AAAA\n"
    forgery = b"Authentication-Results: mx.example.com; dkim=none\n" + said
    mails = [forgery + forged(), said + signature + builders.mail(), builders.mail(number=1)]
    archive = builders.write_mbox(tmp_path / "old.mbox", mails)
    config = program.home / "config.toml"
    config.write_text('[trust]\nrequire = "authenticated"\nauthserv_ids = ["mx.example.com"]\n')
    ran = program("--config", str(config), "backfill", "--json", "--database", sqlite, str(archive))
    assert [json.loads(ran.stdout)[name] for name in ("recorded", "unauthenticated")] == [1, 2]
    shown: list[dict[str, Any]] = json.loads(program("--config", str(config), "show", "--json", str(archive)).stdout)
    assert [one["verdict"] for one in shown] == ["none", "pass", "none"]
    assert (shown[1]["signing_domain"], shown[1]["selector"]) == ("reporter.example", "old")
    config.write_text("")
    again = program("--config", str(config), "reprocess", "--json", "--database", sqlite)
    assert [json.loads(again.stdout)[name] for name in ("recorded", "conflicting")] == [1, 1]


def test_show_verifies_when_it_is_asked(program: Program, dns_server: Dns, key: Key, tmp_path: Path) -> None:
    dns_server.publish({NAME: [key.record("s=tlsrpt")]})
    file = tmp_path / "report.eml"
    file.write_bytes(key.sign(builders.mail()))
    config = program.home / "config.toml"
    config.write_text(f'[posture]\nresolver = "{dns_server.address}"\n')
    shown = program("--config", str(config), "show", "--dkim", str(file)).stdout
    assert "DKIM pass by reporter.example (tls)" in shown
    assert "DKIM" not in program("--config", str(config), "show", str(file)).stdout
