"""Fuzzing's short run: what was found once, every seed, and some mutations of them. The long one is `make fuzz`."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import WORDS, found, seeds
from tests.fuzz.targets import TARGETS


def _known() -> Iterator[object]:
    for target in TARGETS:
        for number, octets in enumerate(seeds(target)):
            yield pytest.param(target, octets, id=f"{target}-{number}")
        for name, octets in found(target):
            yield pytest.param(target, octets, id=f"{target}-{name}")


@pytest.mark.parametrize(("target", "octets"), list(_known()))
def test_what_fuzzing_starts_from_holds(target: str, octets: bytes) -> None:
    TARGETS[target](octets)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=300)
@given(st.data())
def test_mutations_hold(target: str, data: st.DataObject) -> None:
    some = st.sampled_from(list(seeds(target)))
    octets = bytearray(data.draw(some))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets)))
        piece = data.draw(st.sampled_from(WORDS[target]) | st.binary(max_size=8) | some)
        octets[at : at + data.draw(st.integers(0, 40))] = piece
    TARGETS[target](bytes(octets))
