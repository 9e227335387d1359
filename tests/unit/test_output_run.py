"""A run's output: one line, one object, and a bar that only a terminal sees."""

import io
from collections import Counter

import pytest

from tlsrpt_ingest.outcome import Outcome
from tlsrpt_ingest.output.progress import progress
from tlsrpt_ingest.output.tally import as_json, one_line
from tlsrpt_ingest.output.terminal import open_console
from tlsrpt_ingest.tally import Tally

TALLY = Tally(
    items=5,
    outcomes=Counter({Outcome.RECORDED: 1234, Outcome.NOT_A_REPORT: 1, Outcome.REJECTED: 2}),
    deviations=Counter({"upper-case": 2, "blank": 1}),
    seconds=1.23456,
)


def test_the_line() -> None:
    assert one_line(TALLY) == "5 items: 1,234 recorded, 2 rejected, 1 not a report; 1.2 s"
    assert one_line(Tally(items=1)) == "1 item: 0 recorded, 0 rejected; 0.0 s"


def test_the_object_adds_up() -> None:
    shape = as_json(TALLY)
    outcomes = {str(outcome): shape[outcome] for outcome in Outcome}
    assert {name: count for name, count in outcomes.items() if count} == {
        "recorded": 1234, "rejected": 2, "not_a_report": 1
    }  # fmt: skip
    assert shape["deliveries"] == sum(outcomes.values())
    assert shape["items"] == 5
    assert list(shape["deviations"].items()) == [("blank", 1), ("upper-case", 2)]
    assert shape["seconds"] == 1.235
    assert shape["interrupted"] is False


class Measured:
    origin = "file:///srv/" + "long/" * 20 + "\x1b[2J\u202e[red]2024.mbox"
    octets_total: int | None = 1000
    octets_read = 0


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_bar_without_a_terminal() -> None:
    stream = io.StringIO()
    with progress(Measured(), open_console(stream)) as tell:
        tell(Measured())
    assert stream.getvalue() == ""


@pytest.mark.parametrize("total", [1000, None])
def test_a_bar_on_a_terminal_goes_away(total: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Tty()
    source = Measured()
    source.octets_total = total
    with progress(source, open_console(stream, width=100)) as tell:
        source.octets_read = 500
        tell(source)
    text = stream.getvalue()
    assert r"\x1b[2J\u202e[red]2024.mbox" in text
    assert "0.5" in text or "500" in text
    assert "\x1b[2J" not in text
    assert text.endswith("\x1b[2K")  # the line is erased again
