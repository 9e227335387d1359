"""What one client may ask for, and all of them together: requests a minute, requests and octets in hand."""

import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from tlsrpt_ingest import limits

UNKNOWN = "unknown"
"""The client that has no address: all such share one allowance."""


def client_of(host: str | None) -> str:
    """The address of a client, as RFC 5952 writes it, whatever a proxy's X-Forwarded-For says."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        # Listening on "::", IPv4 comes as ::ffff:192.0.2.1; a scope is an interface of ours.
        return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address)))
    return str(address)


def household(client: str) -> str:
    """Whom an allowance belongs to: an IPv4 address, or the /64 of an IPv6 address, which one customer has whole."""
    return str(ipaddress.IPv6Network((client, 64), strict=False)) if ":" in client else client


def too_many(seconds: float) -> HTTPException:
    """429 (RFC 6585 section 4)."""
    return HTTPException(429, "too many requests\n", {"Retry-After": str(max(1, math.ceil(seconds)))})


def busy() -> HTTPException:
    """503 for a moment (RFC 9110 section 15.6.4)."""
    return HTTPException(503, "busy, try again\n", {"Retry-After": str(limits.RETRY_BUSY)})


class Rates:
    """A bucket of tokens for each client that was seen lately: full it has a minute's worth."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def ask(self, client: str) -> None:
        """Take a token; raises the 429 where there is none."""
        tokens = self.take(client, 0)
        if tokens < 1:
            raise too_many((1 - tokens) * 60 / self._per_minute)
        self.take(client, 1)

    def take(self, client: str, tokens: float) -> float:
        """Take tokens, more than there are if need be; how many are left."""
        whom, now = household(client), self._clock()
        left, since = self._buckets.pop(whom, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60) - tokens
        self._buckets[whom] = (left, now)
        if len(self._buckets) > limits.CLIENTS:
            self._buckets.popitem(last=False)
        return left


class Hand:
    """The requests in hand, and the octets of the large bodies among them."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._of_one = max(1, places // 4)
        self._taken: Counter[str] = Counter()
        self._octets = 0

    @contextmanager
    def place(self, client: str) -> Iterator["Body"]:
        """A place for one request; raises the 503 where all are taken, the 429 where this client has its share."""
        whom = household(client)
        if self._taken.total() >= self._places:
            raise busy()
        if self._taken[whom] >= self._of_one:
            raise too_many(limits.RETRY_BUSY)
        self._taken[whom] += 1
        body = Body(self)
        try:
            yield body
        finally:
            self._octets -= body.borrowed
            self._taken[whom] -= 1
            if not self._taken[whom]:
                del self._taken[whom]

    def borrow(self, octets: int) -> None:
        """Raises the 503 where large bodies have taken all that there is for them: small ones still go on."""
        if self._octets + octets > limits.BODIES:
            raise busy()
        self._octets += octets


class Body:
    """The body of a request as it grows."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._chunks: list[bytes] = []
        self.size = 0
        self.borrowed = 0

    def add(self, chunk: bytes) -> None:
        """One chunk more."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        if (wanted := self.size - limits.SMALL_BODY - self.borrowed) > 0:
            self._hand.borrow(wanted)
            self.borrowed += wanted

    def octets(self) -> bytes:
        """All of it, which is not held twice."""
        octets = b"".join(self._chunks)
        self._chunks = [octets]
        return octets
