"""Tasks: what one call judges, what it leaves, and what it need not look at."""

import hashlib
import pickle
from pathlib import Path

import pytest

from tests import builders
from tlsrpt_ingest import limits
from tlsrpt_ingest.errors import Unreadable
from tlsrpt_ingest.judging import NOTHING, Found, Task, item_key, judge_task
from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.sources import Item
from tlsrpt_ingest.sources.files import FileSource
from tlsrpt_ingest.sources.shard import OCTETS, Shard


@pytest.fixture(params=["items", "shard"])
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Task:
    if request.param == "items":
        items = [Item(f"memory:{number}", builders.mail(number=number), position=number) for number in range(50)]
        return Task(items, {}, [hashlib.sha256(item.octets).digest() for item in items])
    path = builders.write_mbox(tmp_path / "large.mbox", (builders.mail(number=number) for number in range(3_000)))
    assert path.stat().st_size > OCTETS
    shard = next(iter(FileSource(path).pieces()))
    assert isinstance(shard, Shard)
    return Task(shard, {})


def judged(task: Task | None) -> list[Found]:
    """What becomes of a task and of its rests, each as it comes back from another process."""
    found: list[Found] = []
    while task is not None:
        result = pickle.loads(pickle.dumps(judge_task(pickle.loads(pickle.dumps(task)))))  # noqa: S301 - our own
        found += result.found
        task = result.rest
    return found


def test_the_rests_hold_what_was_left(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = judged(task)
    assert len({one.key for one in whole}) == len(whole) >= 50
    monkeypatch.setattr(limits, "TASK_ROWS", 30)
    assert judge_task(task).rest is not None
    assert judged(task) == whole


def test_what_the_ledger_has_the_final_outcome_of_is_not_looked_at(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = judged(task)
    final = {one.key: [Outcome.RECORDED] for one in whole}
    monkeypatch.setattr("tlsrpt_ingest.judging.judge", None)
    assert judged(Task(task.source, final, task.digests)) == [Found(one.key, ()) for one in whole]


def test_what_was_rejected_is_judged_again(task: Task) -> None:
    whole = judged(task)
    rejected = {one.key: [Outcome.RECORDED, Outcome.REJECTED] for one in whole}
    assert judged(Task(task.source, rejected, task.digests)) == whole


def test_what_could_not_be_had_keeps_its_key() -> None:
    item = Item("memory:1", builders.mail(), position=1)
    digest = hashlib.sha256(item.octets).digest()
    without = item_key(item, NOTHING)
    [found] = judge_task(Task([item], {without: [Outcome.REJECTED]}, [digest])).found
    assert found.key == without != item_key(item, digest)


def test_a_fault_nobody_foresaw_costs_its_document_and_not_the_run(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tlsrpt_ingest.judging.read", broken)
    deliveries = [delivery for one in judged(task) for delivery in one.deliveries]
    assert deliveries
    assert {(delivery.stage, delivery.code) for delivery in deliveries} == {("document", "unforeseen")}


def test_a_failure_goes_from_one_process_to_another() -> None:
    item = Item("memory:1", b"", failure=Unreadable("fetch", "too-large", "it is too large"))
    [found] = judged(Task([item], {}, [NOTHING]))
    assert found.deliveries[0][9:12] == ("fetch", "too-large", "it is too large")
