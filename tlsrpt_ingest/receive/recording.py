"""From posted items to their outcomes: whatever waits is recorded by one `ingest`, in one thread, with one commit."""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import IngestError, Unavailable
from tlsrpt_ingest.ingest import ingest, item_key
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.store import ask, record
from tlsrpt_ingest.trust import Trust

log = logging.getLogger(__name__)

_LOOK_AGAIN: Final = 2.0
"""Seconds for which the answer about the database holds: a health check costs us no more than that."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a posted item; it is committed."""

    outcome: Outcome
    reason: str | None = None
    """Why it does not count: what the ledger says."""


class Recorder:
    """Takes items as they come, from the event loop; `run` has to be running there."""

    def __init__(self, engine: Engine, trust: Trust | None = None) -> None:
        self._engine = engine
        self._trust = trust
        self._waiting: dict[asyncio.Future[Recorded], tuple[Item, str]] = {}
        self._news = asyncio.Event()
        self._closing = False
        self._look: asyncio.Task[bool] | None = None
        self._looked = 0.0

    async def record(self, item: Item, whom: str = "") -> Recorded:
        """The item's outcome, once it is committed; `whom` it is from, since each has its turn.

        Raises IngestError when the database is away: nothing is recorded then, or nobody knows whether it is. Given
        up before its turn, an item is not recorded.
        """
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting[future] = (item, whom)
        self._news.set()
        try:
            return await future
        finally:
            # Or else a database that is stuck would collect the bodies of all who gave up.
            self._waiting.pop(future, None)

    async def run(self) -> None:
        """Record until `close`, and then what still waits."""
        while self._waiting or not self._closing:
            await self._news.wait()
            if not self._closing:
                self._news.clear()
            while self._waiting:
                await self._batch()

    async def _batch(self) -> None:
        futures = self._turn()
        items = [self._waiting.pop(future)[0] for future in futures]
        answers = await asyncio.to_thread(self._record, items)
        for future, answer in zip(futures, answers, strict=True):
            if future.done():  # whoever waited has given up
                continue
            if isinstance(answer, Recorded):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _turn(self) -> list[asyncio.Future[Recorded]]:
        """The next batch: those who waited longest, and of each client a few, so that it does not fill it alone."""
        taken: Counter[str] = Counter()
        turn = []
        for future, (_item, whom) in self._waiting.items():
            if taken[whom] < limits.BATCH_OF_A_CLIENT:
                taken[whom] += 1
                turn.append(future)
        return turn[: limits.BATCH_ITEMS]

    def close(self) -> None:
        """Let `run` come to its end."""
        self._closing = True
        self._news.set()

    async def answers(self) -> bool:
        """Whether the database answers, asked at most once at a time and seldom."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked > _LOOK_AGAIN):
            self._looked = time.monotonic()
            self._look = asyncio.create_task(asyncio.to_thread(self._answers))
        try:
            async with asyncio.timeout(limits.HEALTH):
                return await asyncio.shield(self._look)
        except TimeoutError:
            return False

    # In the thread

    def _answers(self) -> bool:
        try:
            record.known(self._engine, [bytes(16)])
        except IngestError as away:
            log.warning("health: %s", away)
            return False
        return True

    def _record(self, items: Sequence[Item]) -> list[Recorded | Exception]:
        keys = [item_key(item, hashlib.sha256(item.octets).digest()) for item in items]
        try:
            return self._judged(items, keys)
        except IngestError as error:
            log.error("%d requests are told to come again: %s", len(items), error)  # noqa: TRY400 - words, no traceback
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                log.exception("a fault of tlsrpt-ingest, please report it; it was met at %s", items[0].origin)
                return [error]
        # One of them is the culprit, and the others have nothing to do with it.
        return [answer for item in items for answer in self._record([item])]

    def _judged(self, items: Sequence[Item], keys: Sequence[bytes]) -> list[Recorded | Exception]:
        known = record.known(self._engine, keys)
        # The same octets from the same client are the same item.
        ledger = {key for key, outcomes in known.items() if not any(outcome.is_open for outcome in outcomes)}
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in ledger}
        source = MemorySource(new.values())
        failure: IngestError | None = None
        try:
            ingest(source, self._engine, trust=self._trust)
        except IngestError as error:
            log.error("%s", error)  # noqa: TRY400 - words, no traceback
            failure = error
        became = {id(item): outcome for item, outcome in source.settled}
        outcomes = {key: became[id(item)] for key, item in new.items() if id(item) in became}
        refused = [key for key, outcome in outcomes.items() if outcome.is_open]
        reasons = ask.reasons(self._engine, refused) if refused else {}
        answers: list[Recorded | Exception] = []
        for key, item in zip(keys, items, strict=True):
            if key in outcomes and (new[key] is item or outcomes[key].is_open):
                answers.append(Recorded(outcomes[key], reasons.get(key)))
            elif key in ledger or key in outcomes:
                answers.append(Recorded(Outcome.DUPLICATE))
            else:
                answers.append(failure or Unavailable("the run ended before it was recorded"))
        return answers
