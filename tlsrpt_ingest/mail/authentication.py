"""Who vouches for a report: DKIM of the reporting domain (RFC 8460 section 5.3), as our mail server says, or verified.

Pure: the keys of the DNS come through a function that is handed in.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.mail.authentication_results import Result, results
from tlsrpt_ingest.mail.dkim_signature import Keys, Signature, signatures, verify
from tlsrpt_ingest.verdict import Authentication, Verdict

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_RESULTS: Final = {
    "pass": Verdict.PASS,
    "none": Verdict.NONE,
    "policy": Verdict.POLICY_MISMATCH,
    "temperror": Verdict.TEMPERROR,
}
"""What RFC 8601 section 2.7.1 calls a result; all others are failures."""
_BEST: Final = list(Verdict)


class Vouching:
    """One message, and what there is to say about its signatures. Each is looked at once, however many reports."""

    def __init__(self, octets: bytes, authserv_ids: Collection[str] = (), keys: Keys | None = None) -> None:
        """`authserv_ids` (in lower case) are believed; `keys` looks up a key, None where nothing is to be verified."""
        self._octets = octets
        self._authserv_ids = authserv_ids
        self._keys = keys
        self._verified: dict[int, tuple[Verdict, str | None]] = {}

    @cached_property
    def _signatures(self) -> tuple[Signature, ...]:
        return tuple(signatures(self._octets))

    @cached_property
    def _results(self) -> tuple[Result, ...]:
        return results(self._octets, self._authserv_ids) if self._authserv_ids else ()

    def authentication(self, addresses: Sequence[str | None]) -> Authentication:
        """Whether the domain of one of these, each a domain or an addr-spec, signed the message.

        They are what the report says of where it comes from: From, TLS-Report-Submitter, contact-info. Mail.ru's
        submitter is another domain than its contact's, and Stalwart has no contact: so one of them, and what counts is
        the organizational domain. Never raises.
        """
        try:
            return self._authentication(addresses)
        except Exception as error:  # noqa: BLE001 - one message never stops the run: what nobody foresaw is no pass
            said = ascii(f"{type(error).__name__}: {error}"[:200])
            return Authentication(Verdict.NONE, reason=f"a fault of tlsrpt-ingest, please report it: {said}")

    def _authentication(self, addresses: Sequence[str | None]) -> Authentication:
        if not self._results and self._keys is None:
            return Authentication(Verdict.NONE, reason="no Authentication-Results of ours speaks of a signature")
        if not self._results and not self._signatures:
            return Authentication(Verdict.NONE, reason="there is no DKIM signature")
        reporting = {one for address in addresses if (one := organizational_domain(address))}
        said = _best(self._said(reporting))
        if said is not None and (said.verdict is not Verdict.TEMPERROR or self._keys is None):
            return said
        computed = _best(self._computed(reporting))
        return computed or said or Authentication(Verdict.NONE, reason="there is no DKIM signature")

    def _said(self, reporting: set[str]) -> Iterator[Authentication]:
        """By the Authentication-Results that are believed."""
        for result in self._results:
            verdict = _RESULTS.get(result.result, Verdict.FAIL)
            signature = next((one for one in self._signatures if _is_of(result, one)), None)
            words = f"{ascii(result.authserv_id)[1:-1]} says dkim={ascii(result.result)[1:-1][:50]}"
            if verdict is Verdict.NONE:
                yield Authentication(verdict, reason=words)
                continue
            if verdict is Verdict.PASS and signature is None:
                verdict, words = Verdict.FAIL, f"{words}, and the mail has no such signature"
            elif verdict is Verdict.PASS and signature and "l" in signature.tags:
                verdict, words = Verdict.POLICY_MISMATCH, f"{words}; the signature has l=, which RFC 8460 forbids"
            yield _aligned(verdict, result.domain, result.selector, reporting, words)

    def _computed(self, reporting: set[str]) -> Iterator[Authentication]:
        """By ourselves. Another domain's signature is not even looked up: it would vouch for nothing."""
        for signature in self._signatures:
            if organizational_domain(signature.domain) in reporting:
                verdict, words = self._verify(signature)
            else:
                verdict, words = Verdict.PASS, None
            one = _aligned(verdict, signature.domain, signature.selector, reporting, words)
            yield one
            if one.verdict is Verdict.PASS:
                return

    def _verify(self, signature: Signature) -> tuple[Verdict, str | None]:
        if signature.index not in self._verified and self._keys is not None:
            self._verified[signature.index] = verify(self._octets, signature, self._keys)
        return self._verified[signature.index]


def _is_of(result: Result, signature: Signature) -> bool:
    return signature.domain == result.domain and result.selector in (None, signature.selector)


def _best(found: Iterator[Authentication]) -> Authentication | None:
    return min(found, key=lambda one: _BEST.index(one.verdict), default=None)


def _aligned(
    verdict: Verdict, domain: str | None, selector: str | None, reporting: set[str], words: str | None
) -> Authentication:
    organization = organizational_domain(domain)
    if organization not in reporting and (domain is not None or verdict is Verdict.PASS):
        said = "the signature is of another domain than From, TLS-Report-Submitter and contact-info"
        return Authentication(Verdict.POLICY_MISMATCH, domain, selector, None, said)
    return Authentication(verdict, domain, selector, organization if verdict is Verdict.PASS else None, words)


def organizational_domain(address: str | None) -> str | None:
    """The organizational domain (RFC 7489 section 3.2) of a domain or an addr-spec; None where it has none."""
    domain = (address or "").rpartition("@")[2].strip().rstrip(".>").lower()
    if not domain or " " in domain or len(domain) > limits.DOMAIN:
        return None
    return _private_suffix(domain)


@lru_cache(maxsize=4096)
def _private_suffix(domain: str) -> str | None:
    return _suffixes().privatesuffix(domain)


@cache
def _suffixes() -> "PublicSuffixList":
    # Imported here: a tenth of a second, which only those should pay who want to know who vouches for a report.
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - as said

    return PublicSuffixList()
