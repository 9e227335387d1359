"""From `[trust]` to what `ingest` is told: with the DNS at hand, or without."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from tlsrpt_ingest import limits
from tlsrpt_ingest.config import Config
from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.trust import Trust

if TYPE_CHECKING:
    from tlsrpt_ingest.posture.lookup import Lookup

log = logging.getLogger(__name__)

KEPT: Final = 60
"""Seconds for which an answer is kept at least, also that there is nothing, or that no answer came."""


def trust(config: Config, *, fresh: bool) -> Trust | None:
    """What `[trust]` asks, or None. Only in what is `fresh` signatures are verified and floods capped."""
    wanted = config.trust
    if not fresh and wanted.require == "authenticated" and not wanted.authserv_ids:
        log.warning(
            "no signature is verified in an archive and [trust] authserv_ids is empty, so nothing in it will count"
        )
    if not fresh and not wanted.authserv_ids and not wanted.domains and wanted.require == "none":
        return None
    dns = Dns(*config.posture.resolver_address)
    return Trust(
        wanted,
        dns.keys if fresh and wanted.dkim else None,
        dns.mx if wanted.domains and not wanted.mx_hosts else None,
        wanted.reports_per_day if fresh else None,
    )


def only_looking(config: Config, *, dkim: bool) -> Trust | None:
    """What tells who vouches for a report and refuses none; None where nobody wants to know."""
    wanted = config.trust.model_copy(update={"require": "none", "domains": ()})
    keys = Dns(*config.posture.resolver_address).keys if dkim else None
    return Trust(wanted, keys) if keys or wanted.authserv_ids else None


class Dns:
    """DKIM keys and MX hosts, each asked for once as long as it lives; a DNS that is silent is not waited for for ever.

    Goes to another process without what it has learned.
    """

    def __init__(self, address: str | None = None, port: int = 53, seconds: float = limits.DNS_SECONDS) -> None:
        self._where = (address, port, seconds)
        self._lookup: Lookup | None = None
        self._known: dict[tuple[str, str], tuple[float, Sequence[Any] | None]] = {}
        self._silences = 0
        self._silent_until = 0.0

    def __reduce__(self) -> tuple[type["Dns"], tuple[str | None, int, float]]:
        """What to pickle."""
        return Dns, self._where

    def keys(self, name: str) -> Sequence[bytes] | None:
        """The TXT records at a name; None where no answer comes in time."""
        found = self._ask("txt", name)
        return None if found is None else [text.encode("latin-1") for text in found]

    def mx(self, domain: str) -> Sequence[str] | None:
        """The MX hosts of a domain; None where no answer comes in time."""
        found = self._ask("mx", domain)
        return None if found is None else [host for _preference, host in found]

    def _ask(self, kind: str, name: str) -> Sequence[Any] | None:
        now = time.monotonic()
        until, known = self._known.get((kind, name), (0.0, None))
        if now < until:
            return known
        if now < self._silent_until:
            return None
        answer, ttl = self._answer(kind, name)
        if len(self._known) >= limits.DNS_ANSWERS:
            self._known.clear()
        self._known[kind, name] = (now + max(ttl, KEPT), answer)
        return answer

    def _answer(self, kind: str, name: str) -> tuple[Sequence[Any] | None, int]:
        # Imported here: a tenth of a second, which only those should pay who ask.
        from tlsrpt_ingest.posture.lookup import Lookup, LookupFailed  # noqa: PLC0415 - as said

        try:
            self._lookup = self._lookup or Lookup(*self._where)
            found = getattr(self._lookup, kind)(name)
        except (LookupFailed, Misconfigured) as failure:  # a host without a resolver has a DNS that is silent
            self._silences += getattr(failure, "code", "dns-away") == "dns-away"
            if self._silences >= limits.DNS_SILENCES:
                self._silences = 0
                self._silent_until = time.monotonic() + limits.DNS_PAUSE
            return None, 0
        self._silences = 0
        return found.values, found.ttl
