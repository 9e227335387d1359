"""The tables of what was measured as Markdown, and as a plot, in docs/performance.md."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measure import Comparison, Result

BEGIN: Final = "<!-- measured: written by `make bench` -->"
END: Final = "<!-- end of what was measured -->"

_COLOURS: Final = {"ours": "#1f6f8b", "parsedmarc": "#c8553d"}
_OTHER: Final = "#8a979d"

_LEFT: Final = 210
_WIDTH: Final = 640
_LINE: Final = 16


def table(comparison: Comparison) -> str:
    """A Markdown table of rates and ratios."""
    names = [one.name for one in comparison.rows[0][1]]
    first, others = names[0], names[1:]
    head = ["messages/s", *names, *(f"{first} : {name}" for name in others)]
    lines = [head, ["---", *("---:" for _ in head[1:])]]
    for kind, results in comparison.rows:
        ratios = (f"{results[0].rate / one.rate:.2f}" for one in results[1:])
        lines.append([kind, *(f"{one.rate:,.0f}" for one in results), *ratios])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    peak = max(results[0].peak for _kind, results in comparison.rows)
    footing = f"{_counts(comparison)} Peak memory of ours: {peak:.0f} MiB."
    return "\n\n".join([f"### {comparison.title}", comparison.about, text, footing]) + "\n"


def _counts(comparison: Comparison) -> str:
    """How many messages each read."""
    parts = []
    for kind, results in comparison.rows:
        different = [f"{one.name} {one.count:,}" for one in results if one.count != results[0].count]
        parts.append(f"{results[0].count:,} {kind}" + (f" ({', '.join(different)})" if different else ""))
    return f"Messages: {', '.join(parts)}."


def write(docs: Path, comparisons: Sequence[tuple[Comparison, str]], growth: str) -> None:
    """Put the tables into docs/performance.md in place of those before, with the plot beside it."""
    path = docs / "performance.md"
    before, _begin, rest = path.read_text().partition(BEGIN)
    _old, _end, behind = rest.partition(END)
    plot = "![Messages a second, side by side](performance.svg)\n"
    circumstances = "\n".join(dict.fromkeys(f"{words}\n" for _one, words in comparisons))
    text = "\n".join([circumstances, plot, *(table(one) for one, _words in comparisons), growth])
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{behind}")
    (docs / "performance.svg").write_text(svg([one for one, _words in comparisons]))


def svg(comparisons: Sequence[Comparison]) -> str:
    """Bars on a logarithmic scale, one for each contender and kind."""
    most = max(one.rate for comparison in comparisons for _kind, results in comparison.rows for one in results)
    decades = math.ceil(math.log10(most))
    scale = (_WIDTH - _LEFT - 70) / decades
    parts: list[str] = []
    top = 12
    for comparison in comparisons:
        top += _LINE
        parts.append(f'<text x="8" y="{top}" font-weight="bold">{comparison.title}</text>')
        axis = top + 10
        top = axis + 6
        for kind, results in comparison.rows:
            for number, one in enumerate(results):
                top += _LINE
                parts += _bar(one, kind if number == 0 else "", top, scale)
            top += 5
        lines = (
            f'<line x1="{x}" y1="{axis + 3}" x2="{x}" y2="{top}" stroke="#d5dadc"/>'
            f'<text x="{x}" y="{axis}" fill="#5c6a70" font-size="10" text-anchor="middle">{10**decade:,}</text>'
            for decade in range(1, decades + 1)
            for x in [round(_LEFT + decade * scale)]
        )
        parts[-1:] = [*lines, parts[-1]]
        top += 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}" '
        'font-family="sans-serif" font-size="12" fill="#1b2529">\n<title>Messages a second, logarithmic</title>\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(one: Result, kind: str, top: int, scale: float) -> list[str]:
    width = max(math.log10(max(one.rate, 1.1)) * scale, 1)
    colour = next((colour for name, colour in _COLOURS.items() if one.name.startswith(name)), _OTHER)
    return [
        f'<text x="8" y="{top}">{kind}</text>',
        f'<text x="{_LEFT - 8}" y="{top}" text-anchor="end">{one.name}</text>',
        f'<rect x="{_LEFT}" y="{top - 10}" width="{width:.0f}" height="12" fill="{colour}"/>',
        f'<text x="{_LEFT + width + 5:.0f}" y="{top}">{one.rate:,.0f}</text>',
    ]
