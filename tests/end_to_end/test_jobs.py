"""`backfill --jobs`: whoever judges, the rows are those of one process; a worker that dies costs time."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests import builders
from tests.end_to_end.archives import GOOD, good, interleaved, nasty
from tests.end_to_end.databases import deliveries_so_far, outcomes, rows
from tests.installed import PATIENCE, Program

MANY = 8_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mbox of several shards."""
    return builders.write_mbox(tmp_path_factory.mktemp("archive") / "many.mbox", good(MANY))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed if not _is_gone(int(child))]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def wait_for(pids: list[int]) -> None:
    while not all(map(_is_gone, pids)):
        pass


@pytest.mark.parametrize("form", ["mbox", "folder"])
def test_the_rows_and_the_sums_are_those_of_one_process(program: Program, tmp_path: Path, form: str) -> None:
    mails = list(interleaved(good(GOOD), (octets for octets, _outcome in nasty())))
    # Some once more, and some that say something else: what is recorded and what is conflicting depends on the order.
    mails += [builders.mail(number=number, message_id=f"<again{number}@reporter.example>") for number in range(100)]
    for number in range(100):
        other = builders.document(builders.report(number, contact_info="somebody@else.example"))
        mails.append(builders.mail(builders.gzipped(other), number=number, message_id=f"<else{number}@example.com>"))
    if form == "mbox":
        path = builders.write_mbox(tmp_path / "archive.mbox", [*mails, *good(MANY // 2, first=50_000)])
    else:
        path = tmp_path / "archive"
        path.mkdir()
        for number, octets in enumerate(mails):
            (path / f"{number:05}.eml").write_bytes(octets)
    sums = []
    for jobs in ("1", "3"):
        ran = program("backfill", "--json", "--jobs", jobs, "--database", f"sqlite:///{tmp_path / jobs}.db", path)
        assert ran.status == 0, ran.stderr
        sums.append(json.loads(ran.stdout) | {"seconds": None})
    assert sums[0] == sums[1]
    assert rows(f"sqlite:///{tmp_path / '1.db'}") == rows(f"sqlite:///{tmp_path / '3.db'}")


def test_read_again_everything_is_known(program: Program, archive: Path, tmp_path: Path) -> None:
    command = ("backfill", "--json", "--jobs", "2", "--database", f"sqlite:///{tmp_path / 'tlsrpt.db'}", archive)
    assert json.loads(program(*command).stdout)["recorded"] == MANY
    again = json.loads(program(*command).stdout)
    assert (again["items"], again["duplicate"], again["recorded"]) == (MANY, MANY, 0)


@pytest.mark.parametrize("victims", [1, 2])
def test_workers_that_are_killed_cost_no_report(program: Program, archive: Path, tmp_path: Path, victims: int) -> None:
    file = tmp_path / "tlsrpt.db"
    with program.started("backfill", "--jobs", "2", "--database", f"sqlite:///{file}", archive) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        killed = children(process.pid)[:victims]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        _out, err = process.communicate(timeout=PATIENCE)
    assert len(killed) == victims, "the run was over before anybody was killed"
    assert process.returncode == 0, err
    assert outcomes(f"sqlite:///{file}") == {"recorded": MANY}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_of_them_ends_the_run_after_the_batch_in_hand(
    program: Program, archive: Path, tmp_path: Path, number: int
) -> None:
    """As Ctrl-C on a terminal and `systemctl stop` send it."""
    file = tmp_path / "tlsrpt.db"
    with program.started("backfill", "--json", "--jobs", "2", "--database", f"sqlite:///{file}", archive) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        workers = children(process.pid)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, err
    assert b"stopped after the batch in hand" in err
    assert b"Traceback" not in err
    assert outcomes(f"sqlite:///{file}") == {"recorded": json.loads(out)["recorded"]}
    assert workers
    assert all(map(_is_gone, workers))


def test_workers_do_not_outlive_a_writer_that_is_killed(program: Program, archive: Path, tmp_path: Path) -> None:
    file = tmp_path / "tlsrpt.db"
    with program.started("backfill", "--jobs", "3", "--database", f"sqlite:///{file}", archive) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        workers = children(process.pid)
        process.kill()
    assert workers
    wait_for(workers)
