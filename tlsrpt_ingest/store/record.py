"""Write deliveries: idempotent under concurrency, and one that the database refuses costs the others nothing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.store import tables
from tlsrpt_ingest.store.delivery import Delivery
from tlsrpt_ingest.store.engine import writing
from tlsrpt_ingest.store.persevering import persevering
from tlsrpt_ingest.store.prepared import Prepared, poorer, prepare
from tlsrpt_ingest.store.reports import KEYS
from tlsrpt_ingest.store.speaking import is_of_the_data, speaking
from tlsrpt_ingest.store.transaction import Transaction
from tlsrpt_ingest.store.writer import TooLarge, mark


def record(engine: Engine, deliveries: Sequence[Delivery], now: datetime | None = None) -> list[Outcome]:
    """Prepare deliveries and `write` them."""
    return write(engine, [prepare(delivery) for delivery in deliveries], now)


def write(engine: Engine, deliveries: Sequence[Prepared], now: datetime | None = None) -> list[Outcome]:
    """Write deliveries in one transaction and commit it; one outcome a delivery, in their order.

    Where the database refuses a value, the batch is halved down to the culprit, which is recorded as rejected at stage
    "store" with the database's reason, and the rest goes in. Call it again with the same deliveries, or from several
    processes at once: each report is counted once. `now` is UTC. Raises Unavailable or Misconfigured, and then nothing
    of what did not get its outcome is in the database.
    """
    if not deliveries:
        return []
    parts = Counter(delivery.item for delivery in deliveries)
    with speaking(engine):
        return _halving(engine, list(deliveries), parts, now or datetime.now(UTC))


def known(engine: Engine, items: Collection[bytes]) -> dict[bytes, list[Outcome]]:
    """The outcomes of the parts of those items (by `Delivery.item`) that the ledger has; what it has not is missing."""
    found: dict[bytes, list[Outcome]] = {}
    keys = sorted(set(items))
    # For the driver: SQLAlchemy takes three times as long to spell a list.
    one = mark(engine.dialect.name)
    with speaking(engine), engine.connect() as connection:
        for start in range(0, len(keys), KEYS):
            some = tuple(keys[start : start + KEYS])
            marks = ", ".join([one] * len(some))
            asked = f"SELECT item, outcome FROM delivery WHERE item IN ({marks}) ORDER BY item, part"  # noqa: S608 - marks
            for item, outcome in connection.exec_driver_sql(asked, some):
                found.setdefault(item, []).append(Outcome(outcome))
    return found


def between(engine: Engine, low: bytes, high: bytes) -> dict[bytes, list[Outcome]]:
    """The same of all items from `low` to `high`, excluded."""
    found: dict[bytes, list[Outcome]] = {}
    delivery = tables.delivery.c
    asked = select(delivery.item, delivery.outcome).where(delivery.item >= low, delivery.item < high)
    with speaking(engine), engine.connect() as connection:
        for item, outcome in connection.execute(asked.order_by(delivery.item, delivery.part)):
            found.setdefault(item, []).append(Outcome(outcome))
    return found


def _halving(engine: Engine, deliveries: list[Prepared], parts: Mapping[bytes, int], now: datetime) -> list[Outcome]:
    try:
        return _write(engine, deliveries, parts, now)
    except Exception as error:
        if not is_of_the_data(error):
            raise
        if len(deliveries) == 1:
            return _alone(engine, deliveries[0], error, parts, now)
    middle = len(deliveries) // 2
    return [
        *_halving(engine, deliveries[:middle], parts, now),
        *_halving(engine, deliveries[middle:], parts, now),
    ]


def _alone(
    engine: Engine, delivery: Prepared, error: Exception, parts: Mapping[bytes, int], now: datetime
) -> list[Outcome]:
    """Enter a delivery that the database refuses in the ledger, with as much of it as the database takes."""
    code = "too-large" if isinstance(error, TooLarge) else "refused"
    for less in poorer(delivery, error, code):
        try:
            return _write(engine, [less], parts, now)
        except Exception as again:
            if not is_of_the_data(again):
                raise
    raise error


def _write(engine: Engine, deliveries: list[Prepared], parts: Mapping[bytes, int], now: datetime) -> list[Outcome]:
    def once() -> list[Outcome]:
        with writing(engine) as connection:
            return Transaction(connection, now).write(deliveries, parts)

    return persevering(once)
