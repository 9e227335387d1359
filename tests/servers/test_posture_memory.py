"""`posture` with a database: what changed, and what senders saw of it; and what it recommends, loaded as it stands."""

import json
import re
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from tests import builders
from tests.deliveries import delivery
from tests.servers.certificates import Certificates
from tests.servers.hosts import mail_host
from tests.servers.setups import DOMAIN, POLICY, Setup
from tlsrpt_ingest.cli.program import cli
from tlsrpt_ingest.errors import Misconfigured, Unavailable
from tlsrpt_ingest.posture.lookup import Lookup
from tlsrpt_ingest.posture.mx import mx_checks, tlsa_checks
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.published import history, remember
from tlsrpt_ingest.store.record import record

TODAY = datetime.now(UTC).date()
TESTING = POLICY.replace("enforce", "testing")


def seen(
    url: str, text: str | None, *days_ago: int, organization: str = "Reporter Example", kind: str = "sts", **more: Any
) -> None:
    """Record reports of some days of a sender that saw this policy."""
    engine = open_engine(url)
    schema.upgrade(engine)
    for ago in days_ago:
        number = (TODAY - timedelta(days=ago) - date(2024, 1, 1)).days
        policy = builders.policy(DOMAIN, kind, policy_string=text.splitlines() if text else builders.ABSENT, **more)
        body = builders.report(number, policy, organization_name=organization)
        (outcome,) = record(
            engine, [delivery(number, body, item=zlib.crc32(f"{organization} {number} {text}".encode()))]
        )
        assert outcome == "recorded"
    engine.dispose()


def test_an_id_that_stayed_while_the_policy_changed_is_named(setup: Setup, database: str) -> None:
    seen(database, None, 3)
    words = ("--database", database, DOMAIN)
    assert setup.codes(*words) == set()
    setup.policy("enforce", "testing")
    assert setup.codes(*words, publish=False) == {"sts-id-unchanged"}
    # It is not forgotten by being told.
    assert setup.codes(*words, publish=False) == {"sts-id-unchanged"}
    assert setup.status == 65
    setup.txt("_mta-sts", "v=STSv1; id=20261124150000")
    assert setup.codes(*words) == set()
    # Another order of the lines, and other line ends, are no other policy.
    setup.host.serve("".join(reversed(TESTING.splitlines(keepends=True))), end="\r\n")
    assert setup.codes(*words, publish=False) == set()


def test_what_stays_is_one_edition(setup: Setup, database: str) -> None:
    seen(database, None, 3)
    words = ("--database", database, DOMAIN)
    for policy in (POLICY, POLICY, TESTING, POLICY):
        setup.host.serve(policy)
        setup.run(*words)
    # Nothing is known of it, so it is neither the same nor gone.
    setup.host.status = 500
    setup.run(*words, publish=False)
    engine = open_engine(database)
    editions = history(engine, [DOMAIN, f"mx1.{DOMAIN}"])
    engine.dispose()
    assert [edition.text for edition in editions[DOMAIN, "sts-policy"]] == [POLICY, TESTING, POLICY]
    first = editions[DOMAIN, "sts-policy"][0]
    assert first.first_at < first.last_at < editions[DOMAIN, "sts-policy"][1].first_at
    for key in ((DOMAIN, "sts-record"), (DOMAIN, "tlsrpt-record"), (DOMAIN, "mx"), (f"mx1.{DOMAIN}", "tlsa")):
        assert len(editions[key]) == 1, key
    assert editions[f"mx1.{DOMAIN}", "tlsa"][0].text is None


def test_testing_for_ever_is_named(setup: Setup, sqlite: str) -> None:
    setup.policy("enforce", "testing")
    words = ("--database", sqlite, DOMAIN)
    seen(sqlite, TESTING, 100, 2)
    # One sender alone does not speak for enforce.
    assert setup.codes(*words) == {"policy-testing-long"}
    assert setup.status == 0
    seen(sqlite, TESTING, 50, 1, organization="Other Example")
    assert setup.codes(*words, publish=False) == {"policy-testing-long", "policy-enforce-ready"}
    assert "mode: enforce\n" in setup.text("--recommend", *words, publish=False)


def test_senders_that_see_what_is_published(setup: Setup, database: str) -> None:
    seen(database, POLICY.replace("\n", "\r\n"), 30, 20, 1)
    seen(database, "".join(reversed(POLICY.splitlines(keepends=True))), 2, organization="Microsoft Corporation")
    (found,) = setup.run("--database", database, DOMAIN)
    (drift,) = (check for check in found["checks"] if check["code"].startswith("drift"))
    assert (drift["code"], drift["finding"]) == ("drift-none", "fine")
    since, last = TODAY - timedelta(days=30), TODAY - timedelta(days=1)
    assert drift["words"] == (
        f"Microsoft Corporation, Reporter Example saw what is published since {since}, last on {last}"
    )


def test_a_sender_that_sees_another_policy_is_named(setup: Setup, sqlite: str) -> None:
    seen(sqlite, POLICY, 40, 20, 1)
    seen(sqlite, TESTING, 2, organization="Stale Example")
    seen(sqlite, POLICY, 20, organization="Lost Example")
    seen(sqlite, None, 1, organization="Lost Example", kind="no-policy-found")
    seen(sqlite, None, 1, organization="DANE Example", kind="no-policy-found")
    seen(sqlite, "mode: enforce\nmx", 1, organization="Broken Example")
    (found,) = setup.run("--database", sqlite, DOMAIN)
    drift = {check["code"]: check["words"] for check in found["checks"] if check["code"].startswith("drift")}
    assert drift.keys() == {"drift-other", "drift-no-policy", "drift-unreadable"}
    assert "Stale Example" in drift["drift-other"]
    assert "mode: testing" in drift["drift-other"]
    assert "Lost Example" in drift["drift-no-policy"]
    assert "Broken Example" in drift["drift-unreadable"]


def test_a_sender_that_still_sees_an_earlier_policy_is_named(setup: Setup, database: str) -> None:
    seen(database, POLICY, 20, 1)
    seen(database, TESTING, 40, 2, organization="Stale Example")
    engine = open_engine(database)
    for policy, ago in ((TESTING, 60), (TESTING, 31), (POLICY, 30)):
        moment = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=ago)
        remember(engine, {(DOMAIN, "sts-policy"): policy}, moment)
    engine.dispose()
    (found,) = setup.run("--database", database, DOMAIN)
    (drift,) = (check for check in found["checks"] if check["code"].startswith("drift"))
    assert drift["code"] == "drift-stale"
    assert f"what is published now is so since {TODAY - timedelta(days=30)}" in drift["words"]


def test_the_site_tells_drift_too(setup: Setup, sqlite: str) -> None:
    seen(sqlite, POLICY, 40, 20, 1)
    assert setup.findings("--database", sqlite, DOMAIN)["drift-none"] == "fine"
    assert "What senders saw lately is what is published, since" in _page(setup, sqlite)
    seen(sqlite, TESTING, 2, organization="Stale Example")
    page = _page(setup, sqlite)
    assert "Not what is published" in page
    assert "<bdi>Stale Example</bdi>: sts never published" in page


def _page(setup: Setup, url: str) -> str:
    """The domain's page of the site."""
    folder = setup.folder / "site"
    done = CliRunner().invoke(cli, ["site", "--database", url, str(folder)], standalone_mode=False)
    assert done.exception is None
    (page,) = folder.glob(f"domain-{DOMAIN}-*.html")
    return page.read_text(encoding="utf-8")


def test_packed_tlsa_records_are_compared_as_records(setup: Setup, sqlite: str) -> None:
    setup.records |= {f"_25._tcp.mx1.{DOMAIN}": [f"TLSA 3 1 1 {'ab' * 32}", f"TLSA 2 1 1 {'cd' * 32}"]}
    packed = json.dumps([f"2 1 1 {'CD' * 32}", f"3 1 1 {'AB' * 32}"])
    seen(sqlite, packed, 3, organization="Microsoft Corporation", kind="tlsa")
    words = ("--database", sqlite, DOMAIN)
    assert setup.findings(*words)["drift-none"] == "fine"
    setup.records[f"_25._tcp.mx1.{DOMAIN}"] = [f"TLSA 3 1 1 {'ef' * 32}"]
    assert setup.findings(*words)["drift-earlier"] == "fine"


def test_without_a_database_nothing_is_made(setup: Setup) -> None:
    assert "drift-none" not in setup.findings()
    assert [path.name for path in setup.folder.iterdir()] == ["config.toml"]


def test_a_database_that_is_away_is_told_and_the_rest_is_there(setup: Setup) -> None:
    found = setup.findings("--database", "postgresql://127.0.0.1:9/nothing", DOMAIN, status=75)
    assert found["database"] == "could not tell"
    assert found["policy"] == "fine"


ZONE_LINES = re.compile(r"^_\S+ \d+ IN TXT .*$", re.MULTILINE)


def _load(setup: Setup, printed: str) -> None:
    """What --recommend prints, put where it belongs without being changed."""
    (content,) = re.findall(r"^The file \S+:\n(.*?)\n\n", printed, re.MULTILINE | re.DOTALL)
    setup.host.serve(content + "\n")
    for name in ("_smtp._tls", "_mta-sts"):
        setup.records.pop(f"{name}.{DOMAIN}", None)
    setup.dns.publish(setup.records, "\n".join(ZONE_LINES.findall(printed)) + "\n")


def test_what_is_recommended_passes_as_it_stands(setup: Setup, sqlite: str, certificates: Certificates) -> None:
    """From nothing, through testing, to enforce."""
    for name in ("_smtp._tls", "_mta-sts"):
        del setup.records[f"{name}.{DOMAIN}"]
    setup.host.status = 404
    printed = setup.text("--recommend", DOMAIN, status=0)
    assert "mode: testing\n" in printed
    assert f"value  v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}\n" in printed
    _load(setup, printed)
    words = ("--database", sqlite, DOMAIN)
    assert setup.findings(publish=False, status=0).keys() >= {"policy", "rua-ours", "sts-record"}
    assert setup.codes(publish=False) == set()

    content = setup.host.body.decode()
    for sender in ("Google Inc.", "Microsoft Corporation"):
        seen(sqlite, content, 20, 1, organization=sender)
    assert setup.codes(*words, publish=False) == {"policy-enforce-ready"}
    printed = setup.text("--recommend", *words, publish=False)
    assert "mode: enforce\nmax_age: 604800\n" in printed
    assert "for up to 86400 seconds (24 hours, its max_age)" in " ".join(printed.split())
    assert "the old _mta-sts record for another 3600 seconds" in " ".join(printed.split())
    _load(setup, printed)
    setup.config["smtp_port"] = "9"
    assert setup.codes(*words, publish=False) == set()
    with mail_host(certificates.host(f"*.{DOMAIN}", f"b.mail.{DOMAIN}")) as port:
        setup.config["smtp_port"] = str(port)
        assert setup.codes("--probe", *words, publish=False) == set()


def test_a_long_record_is_cut_into_strings(setup: Setup) -> None:
    uris = [f"mailto:tlsrpt-{number}@{'x' * 40}.example.org" for number in range(8)]
    words = [word for uri in uris for word in ("--rua", uri)]
    printed = setup.text("--recommend", *words, DOMAIN)
    line = next(line for line in ZONE_LINES.findall(printed) if line.startswith("_smtp"))
    assert len(re.findall(r'"[^"]{255}"', line)) == 2
    _load(setup, printed)
    setup.config["rua"] = json.dumps(uris)
    assert setup.codes(publish=False) == set()


def test_nobody_knows_where_reports_shall_go(setup: Setup) -> None:
    setup.config["rua"] = "[]"
    del setup.records[f"_smtp._tls.{DOMAIN}"]
    with pytest.raises(Misconfigured, match="--rua mailto:ADDRESS"):
        setup.text("--recommend", DOMAIN)
    with pytest.raises(Misconfigured, match="cannot stand in a record"):
        setup.text("--recommend", "--rua", "tlsrpt@solarmora.com", DOMAIN, publish=False)


def test_reports_are_asked_to_come_where_the_config_says_that_we_take_them(setup: Setup) -> None:
    setup.config["rua"] = "[]"
    setup.more = "".join(
        f'[[imap]]\nname = "{name}"\nhost = "h"\nuser = "{name}@{DOMAIN}"\npassword = {{ file = "x" }}\n'
        for name in ("tlsrpt", "other")
    )
    setup.more += f'[receive]\nurl = "https://tlsrpt.{DOMAIN}/v1"\n'
    del setup.records[f"_smtp._tls.{DOMAIN}"]
    printed = setup.text("--recommend", DOMAIN)
    assert f"value  v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN},https://tlsrpt.{DOMAIN}/v1\n" in printed


def test_a_policy_that_cannot_be_read_may_be_an_enforcing_one(setup: Setup) -> None:
    setup.host.status = 503
    printed = " ".join(setup.text("--recommend", DOMAIN).split())
    assert "mode: testing" in printed
    assert "cannot be read" in printed
    assert "If its mode is enforce" in printed
    assert "Mode testing first" not in printed


@pytest.mark.parametrize("host", ["192.0.2.1", "mx_1.solarmora.com", "a\\010b.solarmora.com"])
def test_no_policy_is_recommended_that_posture_would_refuse(setup: Setup, host: str) -> None:
    setup.records[DOMAIN] = [f"MX 10 {host}."]
    (found,) = setup.run("--recommend", DOMAIN, status=0)
    assert [record["name"] for record in found["records"]] == [f"_smtp._tls.{DOMAIN}"]
    assert found["policy"] is None
    assert "is no host name" in found["notes"][0]


def test_a_name_that_no_column_can_have_is_not_remembered(setup: Setup) -> None:
    host = ".".join(["\\001" * 60] * 3)
    setup.records = {DOMAIN: [f"MX 10 {host}."]}
    setup.dns.publish(setup.records)
    published, lookup = Published(DOMAIN), Lookup("127.0.0.1", setup.dns.port)
    assert "mx" in {check.code for check in [*mx_checks(lookup, published), *tlsa_checks(lookup, published)]}
    assert list(published.mx) == [host]
    assert all(len(name) <= 255 for name, _ in published.texts)


@pytest.mark.parametrize("name", ["_smtp._tls", "_mta-sts"])
def test_nothing_is_recommended_where_a_record_cannot_be_looked_up(setup: Setup, name: str) -> None:
    setup.records |= {f"{name}.{DOMAIN}": ["CNAME loop.test."], "loop.test": [f"CNAME {name}.{DOMAIN}."]}
    with pytest.raises(Unavailable, match=f"question for TXT of {name}.{DOMAIN}; what"):
        setup.text("--recommend", DOMAIN)


def test_json_of_a_recommendation(setup: Setup) -> None:
    (found,) = setup.run("--recommend", DOMAIN)
    assert [record["name"] for record in found["records"]] == [f"_smtp._tls.{DOMAIN}", f"_mta-sts.{DOMAIN}"]
    made = re.fullmatch(r"v=STSv1; id=(\d{14})", found["records"][1]["value"])
    assert made
    age = datetime.now(UTC) - datetime.strptime(made[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert timedelta() <= age < timedelta(minutes=5)
    assert found["policy"]["url"] == f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt"


def test_a_strangers_text_does_not_reach_the_terminal(setup: Setup) -> None:
    setup.host.status, setup.host.headers = 302, {"Location": "https://x/\x1b]0;owned\x07"}
    setup.records[f"_smtp._tls.{DOMAIN}"] = ['TXT "v=TLSRPTv1; \\027[31m"']
    printed = setup.text(DOMAIN)
    assert "\x1b" not in printed
    assert "owned" in printed
