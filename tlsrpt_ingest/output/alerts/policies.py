"""Which of the policies that senders saw are new, whether the former ones are still seen, and how they differ. Pure."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from tlsrpt_ingest.rfc8460.seen import seen
from tlsrpt_ingest.rfc8460.terms import TLSA
from tlsrpt_ingest.rfc8461 import Policy
from tlsrpt_ingest.store.alerts import identity
from tlsrpt_ingest.store.evidence import Seen, Span
from tlsrpt_ingest.store.json_text import loads

FRESH: Final = timedelta(days=14)
"""How long after its first day a policy is news."""

AWAY: Final = timedelta(days=7)
"""How long a policy has to be away to come back: senders keep one for days, and some report once a week."""

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


@dataclass(frozen=True, slots=True)
class _Spell:
    """A policy, as one sender wrote it, and when it was seen."""

    text: tuple[str, ...]
    span: Span

    @property
    def begins(self) -> date:
        """When it was seen first, or first again after it was away for long."""
        span = self.span
        if span.recent and span.before and span.recent - span.before > AWAY:
            return span.recent
        return span.first


def changes(policies: Mapping[Seen, Span], since: date, today: date) -> dict[bytes, Change]:
    """The changes by identity; `since` begins "for some days"."""
    groups: dict[tuple[str, ...], dict[Hashable, _Spell]] = {}
    for one, span in policies.items():
        lines = tuple(str(line) for line in loads(one.policy_string) or ())
        meaning = _meaning(one.policy_type, lines)
        if meaning is None:
            continue
        # TLSA records are those of an MX host: two hosts with different ones are no change.
        host = one.mx_host if one.policy_type == TLSA else ""
        spells = groups.setdefault((one.policy_domain or "", one.policy_type, host), {})
        known = spells.get(meaning)
        spells[meaning] = replace(known, span=_both(known.span, span)) if known else _Spell(lines, span)
    return {
        identity("policy", *group, str(meaning)): change
        for group, spells in groups.items()
        for meaning, change in _in_group(group, spells, since, today)
    }


def _both(one: Span, other: Span) -> Span:
    before = [day for day in (one.before, other.before) if day]
    recent = [day for day in (one.recent, other.recent) if day]
    return Span(
        min(one.first, other.first), max(one.last, other.last), max(before, default=None), min(recent, default=None)
    )


def _in_group(
    group: tuple[str, ...], spells: Mapping[Hashable, _Spell], since: date, today: date
) -> Iterator[tuple[Hashable, Change]]:
    for meaning, spell in spells.items():
        begins, last = spell.begins, spell.span.last
        others = [other for key, other in spells.items() if key != meaning]
        former = max((one for one in others if one.span.first < begins), key=lambda one: one.span.last, default=None)
        others_since = any(other.span.last >= since for other in others)
        settled = last >= since and begins < since and not others_since
        gone = last < since and others_since
        subject = {
            "policy_domain": group[0] or None,
            "policy_type": group[1],
            "policy_string": _short(spell.text),
            "former": _short(former.text) if former else [],
            "first_day": begins.isoformat(),
        }
        new = former is not None and begins >= today - FRESH and not settled and not gone
        yield meaning, Change(subject, begins, new, settled, gone)


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
