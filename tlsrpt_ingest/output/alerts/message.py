"""What an outlet is told at once: what it has not heard of, as text for people and as JSON for programs. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.output.alerts.words import NAMES, TEXT, Event, headline, said
from tlsrpt_ingest.output.text import clean
from tlsrpt_ingest.rfc8460.explanations import host_name
from tlsrpt_ingest.store.alerts import Alert

_KINDS: Final = ("first-look", "poll", "no-report", "rejected", "failure", "failure-rate", "policy", "sender")
"""The order in which what began at the same time is told."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one outlet is told at once."""

    events: tuple[Event, ...]
    """The first limits.ALERTS_LISTED of them are told in full."""
    began: tuple[Alert, ...] = field(repr=False)
    over: tuple[Alert, ...] = field(repr=False)


def message(alerts: Iterable[Alert], outlet: str) -> Message | None:
    """What this outlet has not been told, in the order in which it began; None where there is nothing."""
    pending = sorted(alerts, key=_order)
    began = tuple(one for one in pending if outlet in one.untold)
    over = tuple(one for one in pending if outlet in one.untold_over)
    if not began and not over:
        return None
    events = [*_events(began, over=False), *_events(over, over=True)]
    return Message(tuple(events), began, over)


def title(told: Message) -> str:
    """The subject of a mail: ours, and at most one host name."""
    counts = [
        (sum(1 for one in told.events if one.over is over), word) for over, word in ((False, "new"), (True, "over"))
    ]
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    domains = {one.subject.get("policy_domain") for one in told.events}
    about = host_name(next(iter(domains))) if len(domains) == 1 else None
    return f"TLS reports: {said}" + (f" ({about})" if about else "")


def text(told: Message) -> str:
    """The whole of it, as lines for a mail or a terminal."""
    parts = ["\n".join(said(event)) for event in told.events[: limits.ALERTS_LISTED]]
    if (more := len(told.events) - limits.ALERTS_LISTED) > 0:
        parts.append(f"and {more:,} more; see them with: tlsrpt-ingest summary; tlsrpt-ingest ledger")
    return "\n\n".join(parts) + "\n"


def as_json(told: Message) -> dict[str, Any]:
    """The object of `alerts --json` and of the webhook (docs/reference/json.md)."""
    return {
        "title": title(told),
        "text": text(told),
        "alerts": [_event(event) for event in told.events[: limits.ALERTS_LISTED]],
        "more": max(0, len(told.events) - limits.ALERTS_LISTED),
    }


def _order(alert: Alert) -> tuple[Any, ...]:
    return alert.began_at, _KINDS.index(alert.kind), -alert.subject.get("sessions", 0), alert.identity


def _event(event: Event) -> dict[str, Any]:
    moment = event.alerts[0].over_at if event.over else event.alerts[0].began_at
    return {
        "kind": event.kind,
        "state": "over" if event.over else "new",
        "at": f"{moment.isoformat(timespec='seconds')}Z" if moment else None,
        "headline": headline(event),
        "text": "\n".join(said(event)),
        "count": len(event.alerts),
        "subjects": [_cleaned(one.subject) for one in event.alerts[:NAMES]],
    }


def _events(alerts: Sequence[Alert], *, over: bool) -> Iterator[Event]:
    """One event an alert; a failure at a domain is one, however many senders saw it."""
    groups: dict[tuple[Any, ...], list[Alert]] = {}
    for one in alerts:
        key: tuple[Any, ...] = (one.identity,)
        if one.kind == "failure":
            key = (one.subject["policy_domain"], one.subject["result_type"])
        elif one.kind == "rejected":
            key = ("rejected",)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        yield Event(over, tuple(group))


def _cleaned(value: Any) -> Any:
    """The JSON value with each text cleaned and shortened."""
    if isinstance(value, str):
        return clean(value, TEXT)
    if isinstance(value, dict):
        return {name: _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value
