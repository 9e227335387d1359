"""Which of the policies that senders saw are new, whether the former ones are still seen, and how they differ. Pure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from tlsrpt_ingest.rfc8460.seen import seen
from tlsrpt_ingest.rfc8460.terms import TLSA
from tlsrpt_ingest.rfc8461 import Policy
from tlsrpt_ingest.store.alerts import identity
from tlsrpt_ingest.store.evidence import Seen
from tlsrpt_ingest.store.json_text import loads

FRESH: Final = timedelta(days=14)
"""How long after its first day a policy is news."""

LINES: Final = 10
LENGTH: Final = 200
"""Lines of a policy that are told, and characters of each."""


@dataclass(frozen=True, slots=True)
class Change:
    """A policy of a domain that had another before."""

    subject: dict[str, Any]
    first: date
    new: bool
    """It is news, and senders still change over to it."""
    settled: bool
    """For some days every sender has seen it and nothing else."""
    gone: bool
    """For some days nobody has seen it, and others have been seen."""


@dataclass(slots=True)
class _Span:
    text: tuple[str, ...]
    first: date
    last: date


def changes(policies: Mapping[Seen, tuple[date, date]], since: date, today: date) -> dict[bytes, Change]:
    """The changes by identity; `policies` has the first and the last day of each, `since` begins "for some days"."""
    groups: dict[tuple[str, ...], dict[Hashable, _Span]] = {}
    for one, (first, last) in policies.items():
        lines = tuple(str(line) for line in loads(one.policy_string) or ())
        meaning = _meaning(one.policy_type, lines)
        if meaning is None:
            continue
        # TLSA records are those of an MX host: two hosts with different ones are no change.
        host = one.mx_host if one.policy_type == TLSA else ""
        spans = groups.setdefault((one.policy_domain or "", one.policy_type, host), {})
        if span := spans.get(meaning):
            span.first, span.last = min(span.first, first), max(span.last, last)
        else:
            spans[meaning] = _Span(lines, first, last)
    return {
        identity("policy", *group, str(meaning)): change
        for group, spans in groups.items()
        for meaning, change in _in_group(group, spans, since, today)
    }


def _in_group(
    group: tuple[str, ...], spans: dict[Hashable, _Span], since: date, today: date
) -> list[tuple[Hashable, Change]]:
    found = []
    for meaning, span in spans.items():
        others = [other for key, other in spans.items() if key != meaning]
        former = max((other for other in others if other.first < span.first), key=lambda one: one.last, default=None)
        seen_since = span.last >= since
        others_since = any(other.last >= since for other in others)
        settled = seen_since and span.first < since and not others_since
        gone = not seen_since and others_since
        subject = {
            "policy_domain": group[0] or None,
            "policy_type": group[1],
            "policy_string": _short(span.text),
            "former": _short(former.text) if former else [],
            "first_day": span.first.isoformat(),
        }
        new = former is not None and span.first >= today - FRESH and not settled and not gone
        found.append((meaning, Change(subject, span.first, new, settled, gone)))
    return found


def _meaning(policy_type: str, lines: tuple[str, ...]) -> Hashable | None:
    """What is equal where two policies say the same; None where the sender does not say what it saw."""
    try:
        found = seen(policy_type, lines)
    except ValueError:
        return tuple(sorted(line.strip() for line in lines))
    if isinstance(found, Policy):
        mode, max_age, mx = found.meaning
        return mode, max_age, *sorted(mx)
    return tuple(sorted(map(str, found))) if found else None


def _short(lines: tuple[str, ...]) -> list[str]:
    return [line.strip()[:LENGTH] for line in lines[:LINES]]
