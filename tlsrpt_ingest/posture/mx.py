"""Checking the MX of a domain, their addresses, and their TLSA records for DANE (RFC 7672)."""

from collections.abc import Iterator
from typing import Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.lookup import Answer, Lookup, LookupFailed
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.txt import unanswered
from tlsrpt_ingest.rfc8460.seen import Tlsa
from tlsrpt_ingest.store.published import MX, TLSA

_LONGEST_NAME: Final = 253
"""Characters of a host name (RFC 1035 section 2.3.4, without the dot at its end)."""


def mx_checks(lookup: Lookup, published: Published) -> Iterator[Check]:
    """Look up the MX and their addresses; `published` gets them."""
    what = f"MX of {published.domain}"
    try:
        answer = lookup.mx(published.domain)
        hosts = [host for _, host in answer.values]
        if not hosts:
            addresses = lookup.addresses(published.domain)
            if not addresses.values:
                yield found(what, "mx-missing", f"{answer.absence}, and no address to fall back to")
                return
            yield found(what, "mx-implicit", answer.absence)
            hosts = [published.domain]
    except LookupFailed as failed:
        yield unanswered(what, failed)
        return
    if set(hosts) == {""}:
        published.takes_mail = False
        yield found(what, "mx-null", "a null MX (RFC 7505): the domain takes no mail, so it needs nothing of all this")
        return
    published.keep(MX, "\n".join(f"{preference} {host}" for preference, host in answer.values) or None)
    hosts = [host for host in dict.fromkeys(hosts) if host]
    if answer.values:
        yield found(what, "mx", f"{', '.join(hosts)}{answer.way}")
    if len(hosts) > limits.MX:
        yield found(what, "mx-many", f"there are {len(hosts)}; the first {limits.MX} are looked at")
    for host in hosts[: limits.MX]:
        yield from _addresses(lookup, published, host)


def _addresses(lookup: Lookup, published: Published, host: str) -> Iterator[Check]:
    what = f"MX {host}"
    published.mx[host] = ()
    try:
        answer = lookup.addresses(host)
    except LookupFailed as failed:
        yield unanswered(what, failed)
        return
    published.mx[host] = answer.values
    if not answer.values:
        yield found(what, "mx-no-address", answer.absence)
    elif answer.aliases:
        yield found(what, "mx-alias", f"it is an alias{answer.way}")


def tlsa_checks(lookup: Lookup, published: Published) -> Iterator[Check]:
    """Look up the TLSA records of each MX; `published` gets those that senders would use."""
    missing = []
    for host in published.mx:
        try:
            answer = lookup.tlsa(host)
        except LookupFailed as failed:
            yield unanswered(f"TLSA of {host}", failed)
            continue
        # Octets that are written \DDD make a longer name, for which the database has no room, and nobody reports on it.
        if len(host) <= _LONGEST_NAME:
            published.keep(TLSA, "\n".join(sorted(map(str, answer.values))) or None, host)
        if answer.values:
            yield from _usable(host, answer, published)
        else:
            missing.append(host)
    if published.mx and len(missing) == len(published.mx):
        yield found("TLSA", "tlsa-none", "no MX has TLSA records: the domain does not use DANE")
    elif missing and published.tlsa:
        yield found("TLSA", "tlsa-some", f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} none")


def _usable(host: str, answer: Answer[Tlsa], published: Published) -> Iterator[Check]:
    what = f"TLSA of {host}"
    count = f"{len(answer.values)} TLSA {'record' if len(answer.values) == 1 else 'records'}"
    usable = [record for record in answer.values if record.usage in (2, 3)]
    if len(usable) < len(answer.values):
        yield found(what, "tlsa-unusable", f"{len(answer.values) - len(usable)} of {count} have usage 0 or 1")
    if not answer.secure:
        yield found(what, "tlsa-unsigned", f"the resolver does not say that it has validated the {count}")
    elif usable:
        published.tlsa[host] = frozenset(answer.values)
        yield found(what, "tlsa", f"{count}, validated by DNSSEC")
