"""Which records and which policy a domain should publish next, for a zone file and for a web form."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tlsrpt_ingest import rfc8461
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.posture.fetch import PATH
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.tlsrpt import Ours
from tlsrpt_ingest.rfc8460 import record as tlsrpt
from tlsrpt_ingest.rfc8461 import InvalidPolicy, InvalidRecord, Policy
from tlsrpt_ingest.store.readiness import Readiness

TTL: Final = 3_600
"""Of new records: an hour keeps resolvers from asking all the time, and a change from taking a day."""

TESTING_MAX_AGE: Final = 86_400
"""Of mode testing: a day, so that what is wrong in a first policy is forgotten tomorrow."""

ENFORCE_MAX_AGE: Final = 604_800
"""Of mode enforce: a week, the least that protects; RFC 8461 section 3.2 expects weeks or more."""

_STRING: Final = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Txt:
    """A TXT record to publish."""

    name: str
    value: str

    @property
    def zone_line(self) -> str:
        """As a line of a zone file: strings quoted, of at most 255 octets each."""
        strings = [self.value[at : at + _STRING] for at in range(0, len(self.value), _STRING)]
        quoted = [string.replace("\\", "\\\\").replace('"', '\\"') for string in strings]
        return f"{self.name}. {TTL} IN TXT " + " ".join(f'"{string}"' for string in quoted)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to publish; nothing where the domain takes no mail."""

    domain: str
    records: tuple[Txt, ...]
    policy: Policy | None
    notes: tuple[str, ...]
    """Why so, in which order, and how long what is published now lives on."""

    @property
    def policy_url(self) -> str:
        """Where the policy file has to be."""
        return f"https://mta-sts.{self.domain}{PATH}"


def recommend(
    published: Published, ours: Ours, ready: Readiness | None, now: datetime, rua: tuple[str, ...] = ()
) -> Recommendation:
    """What to publish next, given what is published `now` (UTC); `rua` is where reports shall go.

    Raises Misconfigured where nobody knows where they shall go.
    """
    domain = published.domain
    if not published.takes_mail:
        return Recommendation(domain, (), None, ("The domain takes no mail (a null MX), so it needs no such records.",))
    records = [Txt(f"_smtp._tls.{domain}", str(_tlsrpt(published, ours, rua)))]
    if not published.mx:
        notes = ("The domain has no MX record: publish one, then ask again for an MTA-STS policy.",)
        return Recommendation(domain, tuple(records), None, notes)
    policy, why = _policy(published, ready)
    try:
        rfc8461.parse_policy(str(policy))
    except InvalidPolicy as error:
        # An MX may be anything that the DNS can have: an address, a name with an underscore.
        notes = (f"There is no MTA-STS policy for such an MX: {error}. Change the MX, then ask again.",)
        return Recommendation(domain, tuple(records), None, notes)
    records.append(Txt(f"_mta-sts.{domain}", str(_sts(published, now))))
    return Recommendation(domain, tuple(records), policy, (why, *_notes(published, policy)))


def _tlsrpt(published: Published, ours: Ours, rua: tuple[str, ...]) -> tlsrpt.Record:
    """The record of now if it leads to us, else one that does."""
    present = published.tlsrpt_record
    if not rua and present is not None and (any(map(ours.has, present.rua)) or not ours.uris):
        return present
    # As the operator has listed; or one mailbox and the endpoint: a report that comes both ways is counted once.
    mail = [uri for uri in ours.uris if tlsrpt.address(uri) is not None]
    others = [uri for uri in ours.uris if uri not in mail]
    chosen = rua or (ours.uris if ours.complete else (*mail[:1], *others))
    if not chosen:
        raise Misconfigured("where are reports to go? Say --rua mailto:ADDRESS, or set rua in [posture] of the config")
    try:
        return tlsrpt.parse_record(str(tlsrpt.Record(chosen)))
    except InvalidRecord as error:
        raise Misconfigured(f"these cannot stand in a record: {error}") from error


def _sts(published: Published, now: datetime) -> rfc8461.Record:
    """A record with the time as its id, and another id than that of now."""
    record = rfc8461.Record(f"{now:%Y%m%d%H%M%S}")
    if published.sts_record is not None and published.sts_record.id == record.id:
        return _sts(published, now + timedelta(seconds=1))
    return record


def _policy(published: Published, ready: Readiness | None) -> tuple[Policy, str]:
    """The next policy, and why this mode."""
    present = published.policy
    mx = _mx(published)
    if present is None and published.sts_record is not None:
        why = (
            "Mode testing, because the policy of now cannot be read, as `posture` says. If its mode is enforce, this "
            "would take the protection away: mend what is wrong first, then ask again."
        )
        return Policy("testing", TESTING_MAX_AGE, mx), why
    if present is None or present.mode == "none":
        why = "Mode testing first: senders report what enforce would have held back, and deliver all the same."
        return Policy("testing", TESTING_MAX_AGE, mx), why
    if present.mode == "enforce" or (ready is not None and ready.ready):
        why = "Mode enforce, as it is." if present.mode == "enforce" or ready is None else f"Mode enforce: {ready.why}"
        return Policy("enforce", max(present.max_age, ENFORCE_MAX_AGE), mx), why
    why = ready.why if ready is not None else "without the reports nobody can tell whether enforce is safe."
    return Policy("testing", max(present.max_age, TESTING_MAX_AGE), mx), f"Mode testing still: {why}"


def _mx(published: Published) -> tuple[str, ...]:
    """The patterns of the present policy that match an MX of today, and each MX that none matches."""
    present = published.policy.mx if published.policy is not None else ()
    patterns = [one for one in present if any(rfc8461.matches(one, host) for host in published.mx)]
    return (*patterns, *(host for host in published.mx if not any(rfc8461.matches(one, host) for one in patterns)))


def _notes(published: Published, policy: Policy) -> Iterator[str]:
    present = published.policy
    if present is not None and present.meaning == policy.meaning:
        yield "The policy stays as it is, so the _mta-sts record may stay too, unless `posture` complains of its id."
    else:
        yield (
            "Serve the policy first, then publish the _mta-sts record: its new id makes senders fetch the policy. Give "
            "it another id (the time will do) on every change of the policy, and before an MX is added, add it here."
        )
    yield (
        f"mta-sts.{published.domain} has to lead to a web server with a certificate for that very name, of a public "
        "authority, which serves the file as text/plain and without redirect."
    )
    for name, ttl, there in (
        ("_smtp._tls", published.tlsrpt_ttl, published.tlsrpt_record),
        ("_mta-sts", published.sts_ttl, published.sts_record),
    ):
        if ttl and there:
            yield f"Resolvers may have the old {name} record for another {ttl} seconds (its TTL)."
    if present is not None:
        yield (
            f"Senders keep the old policy until they see the new id; those that cannot see it, for up to "
            f"{present.max_age} seconds ({_days(present.max_age)}, its max_age)."
        )


def _days(seconds: int) -> str:
    days = seconds / 86_400
    return f"{days:.0f} days" if days >= 2 else f"{seconds / 3600:.0f} hours"  # noqa: PLR2004 - plural from here on
