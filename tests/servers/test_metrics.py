"""`metrics`, and the alert rules over them, before Prometheus' own promtool."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from tests import builders
from tests.deliveries import delivery, rejected
from tests.installed import Program
from tests.servers.process import program as installed
from tlsrpt_ingest import limits
from tlsrpt_ingest.output import metrics
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine
from tlsrpt_ingest.store.record import record
from tlsrpt_ingest.store.runs import Run, remember

RULES = Path(__file__).parents[2] / "deploy" / "prometheus-rules.yml"
NOW = datetime(2024, 1, 4, 12, tzinfo=UTC)
LABELS = ("policy_domain", "policy_type", "result_type", "command", "kind", "outcome")
NASTY = 'a"} 1\n\x1b[31m\u202e{x="\\'


def promtool(*words: str | Path, stdin: str = "") -> str:
    command = installed("promtool", "/usr/bin/promtool", package="prometheus")
    ran = subprocess.run([command, *words], input=stdin, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    return ran.stdout


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The values by metric and label values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in LABELS if name in sample.labels)
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@pytest.fixture
def engine(database: str) -> Engine:
    engine = open_engine(database)
    schema.upgrade(engine)
    return engine


def test_what_the_database_holds(engine: Engine) -> None:
    microsoft = [
        builders.policy(successful=90, failures=[builders.failure(count=10)]),
        builders.policy(policy_type="tlsa", successful=100),
    ]
    record(
        engine,
        [
            delivery(0, builders.report(0, *microsoft)),
            delivery(1, builders.report(1, builders.policy("other.example", "made-up", successful=5))),
            delivery(2, builders.report(2, builders.policy(failures=[builders.failure("made-up", count=3)]))),
            delivery(3, builders.report(9_000)),
            rejected(4),
        ],
    )
    at = datetime(2024, 1, 4, tzinfo=UTC)
    remember(engine, Run("poll", "mx1", at, at, 0, 3, {"recorded": 2, "duplicate": 1}))
    remember(engine, Run("poll", "mx1", at, NOW, 75, 0, {}, "away"))
    text = metrics.text(metrics.collect(engine, NOW))
    promtool("check", "metrics", stdin=text)
    found = samples(text)
    assert found["tlsrpt_sessions"] == {
        ("example.com", "sts", "successful"): 190,
        ("example.com", "sts", "failed"): 13,
        ("example.com", "tlsa", "successful"): 100,
        ("example.com", "tlsa", "failed"): 0,
        ("other.example", "other", "successful"): 5,
        ("other.example", "other", "failed"): 0,
    }
    assert found["tlsrpt_failed_sessions"] == {
        ("example.com", "certificate-expired"): 10,
        ("example.com", "other"): 3,
    }
    day = datetime(2024, 1, 3, tzinfo=UTC).timestamp()
    assert found["tlsrpt_latest_report_timestamp_seconds"][("example.com",)] == day
    assert found["tlsrpt_newest_report_timestamp_seconds"] == {(): day}
    assert found["tlsrpt_rejected_deliveries"] == {(): 1}
    assert found["tlsrpt_last_run_exit_status"] == {("poll",): 75}
    assert found["tlsrpt_last_good_run_timestamp_seconds"] == {("poll",): at.timestamp()}
    assert found["tlsrpt_last_run_timestamp_seconds"] == {("poll",): NOW.timestamp()}
    engine.dispose()


def test_labels_come_from_closed_sets_whatever_a_stranger_writes(sqlite: str) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    many = [builders.policy(f"d{number:04}.example", successful=10_000 - number) for number in range(1_000)]
    nasty = builders.policy(NASTY, NASTY, successful=10**15, failures=[builders.failure(NASTY, count=2)])
    record(engine, [delivery(0, builders.report(0, *many, nasty, builders.policy(policy_domain=builders.ABSENT)))])
    text = metrics.text(metrics.collect(engine, NOW))
    promtool("check", "metrics", stdin=text)
    found = samples(text)
    domains = {domain for domain, _type, _outcome in found["tlsrpt_sessions"]}
    assert len(domains) == limits.SERIES
    assert {"d0000.example", "other"} <= domains
    assert all(domain == "other" or domain.endswith(".example") for domain in domains)
    assert set(found["tlsrpt_failed_sessions"]) == {("other", "other")}
    # A count of 10^15 enters as 10^12.
    assert found["tlsrpt_sessions"][("other", "other", "successful")] == 10**12
    engine.dispose()


def test_no_claim_of_a_stranger_takes_the_series_of_a_domain(sqlite: str) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    claims = [builders.policy(f"d{number:04}.example", successful=10**12) for number in range(limits.SERIES)]
    mine = [builders.report(day, builders.policy("mine.example", successful=1)) for day in (0, 1)]
    record(engine, [delivery(at, report) for at, report in enumerate([builders.report(0, *claims), *mine])])
    found = samples(metrics.text(metrics.collect(engine, NOW)))
    assert found["tlsrpt_sessions"][("mine.example", "sts", "successful")] == 2
    engine.dispose()


def test_an_empty_database(sqlite: str) -> None:
    engine = open_engine(sqlite)
    schema.upgrade(engine)
    promtool("check", "metrics", stdin=metrics.text(metrics.collect(engine, NOW)))
    engine.dispose()


def test_the_file_is_replaced_whole_and_others_may_read_it(program: Program, sqlite: str, tmp_path: Path) -> None:
    file = tmp_path / "out" / "tlsrpt.prom"
    file.parent.mkdir()
    umask = os.umask(0o077)  # as the systemd unit has it
    try:
        ran = program("metrics", "--database", sqlite, file)
    finally:
        os.umask(umask)
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    assert oct(file.stat().st_mode & 0o777) == "0o644"
    before = file.stat().st_ino
    assert program("metrics", "--database", sqlite, file).status == 0
    assert file.stat().st_ino != before
    assert [one.name for one in file.parent.iterdir()] == ["tlsrpt.prom"]
    promtool("check", "metrics", stdin=file.read_text(encoding="utf-8"))
    assert program("metrics", "--database", sqlite, "-").stdout.startswith("# HELP tlsrpt_")


def test_a_folder_that_is_not_there(program: Program, sqlite: str, tmp_path: Path) -> None:
    ran = program("metrics", "--database", sqlite, tmp_path / "none" / "tlsrpt.prom")
    assert ran.status == 78
    assert "cannot write the metrics to" in ran.stderr


def test_the_rules() -> None:
    assert "5 rules found" in promtool("check", "rules", RULES)


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    """A day in which the poll stops, a report is late, a tenth of the sessions fails and something is rejected."""
    test = tmp_path / "rules-test.yml"
    test.write_text(
        f"""
rule_files: [{RULES}]
evaluation_interval: 1h
tests:
  - interval: 1h
    input_series:
      - {{series: 'tlsrpt_last_good_run_timestamp_seconds{{command="poll"}}', values: '0x60'}}
      - {{series: 'tlsrpt_newest_report_timestamp_seconds', values: '-400000x60'}}
      - {{series: 'tlsrpt_rejected_deliveries', values: '3x30 4x30'}}
      - series: 'tlsrpt_sessions{{policy_domain="solarmora.com",policy_type="sts",outcome="failed"}}'
        values: '0x30 10x30'
      - series: 'tlsrpt_sessions{{policy_domain="solarmora.com",policy_type="sts",outcome="successful"}}'
        values: '100x30 90x30'
      - series: 'tlsrpt_sessions{{policy_domain="small.example",policy_type="sts",outcome="failed"}}'
        values: '1x60'
      - series: 'tlsrpt_sessions{{policy_domain="small.example",policy_type="sts",outcome="successful"}}'
        values: '1x60'
    alert_rule_test:
      - {{eval_time: 20h, alertname: TlsrptPollDoesNotRun}}
      - {{eval_time: 20h, alertname: TlsrptFailures}}
      - {{eval_time: 20h, alertname: TlsrptNewRejected}}
      - eval_time: 40h
        alertname: TlsrptFailures
        exp_alerts:
          - exp_labels:
              {{severity: critical, policy_domain: solarmora.com, policy_type: sts}}
            exp_annotations:
              summary: 'TLS to solarmora.com fails (sts): 10%'
              description: See who fails and why with tlsrpt-ingest summary.
    promql_expr_test:
      - expr: count by (alertname) (ALERTS)
        eval_time: 40h
        exp_samples:
          - {{labels: '{{alertname="TlsrptPollDoesNotRun"}}', value: 1}}
          - {{labels: '{{alertname="TlsrptNoReport"}}', value: 1}}
          - {{labels: '{{alertname="TlsrptFailures"}}', value: 1}}
          - {{labels: '{{alertname="TlsrptNewRejected"}}', value: 1}}
""",
        encoding="utf-8",
    )
    assert "SUCCESS" in promtool("test", "rules", test)
