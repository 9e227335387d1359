"""The rules: what of the evidence is to be told, what is over, what is known. Pure, but for asking the evidence."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.config import AlertKind, Alerts
from tlsrpt_ingest.output.alerts.policies import changes
from tlsrpt_ingest.store.alerts import Alert, Outlets, identity
from tlsrpt_ingest.store.evidence import Evidence, Failing
from tlsrpt_ingest.store.runs import Run

log = logging.getLogger(__name__)

HORIZON: Final = timedelta(days=30)
"""How far back a rule looks, and after how long without a word from a sender its failures are called over."""

HABIT: Final = timedelta(days=90)
"""How far back a sender's habit is looked for."""

PERIODS: Final = 5
"""Reports that make a habit."""

PAUSES: Final = 3
"""Usual pauses after which a sender is silent."""

FIRST_LOOK: Final = "first-look"
"""The kind of the one alert that says what was so before `alerts` ran for the first time."""

_OLD_NEWS: Final[frozenset[AlertKind]] = frozenset({"rejected", "policy", "sender"})
"""What may be from long ago: at the first look it is counted, and not told one by one."""

Subject = dict[str, Any]


_FORGOTTEN: Final[Subject] = {}
"""What a rule says of an alert that nothing can be said of any more: it is over, and nobody is told."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is so now."""

    kind: AlertKind
    identity: bytes
    subject: Subject
    latest: date
    """The day that speaks for it (see `_again`)."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a rule found, and what it says of an alert that it found no more: None where that is not over yet."""

    found: tuple[Found, ...]
    over: Callable[[Alert], Subject | None]


@dataclass(frozen=True, slots=True)
class Moment:
    """When is looked, and since when."""

    now: datetime
    """UTC, without a zone."""
    last_look: datetime | None
    """When `alerts` looked before; None at the first time."""
    days: int

    @property
    def today(self) -> date:
        """The UTC day."""
        return self.now.date()

    @property
    def since(self) -> date:
        """The first day of what is new: `days` ago, or the last look if that is longer ago (at most HORIZON)."""
        since = self.today - timedelta(days=self.days)
        if self.last_look is not None:
            since = min(since, self.last_look.date() - timedelta(days=1))
        return max(since, self.today - HORIZON)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be entered into the database."""

    began: tuple[Alert, ...]
    again: tuple[Alert, ...]
    over: tuple[Alert, ...]


def judge(
    evidence: Evidence, runs: Iterable[Run], config: Alerts, moment: Moment, known: Mapping[bytes, Alert],
    outlets: Outlets, *, polls: bool,
) -> Judged:  # fmt: skip
    """Compare what is so with what is known. `polls` says whether there is anything to poll."""
    ruled: dict[AlertKind, Callable[[], Ruled]] = {
        "poll": lambda: _poll(runs, config, moment, polls=polls),
        "no-report": lambda: _no_report(evidence, config, moment),
        "rejected": lambda: _rejected(evidence, moment),
        "failure": lambda: _failure(evidence, moment),
        "failure-rate": lambda: _failure_rate(evidence, config, moment),
        "policy": lambda: _policy(evidence, moment),
        "sender": lambda: _sender(evidence, config, moment),
    }
    began: list[Alert] = []
    again: list[Alert] = []
    over: list[Alert] = []
    old: dict[str, int] = {}
    for kind, rule in ruled.items():
        if kind in config.off:
            continue
        result = rule()
        found = {one.identity: one for one in result.found[: limits.ALERTS]}
        for one in found.values():
            before = known.get(one.identity)
            new = Alert(one.identity, kind, one.subject, moment.now, untold=outlets)
            if before is None and moment.last_look is None and kind in _OLD_NEWS:
                began.append(replace(new, untold=frozenset()))
                old[kind] = old.get(kind, 0) + 1
            elif before is None:
                began.append(new)
            elif _again(before, one):
                # Who has not heard that it was over need not hear that it began again.
                again.append(replace(new, untold=outlets - (before.untold_over - before.untold)))
        if len(result.found) > limits.ALERTS:
            log.info("there is more of kind %s than is watched (%d): see summary", kind, limits.ALERTS)
            continue
        over += _ended(result, found, known.values(), kind, moment, outlets)
    if old:
        began.append(Alert(identity(FIRST_LOOK), FIRST_LOOK, old, moment.now, over_at=moment.now, untold=outlets))
    return Judged(tuple(began), tuple(again), tuple(over))


def _again(before: Alert, found: Found) -> bool:
    """Whether what was over has begun again; what comes late and is of the time before its end is no news."""
    if before.over_at is None:
        return False
    if found.kind == "failure":
        return found.latest.isoformat() > str(before.subject["over"]["last_day"])
    return found.latest >= before.over_at.date()


def _ended(
    result: Ruled, found: Mapping[bytes, Found], known: Iterable[Alert], kind: AlertKind, moment: Moment,
    outlets: Outlets,
) -> Iterator[Alert]:  # fmt: skip
    for one in known:
        if one.kind != kind or one.over_at is not None or one.identity in found:
            continue
        end = result.over(one)
        if end is not None:
            untold = frozenset() if end is _FORGOTTEN else outlets
            yield replace(one, subject={**one.subject, "over": end}, over_at=moment.now, untold_over=untold)


def _poll(runs: Iterable[Run], config: Alerts, moment: Moment, *, polls: bool) -> Ruled:
    mine = [run for run in runs if run.command == "poll"]
    done = max((run.done_at for run in mine if run.done_at), default=None)
    found: tuple[Found, ...] = ()
    if polls and (done is None or moment.now - done > timedelta(hours=config.poll_hours)):
        last = max(mine, key=lambda run: run.ended_at, default=None)
        subject = {
            "done_at": _iso(done),
            "host": last.host if last else None,
            "words": last.words if last else None,
        }
        found = (Found("poll", identity("poll"), subject, moment.today),)
    return Ruled(found, lambda _alert: {"done_at": _iso(done)} if polls else _FORGOTTEN)


def _no_report(evidence: Evidence, config: Alerts, moment: Moment) -> Ruled:
    last = evidence.last_day()
    found: tuple[Found, ...] = ()
    if last is not None and (moment.today - last).days > config.no_report_days:
        found = (Found("no-report", identity("no-report"), {"last_day": _iso(last)}, moment.today),)
    return Ruled(found, lambda _alert: {"last_day": _iso(last)} if last else _FORGOTTEN)


def _rejected(evidence: Evidence, moment: Moment) -> Ruled:
    found = tuple(
        Found(
            "rejected",
            identity("rejected", one.pk),
            {"origin": one.origin, "stage": one.stage, "reason": (one.reason or "")[: limits.NAME]},
            moment.today,
        )
        for one in evidence.rejected()
    )
    return Ruled(found, lambda alert: {"origin": alert.subject["origin"]})


def _failure(evidence: Evidence, moment: Moment) -> Ruled:
    history = evidence.failing(moment.today - HORIZON)
    found = []
    for failing, failed in history.items():
        if failed.last_day < moment.since:
            continue
        subject = {
            **failing._asdict(),
            "sessions": failed.sessions,
            "first_day": _iso(failed.first_day),
            "last_day": _iso(failed.last_day),
        }
        found.append(Found("failure", identity("failure", *failing), subject, failed.last_day))
    reported = evidence.last_days(moment.today - HORIZON)

    def over(alert: Alert) -> Subject | None:
        failing = Failing(*(alert.subject[name] for name in Failing._fields))
        failed = history.get(failing)
        last = reported.get((failing.policy_domain, failing.organization_name))
        if failed is None:
            return {"last_day": alert.subject["last_day"], "reported": _iso(last)}
        # Without a report of a later day nobody knows.
        return {"last_day": _iso(failed.last_day), "reported": _iso(last)} if last and last > failed.last_day else None

    return Ruled(tuple(found), over)


def _failure_rate(evidence: Evidence, config: Alerts, moment: Moment) -> Ruled:
    sessions = evidence.sessions(moment.today - timedelta(days=config.days))

    def subject(domain: str | None) -> Subject:
        one = sessions[domain]
        return {"policy_domain": domain, "failed": one.failed, "sessions": one.successful + one.failed}

    def high(domain: str | None) -> bool:
        one = sessions[domain]
        return one.failed > config.failure_rate * (one.successful + one.failed)

    found = tuple(
        Found("failure-rate", identity("failure-rate", domain), subject(domain), moment.today)
        for domain, one in sessions.items()
        if one.successful + one.failed >= config.failure_sessions and high(domain)
    )

    def over(alert: Alert) -> Subject | None:
        domain = alert.subject["policy_domain"]
        if domain not in sessions:
            long_ago = moment.now - alert.began_at > HORIZON
            return {"failed": 0, "sessions": 0} if long_ago else None
        return None if high(domain) else subject(domain)

    return Ruled(found, over)


def _policy(evidence: Evidence, moment: Moment) -> Ruled:
    seen = changes(evidence.policies(moment.today - HORIZON, moment.since), moment.since, moment.today)
    found = tuple(Found("policy", key, one.subject, one.first) for key, one in seen.items() if one.new)

    def over(alert: Alert) -> Subject | None:
        one = seen.get(alert.identity)
        if one is None:
            return {"settled": False}
        return {"settled": one.settled} if one.settled or one.gone else None

    return Ruled(found, over)


def _sender(evidence: Evidence, config: Alerts, moment: Moment) -> Ruled:
    senders = evidence.senders(moment.today - HABIT)
    # Where nobody reports any more, it is not the senders' silence.
    latest = max((one.last_day for one in senders.values()), default=moment.today)
    found = []
    for name, one in senders.items():
        if one.periods < PERIODS:
            continue
        pause = (one.last_day - one.first_day).days / (one.periods - 1)
        silent = (latest - one.last_day).days
        if silent > max(config.silent_days, PAUSES * pause):
            subject = {"organization_name": name, "last_day": _iso(one.last_day), "silent": silent}
            found.append(Found("sender", identity("sender", name), subject, moment.today))

    def over(alert: Alert) -> Subject | None:
        one = senders.get(alert.subject["organization_name"])
        if one is None:
            return _FORGOTTEN
        return {"last_day": _iso(one.last_day)} if one.last_day.isoformat() > alert.subject["last_day"] else None

    return Ruled(tuple(found), over)


def _iso(moment: date | None) -> str | None:
    return moment.isoformat() if moment else None
