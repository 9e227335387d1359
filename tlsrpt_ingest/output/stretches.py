"""Days put together where there are more than a picture or a table has room for. Pure."""

from collections.abc import Sequence


def stretches(count: int, size: int) -> list[tuple[int, int]]:
    """Slices of `size` days that cover `count` of them; the last is a whole one, the first has what is left over."""
    short = count % size
    heads = [(0, short)] if short else []
    return heads + [(start, start + size) for start in range(short, count, size)]


def squeezed(numbers: Sequence[int], most: int) -> list[int]:
    """The numbers, or sums of several neighbours, so that there are at most `most`."""
    size = max(1, -(-len(numbers) // most))
    return [sum(numbers[start:stop]) for start, stop in stretches(len(numbers), size)]
