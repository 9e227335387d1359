"""From posted items to their outcomes, several at once."""

import asyncio

import pytest
from sqlalchemy import Engine, text

from tests import builders
from tlsrpt_ingest.errors import IngestError
from tlsrpt_ingest.ingest import ingest
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.receive import recording
from tlsrpt_ingest.receive.recording import Recorded, Recorder
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.memory import MemorySource
from tlsrpt_ingest.store import schema
from tlsrpt_ingest.store.engine import open_engine, writing


@pytest.fixture
def engine(sqlite: str) -> Engine:
    engine = open_engine(sqlite)
    schema.ready(engine)
    return engine


def item(number: int, path: str = "/", octets: bytes | None = None) -> Item:
    octets = builders.document(builders.report(number)) if octets is None else octets
    return Item(f"post://192.0.2.1{path}", octets, repeatable=False, media_type="application/tlsrpt+json")


def ledger(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT origin, outcome FROM delivery ORDER BY origin")).all()
    return [(origin, outcome) for origin, outcome in rows]


async def recorded(recorder: Recorder, *items: Item) -> list[Recorded]:
    running = asyncio.create_task(recorder.run())
    answers = await asyncio.gather(*(recorder.record(one) for one in items))
    recorder.close()
    await running
    return list(answers)


def test_each_of_a_batch_has_its_own_outcome(engine: Engine) -> None:
    answers = asyncio.run(
        recorded(Recorder(engine), item(0), item(1), item(0), item(0, "/other"), item(2, octets=b"hello"), item(1))
    )
    # The same item twice in one batch: one of the two is the one that was recorded.
    assert sorted(answers[index].outcome for index in (0, 2)) == [Outcome.DUPLICATE, Outcome.RECORDED]
    assert sorted(answers[index].outcome for index in (1, 5)) == [Outcome.DUPLICATE, Outcome.RECORDED]
    assert answers[3].outcome is Outcome.DUPLICATE
    assert answers[4] == Recorded(Outcome.REJECTED, "the body holds neither JSON nor gzip nor zip")
    assert ledger(engine) == [
        ("post://192.0.2.1/", "recorded"),
        ("post://192.0.2.1/", "recorded"),
        ("post://192.0.2.1/", "rejected"),
        ("post://192.0.2.1/other", "duplicate"),
    ]
    engine.dispose()


def test_what_was_given_up_before_its_turn_is_not_recorded(engine: Engine) -> None:
    async def crowd() -> None:
        recorder = Recorder(engine)
        running = asyncio.create_task(recorder.run())
        with writing(engine):
            first = asyncio.create_task(recorder.record(item(0, "/first")))
            # A few turns of the loop, and the first is in the hands of the thread, which waits for our lock.
            for _ in range(5):
                await asyncio.sleep(0)
            second = asyncio.create_task(recorder.record(item(1, "/second")))
            third = asyncio.create_task(recorder.record(item(2, "/third")))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
        assert (await first).outcome is Outcome.RECORDED
        assert (await third).outcome is Outcome.RECORDED
        recorder.close()
        await running

    asyncio.run(crowd())
    assert [origin.rpartition("/")[2] for origin, _outcome in ledger(engine)] == ["first", "third"]
    engine.dispose()


def test_nobody_waits_for_all_that_another_client_posted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[list[str]] = []

    def watched(source: MemorySource, *rest: object, **more: object) -> object:
        items = list(source.items())
        batches.append([one.origin.rpartition("/")[2] for one in items])
        return ingest(source, *rest, **more)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(recording, "ingest", watched)

    async def crowd() -> None:
        recorder = Recorder(engine)
        running = asyncio.create_task(recorder.run())
        posted = [recorder.record(item(number, f"/flood{number}"), "192.0.2.1") for number in range(9)]
        await asyncio.gather(*posted, recorder.record(item(9, "/other"), "192.0.2.2"))
        recorder.close()
        await running

    asyncio.run(crowd())
    assert batches == [
        ["flood0", "flood1", "flood2", "flood3", "other"],
        ["flood4", "flood5", "flood6", "flood7"],
        ["flood8"],
    ]
    engine.dispose()


def test_a_fault_costs_only_the_one_that_met_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(source: MemorySource, *rest: object, **more: object) -> object:
        items = list(source.items())
        if any(b"culprit" in one.octets for one in items):
            raise ZeroDivisionError
        return ingest(source, *rest, **more)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(recording, "ingest", faulty)

    async def crowd() -> list[Recorded | BaseException]:
        recorder = Recorder(engine)
        running = asyncio.create_task(recorder.run())
        items = [item(0), item(1, octets=b"culprit"), item(2)]
        answers = await asyncio.gather(*(recorder.record(one) for one in items), return_exceptions=True)
        recorder.close()
        await running
        return list(answers)

    first, culprit, last = asyncio.run(crowd())
    assert isinstance(culprit, ZeroDivisionError)
    assert [first, last] == [Recorded(Outcome.RECORDED)] * 2
    engine.dispose()


def test_a_database_that_is_away_says_so_to_everybody(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('empty') / 'no-tables.db'}")

    async def crowd() -> list[Recorded | BaseException]:
        recorder = Recorder(engine)
        running = asyncio.create_task(recorder.run())
        answers = await asyncio.gather(recorder.record(item(0)), recorder.record(item(1)), return_exceptions=True)
        assert not await recorder.answers()
        recorder.close()
        await running
        return list(answers)

    assert all(isinstance(answer, IngestError) for answer in asyncio.run(crowd()))
    engine.dispose()
