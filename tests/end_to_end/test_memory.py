"""Memory does not grow with the mailbox. `benchmarks/memory.py` measures the same over 200,000 messages."""

from pathlib import Path

from tests import builders
from tests.end_to_end.archives import good
from tests.installed import Program


def test_ten_times_the_messages_take_the_same_memory(program: Program, tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 20_000):
        path = builders.write_mbox(tmp_path / f"{count}.mbox", good(count))
        ran = program.measured("backfill", "--database", f"sqlite:///{tmp_path / f'{count}.db'}", path)
        assert ran.status == 0
        peaks.append(ran.peak)
    assert peaks[1] <= 1.1 * peaks[0]
