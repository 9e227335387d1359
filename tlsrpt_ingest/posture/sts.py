"""Checking MTA-STS (RFC 8461 section 3): the `_mta-sts` record, the policy file, and whether it covers the MX."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from tlsrpt_ingest import limits, rfc8461
from tlsrpt_ingest.check import Check
from tlsrpt_ingest.posture.codes import found
from tlsrpt_ingest.posture.connection import ConnectionFailed, Way
from tlsrpt_ingest.posture.fetch import PATH, Fetched, fetch
from tlsrpt_ingest.posture.lookup import Lookup, LookupFailed
from tlsrpt_ingest.posture.published import Published
from tlsrpt_ingest.posture.txt import DAY, Txt, unanswered, unknown_fields
from tlsrpt_ingest.rfc8461 import InvalidPolicy, Policy
from tlsrpt_ingest.store.published import STS_POLICY, STS_RECORD

WEEK: Final = 7 * DAY

EXPIRES: Final = timedelta(days=14)
"""How near the end of a certificate is told: those of 90 days are renewed a month before, so by then it is stuck."""


_CODES: Final = {"refused": "unreachable"}
"""Codes that make no difference here."""


def sts_checks(lookup: Lookup, way: Way, published: Published) -> Iterator[Check]:
    """Look up the record and fetch the policy; `published` gets them. After the checks of the MX."""
    name = f"_mta-sts.{published.domain}"
    txt = Txt(name, rfc8461.VERSION, "sts", rfc8461.parse_record)
    yield from txt.check(lookup)
    if txt.answer is not None:
        published.keep(STS_RECORD, txt.text)
        published.sts_ttl = txt.answer.ttl
    if txt.record is not None:
        published.sts_record = txt.record
        yield found(name, "sts-record", f"{txt.text}{txt.beside}")
        yield from unknown_fields(name, "sts", txt.record.extensions)
    policy_checks = list(_policy_checks(lookup, way, published))
    if not txt.missing:
        yield from policy_checks
    elif published.policy is not None:
        yield found(name, "sts-missing", f"{txt.absence}, though there is a policy")
        yield from policy_checks
    elif published.tlsa:
        yield found(name, "sts-not-needed", f"{txt.absence}: no MTA-STS, but DANE")
    elif published.takes_mail:
        yield found(name, "sts-none", f"{txt.absence}: no MTA-STS, and no DANE")


def _policy_checks(lookup: Lookup, way: Way, published: Published) -> Iterator[Check]:
    host = f"mta-sts.{published.domain}"
    try:
        answer = lookup.addresses(host)
    except LookupFailed as failed:
        yield unanswered(host, failed)
        return
    if not answer.values:
        published.keep(STS_POLICY, None)
        yield found(host, "policy-host-missing", answer.absence)
        return
    fetched: list[Fetched] = []
    yield from _fetch_all(host, answer.values[: limits.POLICY_HOST_ADDRESSES], way, fetched)
    if not fetched:
        return
    expires = min((one.expires for one in fetched if one.expires), default=None)
    yield found(host, "policy-fetched", f"fetched over HTTPS{answer.way}; {until(expires)}")
    if soon(expires):
        yield found(host, "policy-certificate-expires", until(expires))
    what = f"policy of {published.domain}"
    content = fetched[0].content
    published.keep(STS_POLICY, content.decode("utf-8", "replace"))
    try:
        published.policy = policy = rfc8461.parse_policy(content)
    except InvalidPolicy as error:
        yield found(what, f"policy-{error.code}", str(error))
        return
    yield from _policy(what, policy)
    if policy.mode != "none":
        yield from _covered(what, policy, published)


def _fetch_all(host: str, addresses: Sequence[str], way: Way, fetched: list[Fetched]) -> Iterator[Check]:
    """Fetch from each address, as senders may take any; say what fails, and whether they serve the same."""
    failures = []
    for address in addresses:
        try:
            fetched.append(fetch(host, address, way))
        except ConnectionFailed as failed:
            failures.append(failed)
    # Without IPv6 here nothing is known of it, unless that is all there is.
    failures = [failure for failure in failures if not failure.no_way] or ([] if fetched else failures)
    for code, failure in {_CODES.get(one.code, one.code): one for one in reversed(failures)}.items():
        away = fetched and code == "unreachable"
        yield found(f"https://{host}{PATH}", "policy-address-away" if away else f"policy-{code}", str(failure))
    if len({_meaning(one.content) for one in fetched}) > 1:
        yield found(
            f"https://{host}{PATH}", "policy-differs", f"{' and '.join(addresses)} do not serve the same policy"
        )


def _meaning(content: bytes) -> object:
    try:
        return rfc8461.parse_policy(content).meaning
    except InvalidPolicy:
        return content


def _policy(what: str, policy: Policy) -> Iterator[Check]:
    if policy.mode == "none":
        yield found(what, "policy-mode-none", "its mode is none")
    else:
        yield found(what, "policy", f"mode {policy.mode}, max_age {policy.max_age}, mx {', '.join(policy.mx)}")
        if policy.max_age < DAY:
            yield found(what, "policy-max-age-short", f"its max_age is {policy.max_age} seconds, less than a day")
        elif policy.max_age < WEEK and policy.mode == "enforce":
            yield found(what, "policy-max-age-low", f"its max_age is {policy.max_age} seconds, less than a week")
    if policy.repeated:
        yield found(what, "policy-repeated", f"it has more than one {', '.join(dict.fromkeys(policy.repeated))}")
    yield from unknown_fields(what, "policy", policy.extensions)


def _covered(what: str, policy: Policy, published: Published) -> Iterator[Check]:
    for host in published.mx:
        if policy.covers(host):
            continue
        deep = next((one for one in policy.mx if one.startswith("*.") and host.endswith(one[1:])), None)
        why = f"; {deep} stands for one label only, and {host} has more in front" if deep else ""
        yield found(what, "mx-not-covered", f"no mx of it matches MX {host}{why}")
    unused = [pattern for pattern in policy.mx if not any(rfc8461.matches(pattern, host) for host in published.mx)]
    if unused and published.mx:
        yield found(what, "mx-pattern-unused", f"mx {', '.join(unused)} matches no MX of the domain")


def soon(expires: datetime | None) -> bool:
    """Whether a certificate should have been renewed by now."""
    return expires is not None and expires - datetime.now(UTC) < EXPIRES


def until(expires: datetime | None) -> str:
    """How long a certificate is good, for people."""
    return (
        f"the certificate is good until {expires:%Y-%m-%d %H:%M} UTC" if expires else "the certificate was not verified"
    )
