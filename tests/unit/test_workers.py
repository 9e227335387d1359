"""Who judges, and what happens when one of them dies over it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tlsrpt_ingest.errors import Unavailable
from tlsrpt_ingest.processes import ATTEMPTS, Processes
from tlsrpt_ingest.workers import LITTLE, Here, WhenMuch, Workers


@dataclass
class Result:
    """The numbers of a task that were handled, by whom, and those left."""

    numbers: list[int]
    pid: int
    rest: list[int] | None = None


def work(task: list[int]) -> Result:
    """One number at a time; the rest is another task."""
    return Result(task[:1], os.getpid(), task[1:] or None)


def deadly(folder: Path, times: int, task: list[int]) -> Result:
    """As `work`, but whoever is handed 5 dies of it, so many times."""
    died = len(list(folder.iterdir()))
    if 5 in task[:1] and died < times:
        (folder / str(died)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(task)


def tasks() -> Iterator[list[int]]:
    return iter([[0], [1, 2, 3], [4], [5, 6], *([number] for number in range(7, 30))])


@pytest.fixture
def processes() -> Iterator[Processes]:
    with closing(Processes(2)) as made:
        yield made


@pytest.mark.parametrize("where", ["here", "processes"])
def test_results_come_in_the_order_of_the_tasks_and_the_rest_before_the_next(where: str, processes: Processes) -> None:
    workers: Workers = Here() if where == "here" else processes
    results = [result for _task, result in workers.each(work, tasks())]
    assert [number for result in results for number in result.numbers] == list(range(30))
    assert ({result.pid for result in results} == {os.getpid()}) == (where == "here")


def test_few_tasks_are_taken_ahead(processes: Processes) -> None:
    taken = 0

    def counted() -> Iterator[list[int]]:
        nonlocal taken
        for number in range(1_000):
            taken = number + 1
            yield [number]

    with closing(processes.each(work, counted())) as results:
        for number, _result in enumerate(results):
            assert taken <= number + 7


def test_a_worker_that_dies_costs_nothing_but_time(processes: Processes, tmp_path: Path) -> None:
    results = [result for _task, result in processes.each(partial(deadly, tmp_path, ATTEMPTS - 1), tasks())]
    assert [number for result in results for number in result.numbers] == list(range(30))
    assert len(list(tmp_path.iterdir())) == ATTEMPTS - 1


def test_a_task_that_everybody_dies_over_is_told(processes: Processes, tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(Unavailable, match=rf"{ATTEMPTS} workers died over \[5, 6\]; .*--jobs 1"):
        collect(done, processes.each(partial(deadly, tmp_path, ATTEMPTS), tasks()))
    assert done == [0, 1, 2, 3, 4]


def test_an_error_of_a_worker_is_raised_in_its_place(processes: Processes) -> None:
    done: list[int] = []
    with pytest.raises(ZeroDivisionError):
        collect(done, processes.each(fail_at_five, tasks()))
    assert done == [0, 1, 2, 3, 4]


def test_where_no_process_can_be_started_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", no_memory)
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # beside other threads it would not fork
    with pytest.raises(Unavailable, match=r"Cannot allocate memory.*--jobs 1"):
        Processes(2)


def no_memory() -> int:
    raise OSError(12, "Cannot allocate memory")


def collect(done: list[int], results: Iterator[tuple[list[int], Result]]) -> None:
    for _task, result in results:
        done += result.numbers


def fail_at_five(task: list[int]) -> Result:
    if 5 in task:
        raise ZeroDivisionError
    return work(task)


def test_for_a_little_no_process_is_started() -> None:
    with closing(WhenMuch(partial(Processes, 2))) as workers:
        few = [result.pid for _task, result in workers.each(work, iter([[number] for number in range(LITTLE)]))]
        assert set(few) == {os.getpid()}
        many = list(workers.each(work, iter([[number] for number in range(3 * LITTLE)])))
        assert [result.numbers for _task, result in many] == [[number] for number in range(3 * LITTLE)]
        assert os.getpid() == many[LITTLE - 1][1].pid != many[LITTLE][1].pid
        again = [result.pid for _task, result in workers.each(work, iter([[1], [2]]))]
        assert os.getpid() not in again
