"""The reconciler does no harm: random worlds in which everything moves while it looks.

The rule that it replaces is run in the same worlds, so that the measure is known to measure
something. Worlds and measure are in `moving.py`.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import (
    CorrectionKind,
    PassOutcome,
)
from tests.positions.reconcile.moving import OPS, Op, OriginalRule, World, random_ops

ops_lists = st.lists(st.tuples(st.sampled_from(sorted(set(OPS))), st.integers(0, 999)), max_size=80)


@given(ops_lists)
def test_no_write_of_a_pass_does_harm_whatever_is_in_flight(ops: list[Op]) -> None:
    world = World(ops)
    world.run()
    assert world.harm == []


def test_no_write_of_a_pass_does_harm_in_long_worlds_and_every_kind_of_correction_occurs() -> None:
    made: Counter[CorrectionKind] = Counter()
    for seed in range(150):
        world = World(random_ops(seed))
        world.run()
        assert world.harm == [], seed
        made += world.corrections
    # No venue that keeps its promises makes a ghost; what is dropped, and when the breaker closes,
    # stands beside the reconciler.
    rare = {CorrectionKind.CANCELED, CorrectionKind.DROPPED, CorrectionKind.CLOSED}
    assert {*made} - rare == {*CorrectionKind} - rare


def test_the_rule_that_it_replaces_does_harm_in_the_same_worlds() -> None:
    harmed = 0
    for seed in range(50):
        world = World(random_ops(seed), OriginalRule)
        world.run()
        harmed += bool(world.harm)
    assert harmed > 10


@pytest.mark.parametrize("block", range(4))
def test_when_nothing_moves_any_more_a_few_passes_make_both_sides_agree(block: int) -> None:
    agreed = 0
    for seed in range(block * 20, block * 20 + 20):
        world = World(random_ops(seed))
        world.run()
        world.requests.clear()
        world.events.clear()
        for _ in range(8):
            world.now += 2_000
            report = world.reconcile()
            assert report.outcome is PassOutcome.DONE
        assert world.harm == [], seed
        orders, difference = world.distance(world.manager.snapshot())
        assert orders == 0, seed
        # What is left is what the reconciler may not correct by itself, and it says so.
        halted = {correction.kind for correction in report.corrections} == {CorrectionKind.BREAKER}
        assert halted if difference else report.agrees, seed
        agreed += report.agrees
    assert agreed > 10
