"""Faults are data: named, checked, set and left out one by one; worlds are made of them by seed."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.positions.simulation.chaos.faults import KINDS, Unit, WorldFaults, with_fault
from cowstate.positions.simulation.chaos.script import Dice, Hours, script_of
from cowstate.positions.simulation.chaos.world import number_of
from cowstate.positions.simulation.chaos.worlds import WORLDS, spec_of, specs_of

names = st.sampled_from(sorted(KINDS))


def test_every_fault_has_a_field_a_kind_and_a_world_of_its_own() -> None:
    assert [*KINDS] == [*WorldFaults.__struct_fields__]
    assert {*KINDS} <= {*WORLDS}
    assert all(WORLDS[name].faults.get(name) for name in KINDS)


@given(names, st.floats(0, 1))
def test_a_fault_that_is_set_is_told_and_can_be_left_out_again(name: str, part: float) -> None:
    value = round(part * KINDS[name].most)
    faults = with_fault(WorldFaults(), name, value)
    assert faults.set() in ({name: value}, {})
    assert faults.without(name) == WorldFaults()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("value", [-1, 10**9, "1", True, None, *map(float, ("nan", "inf", "-inf"))])
def test_a_number_that_is_none_is_refused_by_the_name_of_its_fault(
    name: str, value: object
) -> None:
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=name):
        WorldFaults(**{name: value})
    with pytest.raises((ArgumentTypeError, ArgumentValueError), match=name):
        with_fault(WorldFaults(), name, value)  # type: ignore[arg-type]


def test_a_fault_in_milliseconds_is_a_whole_number() -> None:
    with pytest.raises(ArgumentTypeError, match="not an int"):
        with_fault(WorldFaults(), "clock", 0.5)
    assert with_fault(WorldFaults(), "clock", 5.0).set() == {"clock": 5}
    assert KINDS["clock"].unit is Unit.MILLISECONDS


def test_what_is_no_fault_and_no_world_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ArgumentValueError, match="lose_event"):
        with_fault(WorldFaults(), "loose_event", 1)
    with pytest.raises(ArgumentValueError, match="lagging"):
        spec_of(0, "lagged")


def test_as_many_worlds_as_there_are_kinds_have_each_once() -> None:
    assert [spec.name for spec in specs_of(len(WORLDS), 7)] == [
        [*WORLDS][seed % len(WORLDS)] for seed in range(7, 7 + len(WORLDS))
    ]


def test_worlds_are_made_when_their_turn_comes_however_many_there_are() -> None:
    first, second = islice(specs_of(10**12, 5, "calm"), 2)
    assert (first, second) == (spec_of(5, "calm"), spec_of(6, "calm"))


@given(st.integers(0, 10**6), st.sampled_from(sorted(WORLDS)))
def test_a_seed_and_a_name_are_one_world(seed: int, name: str) -> None:
    spec = spec_of(seed, name)
    assert spec == spec_of(seed, name)
    assert {*spec.faults.set()} <= {*WORLDS[name].faults, "market"}
    assert number_of(seed, name) != number_of(seed + 1, name)


def test_a_fault_from_outside_stands_above_those_of_the_world() -> None:
    assert spec_of(3, "purging", purge=77, fee=0.001).faults.purge == 77


# Chances


@given(st.integers(0, 10**9), st.lists(names, max_size=30))
def test_what_is_thrown_for_one_fault_changes_no_other_s_numbers(
    seed: int, others: list[str]
) -> None:
    alone, among = Dice(seed), Dice(seed)
    for name in others:
        if name != "crash":
            among.part(name)
    assert [alone.part("crash") for _ in range(5)] == [among.part("crash") for _ in range(5)]


def test_what_never_happens_uses_no_number_up() -> None:
    dice = Dice(1)
    assert not dice.happens("crash", 0)
    assert dice.part("crash") == Dice(1).part("crash")


@given(st.integers(0, 10**6), st.sampled_from(sorted(WORLDS)), names)
def test_a_script_without_one_fault_is_the_same_in_all_else(
    seed: int, name: str, left_out: str
) -> None:
    faults = spec_of(seed, name).faults
    whole = script_of(seed, faults, 20_000, 10_000)
    part = script_of(seed, faults.without(left_out), 20_000, 10_000)
    if left_out not in ("market", "partial"):
        assert whole.market == part.market
    assert [each for each in whole.accidents if each.kind != left_out] == [
        each for each in part.accidents if each.kind != left_out
    ]
    for kind, hours in whole.hours.items():
        assert kind == left_out or hours.spans == part.hours[kind].spans


@given(st.integers(0, 10**6), st.sampled_from(sorted(WORLDS)))
def test_a_script_is_in_order_and_its_hours_do_not_overlap(seed: int, name: str) -> None:
    script = script_of(seed, spec_of(seed, name).faults, 20_000, 10_000)
    times = [trade.time_ms for trade in script.market]
    assert times == sorted(times)
    assert [*script.accidents] == sorted(script.accidents)
    for hours in script.hours.values():
        flat = [time for span in hours.spans for time in span]
        assert flat == sorted(flat)
        assert all(time <= script.end_ms for time in flat)


def test_hours_say_when_they_began() -> None:
    hours = Hours([(10, 20), (30, 40)])
    assert [hours.began(time) for time in (9, 10, 19, 20, 35, 40)] == [
        None, 10, 10, None, 30, None,
    ]  # fmt: skip
