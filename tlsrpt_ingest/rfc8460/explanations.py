"""What a failure means and what to do about it, for a postmaster: every page, table and alert takes its words here.

No sentence and no command holds a stranger's text: the commands are filled with host names only, after `host_name` has
checked them. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tlsrpt_ingest.rfc8460 import terms
from tlsrpt_ingest.rfc8460.document import FailureDetail, Policy
from tlsrpt_ingest.rfc8460.reasons import (
    BY_TYPE,
    CLUES,
    FETCHING,
    GENERAL,
    MX_MISMATCH,
    Explanation,
    Side,
)

__all__ = ["Explanation", "Side", "explain", "explain_policy_type", "explain_result_type", "host_name", "sts_mode"]

YOUR_DOMAIN: Final = "YOUR_DOMAIN"
YOUR_MX: Final = "YOUR_MX"
"""What stands in a command where the report names no host that could be put there."""

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}", re.ASCII)

# A report of 20 MiB may hold 100,000 failures under a policy of millions of characters: each is explained by a little.
_REASON: Final = 500
"""Characters of a failure-reason-code that are looked at; Mail.ru's longest known has 150."""
_LINES: Final = 100
_POLICY: Final = 4_096
"""Lines and characters of a policy that are looked at, and mx patterns: nobody is known to have twenty. With more,
nothing is said of what is missing in them."""

_POLICY_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        terms.STS: "MTA-STS (RFC 8461): the sender went by your policy file",
        terms.TLSA: "DANE (RFC 7672): the sender went by the TLSA records of your MX host",
        terms.NO_POLICY_FOUND: "the sender found neither MTA-STS nor DANE, so it used TLS if it could",
    }
)


def explain(detail: FailureDetail, policy: Policy) -> Explanation:
    """What this failure under this policy means and what to do; any strings, known or not, get an answer."""
    known = _known(detail, policy)
    names = {"domain": host_name(policy.policy_domain) or YOUR_DOMAIN, "mx": _mx(detail, policy) or YOUR_MX}
    commands = tuple(command.format(**names) for command in known.commands)
    return replace(known, commands=commands, effect=_effect(detail, policy))


def explain_result_type(result_type: str) -> Explanation:
    """What a result type means by itself, where neither the reason nor the policy is at hand."""
    return explain(FailureDetail(result_type=result_type), Policy(policy_type=terms.UNKNOWN))


def explain_policy_type(policy_type: str) -> str:
    """What a policy type says of the sender, in half a sentence."""
    return _POLICY_TYPES.get(policy_type, "a policy type that RFC 8460 does not list")


def host_name(text: str | None) -> str | None:
    """The host name (RFC 1123: letters, digits, hyphens, two labels at least), lower-case, or None if it is none.

    What this returns may stand in a shell command: it begins with a letter or digit and holds nothing but letters,
    digits, hyphens and dots.
    """
    # Lower-casing makes ASCII of some other letters (U+212A); RFC 1035 has 253 octets, and there may be a dot behind.
    if text is None or not text.isascii() or len(text) > 254:  # noqa: PLR2004 - see the line above
        return None
    name = text.lower().removesuffix(".")
    return name if _HOST_NAME.fullmatch(name) else None


def sts_mode(policy: Policy) -> str | None:
    """The mode of an MTA-STS policy (RFC 8461 section 3.2): enforce, testing or none; None where it cannot be read."""
    # The hMailServer fork sends the whole policy in one element, its line ends turned into blanks.
    text = _text(policy)
    found = re.search(r"(?:^|\s)mode:[ \t]*(enforce|testing|none)\b", text or "")
    return found[1] if found else None


def _known(detail: FailureDetail, policy: Policy) -> Explanation:
    reason = re.sub(r"[\s_-]+", " ", (detail.failure_reason_code or "")[:_REASON].lower()).strip()
    fetching = detail.result_type in FETCHING
    for clue in CLUES if reason else ():
        if clue.fetching == fetching and clue.words.search(reason):
            return (clue.under_dane if policy.policy_type == terms.TLSA else None) or clue.known
    if detail.result_type in ("validation-failure", "certificate-host-mismatch") and _unlisted(detail, policy):
        return MX_MISMATCH
    return BY_TYPE.get(detail.result_type, GENERAL)


def _unlisted(detail: FailureDetail, policy: Policy) -> bool:
    """Whether the MX host is in no mx pattern of the MTA-STS policy that the sender saw."""
    host, patterns = host_name(detail.receiving_mx_hostname), _patterns(policy)
    if policy.policy_type != terms.STS or host is None or not patterns:
        return False
    # `*` is exactly one whole leftmost label (RFC 8461 section 4.1).
    return host not in patterns and f"*.{host.partition('.')[2]}" not in patterns


def _patterns(policy: Policy) -> frozenset[str]:
    """The mx patterns of an MTA-STS policy, those of policy-string or else mx-host; none where not all can be seen."""
    text = _text(policy)
    if text is None or len(policy.mx_host) > _LINES:
        return frozenset()
    found = re.findall(r"(?:^|\s)mx:[ \t]*([^\s:]+)", text)
    return frozenset(pattern.lower().removesuffix(".") for pattern in found or policy.mx_host)


def _text(policy: Policy) -> str | None:
    """The lines of a policy, or None where there are too many."""
    lines = policy.policy_string
    if len(lines) > _LINES or sum(map(len, lines)) > _POLICY:
        return None
    return "\n".join(lines)


def _mx(detail: FailureDetail, policy: Policy) -> str | None:
    """The MX host to check: the failure's own, else the only one that the policy can mean."""
    if host := host_name(detail.receiving_mx_hostname):
        return host
    return host_name(policy.mx_host[0]) if len(policy.mx_host) == 1 else None


def _effect(detail: FailureDetail, policy: Policy) -> str:
    if policy.policy_type == terms.TLSA:
        return "DANE: mail was held back, and returned if this lasted."
    if detail.result_type in FETCHING:
        return "Mail was delivered by an older policy that the sender still had, or as without one."
    if policy.policy_type == terms.NO_POLICY_FOUND:
        return "No policy: most senders deliver all the same, if need be in clear text."
    mode = sts_mode(policy) if policy.policy_type == terms.STS else None
    if mode == "enforce":
        return "Mode enforce: mail was held back, and returned if this lasted."
    if mode == "testing":
        return "Mode testing: mail was delivered all the same."
    return ""
