"""The tables of a run as Markdown, and as a plot, in docs/performance.md."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.measure import Contender

BEGIN: Final = "<!-- measured: written by `make bench` -->"
END: Final = "<!-- end of what was measured -->"
COLOURS: Final = {"ours": "#1f6f8b", "floor": "#b9c4c9", "parsedmarc": "#c8553d"}


@dataclass(slots=True)
class Comparison:
    """What ran side by side, for each kind of message."""

    title: str
    about: str
    rows: list[tuple[str, int, dict[str, float]]] = field(default_factory=list)
    """Kind, count, and messages a second by name."""
    peaks: list[float] = field(default_factory=list)

    def add(self, kind: str, count: int, contenders: Sequence[Contender]) -> None:
        """Add the medians of a kind."""
        self.rows.append((kind, count, {one.name: count / one.seconds() for one in contenders}))
        self.peaks.extend(one.peak() for one in contenders if one.name == "ours")

    def table(self) -> str:
        """A Markdown table."""
        names = list(self.rows[0][2])
        others = names[1:]
        head = ["messages/s", *names, *(f"ours : {name}" for name in others)]
        lines = [head, ["---", *("---:" for _ in head[1:])]]
        for kind, _count, rates in self.rows:
            ratios = (f"{rates[names[0]] / rates[name]:.2f}" for name in others)
            lines.append([kind, *(f"{rates[name]:,.0f}" for name in names), *ratios])
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{self.about}\n\n{table}\n\nPeak memory of ours: {max(self.peaks):.0f} MiB.\n"


def write(docs: Path, comparisons: Sequence[Comparison], circumstances: str, *, page: bool) -> str:
    """The tables; with `page`, put into docs/performance.md in place of the last run's, with the plot beside it."""
    text = "\n".join([circumstances + "\n", *(one.table() for one in comparisons)])
    if page:
        path = docs / "performance.md"
        before, _begin, rest = path.read_text().partition(BEGIN)
        _old, _end, behind = rest.partition(END)
        plot = "![Messages a second, side by side](performance.svg)\n"
        path.write_text(f"{before}{BEGIN}\n\n{plot}\n{text}\n{END}{behind}")
        (docs / "performance.svg").write_text(svg(comparisons))
    return text


def svg(comparisons: Sequence[Comparison]) -> str:
    """Bars on a logarithmic scale, one for each contender and kind."""
    bars = []
    top = 20
    for comparison in comparisons:
        bars.append(f'<text x="4" y="{top}" font-weight="bold">{comparison.title}, messages/s</text>')
        for kind, _count, rates in comparison.rows:
            top += 6
            for name, rate in rates.items():
                top += 14
                width = max(math.log10(rate), 0.1) * 90
                bars.append(f'<text x="4" y="{top}">{kind}, {name}</text>')
                bars.append(f'<rect x="150" y="{top - 10}" width="{width:.0f}" height="11" fill="{COLOURS[name]}"/>')
                bars.append(f'<text x="{156 + width:.0f}" y="{top}">{rate:,.0f}</text>')
        top += 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{top}" font-family="sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(bars) + "\n</svg>\n"
    )
