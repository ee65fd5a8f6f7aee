"""The ring: a commit is found by its version, or known to be gone."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.ring import Ring


class Step(NamedTuple):
    version: int


@given(st.integers(1, 6), st.integers(0, 20), st.data())
def test_it_holds_the_last_of_them_and_says_so_of_the_rest(
    capacity: int, count: int, data: st.DataObject
) -> None:
    ring: Ring[Step] = Ring(capacity)
    for version in range(1, count + 1):
        ring.slots[version % capacity] = Step(version)
    for version in range(1, count + 1):
        expected = Step(version) if version > count - capacity else None
        assert ring.get(version) == expected
    after = data.draw(st.integers(0, count))
    upto = data.draw(st.integers(after, count))
    wanted = [Step(version) for version in range(after + 1, upto + 1)]
    there = all(step.version > count - capacity for step in wanted)
    assert ring.span(after, upto) == (wanted if there else None)


@pytest.mark.parametrize("hole", [1, 2, 3])
def test_a_span_with_a_hole_is_none(hole: int) -> None:
    ring: Ring[Step] = Ring(4)
    for version in (1, 2, 3):
        if version != hole:
            ring.slots[version % 4] = Step(version)
    assert ring.span(0, 3) is None
