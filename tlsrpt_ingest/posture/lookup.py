"""DNS as an owner of a domain asks it: TXT, MX, addresses and TLSA, with TTLs, aliases and why there is no answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver

from tlsrpt_ingest.errors import Misconfigured
from tlsrpt_ingest.rfc8460.seen import Tlsa

SECONDS: Final = 10
"""For one question, over all name servers of the resolver configuration: what a mail server waits, about."""

Value = TypeVar("Value")


class LookupFailed(Exception):
    """No answer; `code` is "dns-servfail" (the domain's fault, as a rule) or "dns-away" (ours)."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer(Generic[Value]):
    """What the DNS has at a name; an answer without values is a certain no."""

    name: str
    values: tuple[Value, ...] = ()
    ttl: int = 0
    """Seconds: the least over the records and the aliases on the way."""
    aliases: tuple[str, ...] = ()
    """Where CNAMEs led."""
    exists: bool = True
    """Whether the name exists at all (NXDOMAIN)."""
    secure: bool = False
    """Whether the resolver says that it has validated the answer (DNSSEC, the AD bit)."""

    @property
    def absence(self) -> str:
        """Why there are no values, for people."""
        where = f" (by CNAME at {self.aliases[-1]})" if self.aliases else ""
        return f"the name {self.name}{where} " + ("has no such record" if self.exists else "does not exist")

    @property
    def way(self) -> str:
        """The aliases, for people."""
        return f" (by CNAME {' -> '.join(self.aliases)})" if self.aliases else ""


class Lookup:
    """A resolver: the one at `address` and `port`, or that of this host."""

    def __init__(self, address: str | None = None, port: int = 53, seconds: float = SECONDS) -> None:
        """Raises Misconfigured where this host has no resolver configured."""
        try:
            self._resolver = dns.resolver.Resolver(configure=address is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise Misconfigured(f"{error}; set resolver in [posture], or write /etc/resolv.conf") from error
        if address is not None:
            self._resolver.nameservers = [address]
            self._resolver.port = port
        self._resolver.lifetime = seconds
        self._resolver.flags = dns.flags.RD | dns.flags.AD

    def txt(self, name: str) -> Answer[str]:
        """The TXT records at a name, the strings of each joined (RFC 8460 section 3), an octet a character."""
        return self._ask(name, "TXT", lambda record: b"".join(record.strings).decode("latin-1"))

    def mx(self, name: str) -> Answer[tuple[int, str]]:
        """Preference and host of each MX, in the order in which senders try them; a null MX has the host ""."""
        answer = self._ask(name, "MX", lambda record: (record.preference, _text(record.exchange)))
        return Answer(
            answer.name, tuple(sorted(answer.values)), answer.ttl, answer.aliases, answer.exists, answer.secure
        )

    def addresses(self, name: str) -> Answer[str]:
        """The IPv4 and IPv6 addresses of a host."""
        four, six = (self._ask(name, kind, lambda record: str(record.address)) for kind in ("A", "AAAA"))
        first = four if four.values else six
        return Answer(name, four.values + six.values, first.ttl, first.aliases, first.exists, first.secure)

    def tlsa(self, host: str) -> Answer[Tlsa]:
        """The TLSA records for SMTP at a host (RFC 7672)."""
        return self._ask(
            f"_25._tcp.{host}",
            "TLSA",
            lambda record: Tlsa(record.usage, record.selector, record.mtype, record.cert.hex()),
        )

    def _ask(self, name: str, kind: str, value: Callable[[Any], Value]) -> Answer[Value]:
        with _failing(name, kind):
            try:
                answer = self._resolver.resolve(name.rstrip(".") + ".", kind, raise_on_no_answer=False, search=False)
            except dns.resolver.NXDOMAIN as error:
                aim = _text(error.canonical_name)
                return Answer(name, exists=False, aliases=() if aim == name.lower() else (aim,))
            chain = answer.chaining_result
            aliases = tuple(_text(alias[0].target) for alias in chain.cnames)
            values = tuple(value(record) for record in answer.rrset or ())
            secure = bool(answer.response.flags & dns.flags.AD)
            return Answer(name, values, chain.minimum_ttl, aliases, exists=True, secure=secure)


@contextmanager
def _failing(name: str, kind: str) -> Iterator[None]:
    try:
        yield
    except dns.resolver.NoNameservers as error:
        said = {str(why) for _, _, _, why, response in error.kwargs.get("errors", ()) if response is not None}
        if said:
            raise LookupFailed(
                "dns-servfail",
                f"the resolver answered {' and '.join(sorted(said))} to the question for {kind} of {name}",
            ) from error
        raise LookupFailed("dns-away", f"no resolver could be reached for {kind} of {name}") from error
    except (dns.exception.Timeout, OSError) as error:
        raise LookupFailed("dns-away", f"no resolver answered the question for {kind} of {name} in time") from error
    except dns.exception.DNSException as error:
        # A name that is none, an alias loop, a broken answer.
        raise LookupFailed("dns-servfail", f"{kind} of {name} cannot be looked up: {error}") from error


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
