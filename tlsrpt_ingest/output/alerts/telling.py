"""One look: judge, enter what changed, and tell each outlet what it has not been told, whoever else does so too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Engine

from tlsrpt_ingest.config import Alerts
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.output.alerts.explaining import explained
from tlsrpt_ingest.output.alerts.message import Message, message
from tlsrpt_ingest.output.alerts.outlets import Outlet
from tlsrpt_ingest.output.alerts.rules import HORIZON, Judged, Moment, judge
from tlsrpt_ingest.store import alerts
from tlsrpt_ingest.store.alerts import Alert
from tlsrpt_ingest.store.evidence import Evidence
from tlsrpt_ingest.store.runs import last_runs
from tlsrpt_ingest.store.speaking import speaking


@dataclass(slots=True)
class Look:
    """What came of a look."""

    items: int = 0
    """Alerts that were to be told."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """How many began, and how many are over."""
    failures: list[IngestError] = field(default_factory=list)
    """Of the outlets that took nothing; they are told the next time."""


def look(engine: Engine, config: Alerts, outlets: Sequence[Outlet], now: datetime, found: Look, *, polls: bool) -> None:
    """Judge and tell, and put into `found` what came of it. An outlet that fails does not keep the others waiting."""
    now = now.astimezone(UTC).replace(tzinfo=None)
    names = frozenset(outlet.name for outlet in outlets)
    judged = _judged(engine, config, names, now, polls=polls)
    alerts.enter(engine, judged.began, judged.again, judged.over)
    claimed = alerts.claim(engine, now)
    found.items = len(claimed)
    found.outcomes["began"] = sum(bool(one.untold) for one in claimed)
    found.outcomes["over"] = sum(bool(one.untold_over) for one in claimed)
    try:
        for name in frozenset().union(*(one.untold | one.untold_over for one in claimed)) - names:
            # An outlet that the config has no more.
            _tell(engine, claimed, name)
        for outlet in outlets:
            try:
                _tell(engine, claimed, outlet.name, outlet)
            except IngestError as failure:
                found.failures.append(failure)
    finally:
        alerts.release(engine, claimed, now)


def rehearse(engine: Engine, config: Alerts, outlet: Outlet, now: datetime, *, polls: bool) -> None:
    """Tell an outlet what `look` would tell, and change nothing."""
    now = now.astimezone(UTC).replace(tzinfo=None)
    names = frozenset({outlet.name})
    known = alerts.known(engine)
    judged = _judged(engine, config, names, now, polls=polls)
    changed = {one.identity: one for one in (*judged.began, *judged.again, *judged.over)}
    waiting = [
        Alert(one.identity, one.kind, one.subject, one.began_at, one.over_at,
              names if one.untold else frozenset(), names if one.untold_over else frozenset())
        for one in known.values()
        if (one.untold or one.untold_over) and one.identity not in changed
    ]  # fmt: skip
    told = message([*changed.values(), *waiting], outlet.name)
    if told:
        outlet.tell(told)


def _judged(engine: Engine, config: Alerts, names: frozenset[str], now: datetime, *, polls: bool) -> Judged:
    known = alerts.known(engine)
    runs = last_runs(engine)
    last_look = max((run.began_at for run in runs if run.command == "alerts"), default=None)
    moment = Moment(now, last_look, config.days)
    with speaking(engine), engine.connect() as connection:
        evidence = Evidence(connection, moment.today)
        judged = judge(evidence, runs, config, moment, known, names, polls=polls)
        return Judged(
            tuple(explained(evidence, judged.began, moment.today - HORIZON)),
            tuple(explained(evidence, judged.again, moment.today - HORIZON)),
            judged.over,
        )


def _tell(engine: Engine, claimed: Sequence[Alert], name: str, outlet: Outlet | None = None) -> None:
    told: Message | None = message(claimed, name)
    if told is None:
        return
    if outlet is not None:
        outlet.tell(told)
    alerts.told(engine, told.began, told.over, name)
