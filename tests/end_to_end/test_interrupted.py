"""Killed, stopped or run twice at once: the rows are those of one undisturbed run."""

import json
import os
import random
import signal
from pathlib import Path

import pytest

from tests.end_to_end.archives import small_mboxes
from tests.end_to_end.databases import deliveries_so_far, outcomes, ready, rows
from tests.installed import PATIENCE, Program

KILLS = 20
FILES = 240
MAILS = 20


def undisturbed(program: Program, paths: list[Path], folder: Path) -> dict[str, list[tuple[object, ...]]]:
    database = f"sqlite:///{folder / 'undisturbed.db'}"
    assert program("backfill", "--database", database, *paths).status == 0
    return rows(database)


def test_twenty_kills_and_one_whole_run(program: Program, tmp_path: Path) -> None:
    paths = small_mboxes(tmp_path / "archive", FILES, MAILS)
    file = tmp_path / "killed.db"
    database = f"sqlite:///{file}"
    rng = random.Random(9)  # noqa: S311 - for moments, not for secrets
    killed = 0
    for number in range(KILLS):
        # The first kills come while the tables are made, the others a few commits after wherever the last one came.
        target = 0 if number < 3 else deliveries_so_far(file) + rng.randrange(3 * MAILS)
        with program.started("backfill", "--database", database, *paths) as process:
            while process.poll() is None and not (file.exists() and deliveries_so_far(file) >= target):
                pass
            for _ in range(rng.randrange(40)):  # somewhat into the next transaction
                deliveries_so_far(file)
            if process.poll() is None:
                killed += 1
                os.killpg(process.pid, signal.SIGKILL)
    assert killed > KILLS // 2
    assert 0 < deliveries_so_far(file) < FILES * MAILS, "the kills came too early or too late to say anything"
    assert program("backfill", "--database", database, *paths).status == 0
    assert rows(database) == undisturbed(program, paths, tmp_path)


@pytest.mark.parametrize("reverse", [False, True], ids=["same-order", "opposite-order"])
def test_two_at_once(program: Program, database: str, tmp_path: Path, *, reverse: bool) -> None:
    ready(program, database)
    paths = small_mboxes(tmp_path / "archive", 12, 50)
    others = paths[::-1] if reverse else paths
    with (
        program.started("backfill", "--json", "--database", database, *paths) as one,
        program.started("backfill", "--json", "--database", database, *others) as two,
    ):
        ends = [process.communicate(timeout=PATIENCE) for process in (one, two)]
    assert [one.returncode, two.returncode] == [0, 0], ends
    counts = [json.loads(out) for out, _err in ends]
    assert [count["items"] for count in counts] == [600, 600]
    assert sum(count["recorded"] for count in counts) == 600
    assert sum(count["duplicate"] for count in counts) == 600
    assert rows(database) == undisturbed(program, paths, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_batch_in_hand_and_says_so(program: Program, tmp_path: Path, number: int) -> None:
    paths = small_mboxes(tmp_path / "archive", FILES, MAILS)
    file = tmp_path / "stopped.db"
    database = f"sqlite:///{file}"
    with program.started("backfill", "--json", "--database", database, *paths) as process:
        while process.poll() is None and not deliveries_so_far(file):
            pass
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert b"stopped after the batch in hand" in err
    done = json.loads(out)["recorded"]
    assert 0 < done < FILES * MAILS
    assert done % MAILS == 0
    assert outcomes(database) == {"recorded": done}
    assert program("backfill", "--database", database, *paths).status == 0
    assert rows(database) == undisturbed(program, paths, tmp_path)
