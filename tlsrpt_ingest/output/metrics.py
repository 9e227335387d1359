"""The Prometheus text file for node_exporter's textfile collector.

Everything is a gauge over the last DAYS days: totals of the database shrink when it is pruned, and a counter that
shrinks is one that has started anew. Labels come from closed sets: host names of the domains with most reports, types
of RFC 8460, outcomes, commands, kinds of alerts; what is not among them is "other".
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest, write_to_textfile
from sqlalchemy import Engine

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import alerts
from tlsrpt_ingest.store.measures import Measures, measure
from tlsrpt_ingest.store.runs import Run, last_runs

DAYS: Final = 7
"""Days that the sums are of: senders report once a day, Stalwart at most once a week."""

MODE: Final = 0o644
"""Of the file: node_exporter is another user, whatever our umask is."""

_KINDS: Final = ("poll", "no-report", "rejected", "failure", "failure-rate", "policy", "sender")


def collect(engine: Engine, now: datetime) -> CollectorRegistry:
    """Every metric, as the database has it now; `now` is UTC."""
    now = now.astimezone(UTC).replace(tzinfo=None)
    registry = CollectorRegistry()
    _measures(registry, measure(engine, now, DAYS))
    _runs(registry, last_runs(engine))
    _alerts(registry, alerts.known(engine).values())
    return registry


def text(registry: CollectorRegistry) -> str:
    """The text of the file."""
    return generate_latest(registry).decode()


def write(registry: CollectorRegistry, path: Path) -> None:
    """Write the file so that nobody ever reads half of it; raises Misconfigured where that cannot be."""
    # node_exporter reads *.prom.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            write_to_textfile(str(draft), registry)
            draft.chmod(MODE)
            draft.replace(path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
    except OSError as error:
        raise Misconfigured(f"cannot write the metrics to {path}: {error.strerror}") from error


def _measures(registry: CollectorRegistry, measures: Measures) -> None:
    sessions = _gauge(
        registry,
        "tlsrpt_sessions",
        f"Sessions that reports of the last {DAYS} days tell of; one session may stand under several policy types.",
        "policy_domain", "policy_type", "outcome",
    )  # fmt: skip
    for (domain, policy_type), (successful, failed) in measures.sessions.items():
        sessions.labels(domain, policy_type, "successful").set(successful)
        sessions.labels(domain, policy_type, "failed").set(failed)
    failures = _gauge(
        registry,
        "tlsrpt_failed_sessions",
        f"Failed sessions of the last {DAYS} days by what failed; one session may have failed in several ways.",
        "policy_domain", "result_type",
    )  # fmt: skip
    for (domain, result_type), count in measures.failures.items():
        failures.labels(domain, result_type).set(count)
    latest = _gauge(
        registry,
        "tlsrpt_latest_report_timestamp_seconds",
        f"When the period of the latest report began, of the last {DAYS} days.",
        "policy_domain",
    )
    for domain, moment in measures.latest.items():
        latest.labels(domain).set(_seconds(moment))
    if measures.newest:
        newest = _gauge(
            registry, "tlsrpt_newest_report_timestamp_seconds", "When the period of the latest report of all began."
        )
        newest.set(_seconds(measures.newest))
    rejected = _gauge(registry, "tlsrpt_rejected_deliveries", "Deliveries in the ledger that could not be read.")
    rejected.set(measures.rejected)


def _runs(registry: CollectorRegistry, runs: Sequence[Run]) -> None:
    ended = _gauge(registry, "tlsrpt_last_run_timestamp_seconds", "When the last run ended.", "command")
    done = _gauge(
        registry, "tlsrpt_last_good_run_timestamp_seconds", "When the last run ended that did its work.", "command"
    )
    seconds = _gauge(registry, "tlsrpt_last_run_duration_seconds", "How long the last run took.", "command")
    status = _gauge(registry, "tlsrpt_last_run_exit_status", "The exit status of the last run.", "command")
    items = _gauge(registry, "tlsrpt_last_run_items", "Messages and files that the last run read.", "command")
    outcomes = _gauge(
        registry, "tlsrpt_last_run_deliveries", "Deliveries of the last run by outcome.", "command", "outcome"
    )
    # Newest first: of several hosts the one that ran last speaks for the command.
    for run in reversed(runs):
        command = run.command
        ended.labels(command).set(_seconds(run.ended_at))
        seconds.labels(command).set((run.ended_at - run.began_at).total_seconds())
        status.labels(command).set(run.exit_status)
        items.labels(command).set(run.items)
        if command != "alerts":
            for outcome in map(str, Outcome):
                outcomes.labels(command, outcome).set(run.outcomes.get(outcome, 0))
    for command in {run.command for run in runs}:
        good = [run.done_at for run in runs if run.command == command and run.done_at]
        if good:
            done.labels(command).set(_seconds(max(good)))


def _alerts(registry: CollectorRegistry, known: Iterable[alerts.Alert]) -> None:
    still = Counter(one.kind for one in known if one.over_at is None)
    gauge = _gauge(registry, "tlsrpt_open_alerts", "What `alerts` has told and is not over.", "kind")
    for kind in _KINDS:
        gauge.labels(kind).set(still[kind])


def _gauge(registry: CollectorRegistry, name: str, words: str, *labels: str) -> Gauge:
    return Gauge(name, words, labels, registry=registry)


def _seconds(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()
