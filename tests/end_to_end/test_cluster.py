"""`backfill --cluster` with a real Dask scheduler and real workers."""

import json
import re
from pathlib import Path

import pytest

from tests import builders
from tests.end_to_end.archives import GOOD, good, interleaved, nasty
from tests.end_to_end.databases import deliveries_so_far, outcomes, rows
from tests.installed import PATIENCE, Program
from tests.servers.dask import Scheduler
from tests.servers.process import free_port

MANY = 8_000


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mbox of several shards."""
    return builders.write_mbox(tmp_path_factory.mktemp("archive") / "many.mbox", good(MANY))


def test_the_rows_are_those_of_one_process(program: Program, dask: Scheduler, tmp_path: Path, archive: Path) -> None:
    dask.worker()
    dask.worker()
    mails = list(interleaved(good(GOOD), (octets for octets, _outcome in nasty())))
    # Shards and items in hand, and the good mails of the one are some of those of the other.
    small = builders.write_mbox(tmp_path / "small.mbox", mails)
    alone, many = (f"sqlite:///{tmp_path / name}.db" for name in ("alone", "many"))
    assert program("backfill", "--jobs", "1", "--database", alone, archive, small).status == 0
    ran = program("backfill", "--json", "--cluster", dask.url, "--database", many, archive, small)
    assert (ran.status, ran.stderr) == (0, _rejected(ran.stderr))
    assert json.loads(ran.stdout)["items"] == MANY + len(mails)
    assert rows(many) == rows(alone)


def _rejected(words: str) -> str:
    """Of what is said, the lines about rejected mails."""
    lines = words.splitlines(keepends=True)
    return "".join(line for line in lines if re.match(r"tlsrpt-ingest: (rejected|and \d+ more)", line))


def test_a_worker_that_is_killed_costs_no_report(
    program: Program, dask: Scheduler, tmp_path: Path, archive: Path
) -> None:
    victim, _other = dask.worker(), dask.worker()
    file = tmp_path / "tlsrpt.db"
    with program.started("backfill", "--cluster", dask.url, "--database", f"sqlite:///{file}", archive) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        victim.kill()
        still_running = process.poll() is None
        _out, err = process.communicate(timeout=PATIENCE)
    assert still_running, "the run was over before the worker was killed"
    assert process.returncode == 0, err
    assert outcomes(f"sqlite:///{file}") == {"recorded": MANY}


def test_a_scheduler_that_goes_away_is_unavailable_and_the_next_run_goes_on(
    program: Program, dask: Scheduler, tmp_path: Path, archive: Path
) -> None:
    worker = dask.worker()
    file = tmp_path / "tlsrpt.db"
    with program.started("backfill", "--cluster", dask.url, "--database", f"sqlite:///{file}", archive) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        dask.process.kill()
        worker.kill()
        _out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 75, err
    assert f"the scheduler at {dask.url} went away".encode() in err
    assert b"Traceback" not in err, err.decode()
    assert program("backfill", "--jobs", "1", "--database", f"sqlite:///{file}", archive).status == 0
    assert outcomes(f"sqlite:///{file}") == {"recorded": MANY}


def test_a_scheduler_that_does_not_answer_is_unavailable(program: Program, tmp_path: Path) -> None:
    path = builders.write_mbox(tmp_path / "one.mbox", good(1))
    url = f"tcp://127.0.0.1:{free_port()}"
    ran = program("backfill", "--cluster", url, path)
    assert ran.status == 75
    assert ran.stderr.startswith(f"tlsrpt-ingest: no Dask scheduler answers at {url}: ")
    assert len(ran.stderr.splitlines()) == 1


PATCH = "import importlib.metadata\n{0}\nimportlib.metadata.version = version\n"
LACKS = PATCH.format("def version(name):\n    raise importlib.metadata.PackageNotFoundError(name)\n")
OLD = PATCH.format("def version(name):\n    return '0.0.1'\n")
PYTHON = "import platform\nplatform.python_version_tuple = lambda: ('3', '9', '1')\n"


@pytest.mark.parametrize(
    ("preload", "words"),
    [
        (LACKS, "lacks tlsrpt-ingest; install tlsrpt-ingest "),
        (OLD, "has tlsrpt-ingest 0.0.1; install tlsrpt-ingest "),
        (PYTHON, "runs Python 3.9.1 and we "),
    ],
    ids=["without", "old", "python"],
)
def test_a_worker_with_something_else_is_told(
    program: Program, dask: Scheduler, tmp_path: Path, preload: str, words: str
) -> None:
    dask.worker(preload)
    ran = program("backfill", "--cluster", dask.url, builders.write_mbox(tmp_path / "one.mbox", good(1)))
    assert ran.status == 78
    assert re.match(rf"tlsrpt-ingest: the worker at tcp://127\.0\.0\.1:\d+ {re.escape(words)}", ran.stderr)


def test_workers_that_are_not_there_or_do_not_see_the_archive_are_told(
    program: Program, dask: Scheduler, tmp_path: Path
) -> None:
    builders.write_mbox(tmp_path / "one.mbox", good(1))
    path = "/proc/self/cwd/one.mbox"  # another place for each process
    ran = program("backfill", "--cluster", dask.url, path, cwd=tmp_path)
    assert ran.status == 75
    assert f"has no worker; start some with: dask worker {dask.url}" in ran.stderr
    dask.worker()
    ran = program("backfill", "--cluster", dask.url, path, cwd=tmp_path)
    assert ran.status == 78
    assert f"does not see {path}" in ran.stderr


def test_jobs_and_cluster_do_not_go_together(program: Program, tmp_path: Path) -> None:
    ran = program("backfill", "--jobs", "2", "--cluster", "tcp://127.0.0.1:1", tmp_path)
    assert ran.status == 2
    assert "do not go together" in ran.stderr
