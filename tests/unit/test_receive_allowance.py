"""What one client may ask for, and all of them together."""

import pytest
from starlette.exceptions import HTTPException

from tlsrpt_ingest import limits
from tlsrpt_ingest.receive.allowance import Hand, Rates, client_of, household


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(error: pytest.ExceptionInfo[HTTPException]) -> tuple[int, str]:
    assert error.value.headers
    return error.value.status_code, error.value.headers["Retry-After"]


def test_tokens_come_back_with_time() -> None:
    clock = Clock()
    rates = Rates(6, clock)
    for _ in range(6):
        rates.ask("192.0.2.1")
    with pytest.raises(HTTPException) as error:
        rates.ask("192.0.2.1")
    assert refused(error) == (429, "10")
    clock.now += 9.9
    with pytest.raises(HTTPException) as error:
        rates.ask("192.0.2.1")
    # Asking costs nothing.
    assert refused(error) == (429, "1")
    clock.now += 0.2
    rates.ask("192.0.2.1")
    # A night's sleep does not fill it beyond a minute's worth.
    clock.now += 36_000
    for _ in range(6):
        rates.ask("192.0.2.1")
    with pytest.raises(HTTPException):
        rates.ask("192.0.2.1")


def test_what_was_taken_on_credit_is_waited_for() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    rates.take("192.0.2.1", 69)
    with pytest.raises(HTTPException) as error:
        rates.ask("192.0.2.1")
    assert refused(error) == (429, "10")
    rates.ask("192.0.2.2")


def test_the_table_of_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLIENTS", 3)
    rates = Rates(1, Clock())
    for number in (1, 2, 3, 4):
        rates.ask(f"192.0.2.{number}")
    for number in (2, 3, 4):
        with pytest.raises(HTTPException):
            rates.ask(f"192.0.2.{number}")
    rates.ask("192.0.2.1")  # forgotten, as the one that was not seen longest


def test_large_bodies_share_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODIES", 1000)
    hand = Hand(8)
    small = bytes(limits.SMALL_BODY)
    with hand.place("192.0.2.1") as first:
        first.add(small)
        first.add(bytes(600))
        with hand.place("192.0.2.2") as second:
            second.add(small + bytes(400))
            with pytest.raises(HTTPException) as error:
                second.add(b"x")
            assert refused(error)[0] == 503
        with hand.place("192.0.2.3") as third:
            third.add(small)
            third.add(bytes(400))
            assert third.octets() == small + bytes(400)
    with hand.place("192.0.2.1") as again:
        again.add(small + bytes(1000))


def test_a_place_is_given_back_whatever_happens() -> None:
    hand = Hand(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), hand.place("192.0.2.1"):
            raise ZeroDivisionError
    with hand.place("192.0.2.1"), pytest.raises(HTTPException) as error, hand.place("192.0.2.2"):
        pass
    assert refused(error)[0] == 503


@pytest.mark.parametrize(
    ("host", "client", "whom"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:1:0::7", "2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("192.0.2.1 ", "unknown", "unknown"),
        ("\x1b[31m", "unknown", "unknown"),
        (None, "unknown", "unknown"),
    ],
)
def test_who_a_client_is(host: str | None, client: str, whom: str) -> None:
    assert client_of(host) == client
    assert household(client) == whom
