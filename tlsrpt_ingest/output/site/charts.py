"""Numbers as the paths and places of SVG charts. Pure, and blind to text: nothing of a stranger comes in here.

Bars are drawn in a box whose width is the number of days and which the page stretches; labels are placed in per cent
beside it, so that they keep their size on any screen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

from tlsrpt_ingest.output.stretches import squeezed, stretches

LEAST: Final = 2
"""Per cent of the height that the smallest bar has: one failure among thousands is still to be seen."""

SPARKS: Final = 60
"""Bars of a sparkline; with more days a bar stands for several."""

DAILY: Final = 190
CELLS: Final = 600
"""Rows and cells of a chart's table, and bars of a row of failures; with more, rows are weeks and bars several days."""

BAR: Final = 0.8
"""Of the width of a day."""

EDGE: Final = 0.12
"""Half a label, of the width of a chart on a phone."""

TICKS: Final = 4
"""Labels of a day axis; on a phone there is no room for more."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on the axis of days: what it says, where (per cent of the width), and which of its ends is there."""

    label: str
    place: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A row of a chart's table: the days of `numbers[start:stop]`."""

    label: str
    start: int
    stop: int

    def total(self, numbers: Sequence[int]) -> int:
        """Their sum."""
        return sum(numbers[self.start : self.stop])


def bars(numbers: Sequence[int], *, down: bool = False) -> Markup:
    """The path of a bar for each number, in a box of `len(numbers)` by 100: up from its floor, or down from its top.

    One line along the floor and around the bars, which is the shortest there is: pages have thousands of them.
    """
    highest = max(numbers, default=0)
    floor = 0 if down else 100
    drawn = [f"M0 {floor}"]
    blank = 0.0
    for number in numbers:
        if number <= 0:
            blank += 1
            continue
        if blank:
            drawn.append(f"h{blank:.3g}")
        height = max(LEAST, round(100 * number / highest))
        drawn.append(f"V{height if down else 100 - height}h.8V{floor}")  # BAR, as short as it can be written
        blank = 1 - BAR
    return Markup("".join(drawn))  # noqa: S704 - numbers only


def spark(numbers: Sequence[int], most: int = SPARKS) -> list[int]:
    """The numbers, or sums of several neighbours, so that there are at most `most`."""
    return squeezed(numbers, most)


def sums(series: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The sums of each day over several series."""
    return tuple(map(sum, zip(*series, strict=True)))


def rows(first: date, count: int, columns: int = 1) -> list[Stretch]:
    """The rows of a chart's table, the latest first: days, or weeks where these would be too many."""
    steps = stretches(count, 1 if count <= DAILY and count * columns <= CELLS else 7)
    return [
        Stretch(
            f"{first + timedelta(days=start)}"
            + (f" to {first + timedelta(days=stop - 1)}" if stop - start > 1 else ""),
            start,
            stop,
        )
        for start, stop in reversed(steps)
    ]


def ticks(first: date, last: date) -> list[Tick]:
    """Labels for the days from `first` to `last`: firsts of months where there are enough, else some days."""
    count = (last - first).days + 1
    days = [first + timedelta(days=number) for number in range(count)]
    months = [day for day in days if day.day == 1]
    chosen = _some(months) if len(months) >= 2 else _some(days)  # noqa: PLR2004 - one alone tells no scale
    return [_tick(day, (day - first).days, count) for day in chosen]


def span(first: date, last: date, begin: date, end: date) -> tuple[str, str]:
    """Where on the axis from `first` to `last` the days from `begin` to `end` start, and how wide they are."""
    count = (last - first).days + 1
    start = max(0, (begin - first).days)
    stop = min(count, (end - first).days + 1)
    return _percent(start, count), _percent(max(stop - start, 0), count)


def _some(days: Sequence[date]) -> Sequence[date]:
    step = -(-len(days) // TICKS)
    return days[::step]


def _tick(day: date, number: int, count: int) -> Tick:
    # A label in the middle of its day; near an edge, where half of it would be cut, from that side of the day on.
    middle = (number + BAR / 2) / count
    if middle < EDGE:
        return Tick(_label(day), f"{number / count:.2%}", "start")
    if middle > 1 - EDGE:
        return Tick(_label(day), f"{(number + BAR) / count:.2%}", "end")
    return Tick(_label(day), f"{middle:.2%}", "middle")


def _label(day: date) -> str:
    return f"{day:%Y-%m-%d}"


def _percent(number: int, count: int) -> str:
    return f"{number / count:.2%}"
