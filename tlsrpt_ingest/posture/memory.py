"""What only a memory can tell: an id that stayed while the policy changed, testing for ever, and drift."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from tlsrpt_ingest import rfc8461
from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.rfc8460 import terms
from tlsrpt_ingest.rfc8460.seen import seen
from tlsrpt_ingest.rfc8461 import InvalidPolicy, InvalidRecord, Policy
from tlsrpt_ingest.store import published as store
from tlsrpt_ingest.store.drift import Drift, Verdict, drift_of
from tlsrpt_ingest.store.published import STS_POLICY, STS_RECORD, Edition, History
from tlsrpt_ingest.store.readiness import Readiness, readiness

TESTING: Final = timedelta(days=60)
"""How long testing is no cause to ask. Two months have every sender in them that there is going to be."""

TOLD: Final = 5
"""Sightings told one by one; the rest as a number."""

POLICY: Final = 500
"""Characters of a policy that are quoted."""

_BAD: Final = {
    Verdict.STALE: ("drift-stale", "an earlier policy"),
    Verdict.OTHER: ("drift-other", "a policy that nobody remembers"),
    Verdict.NONE: ("drift-no-policy", "no policy any more"),
    Verdict.UNREADABLE: ("drift-unreadable", "what is no policy"),
}
"""Their codes, and what such a sender saw."""


def recall(engine: Engine, published: Published, now: datetime) -> Iterator[Check]:
    """Remember what is published `now` (UTC, without zone), and say what that is beside all that was before."""
    domain = published.domain
    store.remember(engine, published.texts, now)
    history = store.history(engine, [domain])
    yield from memory_checks(published, history, drift_of(engine, domain), readiness(engine, domain), now)


def memory_checks(
    published: Published, history: History, drift: Sequence[Drift], ready: Readiness, now: datetime
) -> Iterator[Check]:
    """The checks of a domain whose present state `history` has too."""
    yield from _id(published, history)
    if published.policy is not None and published.policy.mode == "testing":
        yield from _testing(published, history, drift, ready, now)
    yield from _drift(published.domain, drift)


def _id(published: Published, history: History) -> Iterator[Check]:
    """Whether an earlier policy was seen under the id of now."""
    if published.sts_record is None or published.policy is None:
        return
    since = None
    for edition in reversed(history.get((published.domain, STS_RECORD), ())):
        if _record_id(edition) != published.sts_record.id:
            break
        since = edition.first_at
    for edition in reversed(history.get((published.domain, STS_POLICY), ())):
        policy = _policy(edition)
        if policy is None or policy.meaning == published.policy.meaning:
            continue
        if since is not None and edition.last_at >= since:
            yield found(
                f"_mta-sts.{published.domain}",
                "sts-id-unchanged",
                f"id {published.sts_record.id} is published since {since:%Y-%m-%d}, and on {edition.last_at:%Y-%m-%d} "
                f"the policy was another: mode {policy.mode}, max_age {policy.max_age}, mx {', '.join(policy.mx)}",
            )
        return


def _testing(
    published: Published, history: History, drift: Sequence[Drift], ready: Readiness, now: datetime
) -> Iterator[Check]:
    what = f"policy of {published.domain}"
    if ready.ready:
        yield found(what, "policy-enforce-ready", f"its mode is testing. {ready.why.rstrip('.')}")
    since = _testing_since(published.domain, history, drift) or now.date()
    if now.date() - since > TESTING:
        yield found(what, "policy-testing-long", f"its mode has been testing since {since} at least")


def _testing_since(domain: str, history: History, drift: Sequence[Drift]) -> date | None:
    """From which day on nothing but testing was published, or seen."""
    since = None
    for edition in reversed(history.get((domain, STS_POLICY), ())):
        policy = _policy(edition)
        if policy is None or policy.mode != "testing":
            break
        since = edition.first_at.date()
    modes = [(one.sighting.first_day, one.sighting.last_day, _mode(one)) for one in drift]
    others = [last for _, last, mode in modes if mode in ("enforce", "none")]
    days = [first for first, _, mode in modes if mode == "testing" and all(last < first for last in others)]
    return min([*days, *([since] if since else [])], default=None)


def _drift(domain: str, drift: Sequence[Drift]) -> Iterator[Check]:
    what = f"what senders see of {domain}"
    bad = [one for one in drift if one.verdict in _BAD]
    for one in bad[:TOLD]:
        sighting = one.sighting
        code, saw = _BAD[one.verdict]
        said = "; ".join(sighting.policy_string)[:POLICY]
        yield found(
            what,
            code,
            f"{sighting.organization_name or 'somebody'} saw {saw} at {sighting.policy_domain}, last on "
            f"{sighting.last_day}; what is published now is so since {one.changed}"
            + (f". It saw: {said}" if said else ""),
        )
    if len(bad) > TOLD:
        yield found(what, _BAD[bad[TOLD].verdict][0], f"and {len(bad) - TOLD} more saw something else")
    same = [one for one in drift if one.verdict is Verdict.SAME]
    if bad:
        return
    if same:
        names = sorted({one.sighting.organization_name or "somebody" for one in same})
        last = max(one.sighting.last_day for one in same)
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        yield found(
            what,
            "drift-none",
            f"{', '.join(names[:TOLD])}{more} saw what is published since {same[0].changed}, last on {last}",
        )
    elif drift:
        last = max(one.sighting.last_day for one in drift)
        yield found(
            what,
            "drift-earlier",
            f"no report is about what is published since {drift[0].changed}; the last is of {last}",
        )


def _record_id(edition: Edition) -> str | None:
    try:
        return rfc8461.parse_record(edition.text or "").id
    except InvalidRecord:
        return None


def _policy(edition: Edition) -> Policy | None:
    try:
        return rfc8461.parse_policy(edition.text or "")
    except InvalidPolicy:
        return None


def _mode(one: Drift) -> str | None:
    if one.sighting.policy_type != terms.STS:
        return None
    try:
        policy = seen(terms.STS, one.sighting.policy_string)
    except ValueError:
        return None
    return policy.mode if isinstance(policy, Policy) else None
