"""How much of a tree some writes copy: as many nodes as they fall on, on the average."""

from __future__ import annotations

from itertools import product
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.paths import reached


@pytest.mark.parametrize("nodes", range(1, 6))
@pytest.mark.parametrize("writes", range(6))
def test_it_is_the_mean_of_all_ways_in_which_the_writes_may_fall(nodes: int, writes: int) -> None:
    ways = product(range(nodes), repeat=writes)
    assert reached(nodes, writes) == pytest.approx(mean(len({*way}) for way in ways))


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_no_more_are_reached_than_there_are_nor_than_are_written(nodes: int, writes: int) -> None:
    assert 0 <= reached(nodes, writes) <= min(nodes, writes) + 1e-3
    assert reached(nodes, writes) <= reached(nodes, writes + 1) + 1e-3
