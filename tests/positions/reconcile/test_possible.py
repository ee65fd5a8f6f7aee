"""A set of numbers, one of which is the divergence: checked against sets of numbers."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentValueError
from cowstate.positions.reconcile.possible import Possible

GRID = [Decimal(number) / 2 for number in range(-12, 13)]
numbers = st.sampled_from(GRID)
points = st.sets(numbers, min_size=1, max_size=5).map(Possible.of)
spans = st.tuples(numbers, numbers).map(lambda ends: Possible.between(min(ends), max(ends)))
sets = st.one_of(points, spans)


def members(possible: Possible) -> set[Decimal]:
    """Those of the grid that are in it; the grid is finer than any set here has holes."""
    return {number for number in GRID if number in possible}


@given(sets, sets)
def test_both_is_the_intersection(one, other):
    common = one & other
    assert (members(common) if common is not None else set()) == members(one) & members(other)
    assert common == other & one


@given(points, points)
def test_either_is_the_union_of_numbers(one, other):
    assert members(one | other) == members(one) | members(other)
    assert not (one | other).whole


@given(sets, sets)
def test_either_never_lacks_what_one_of_them_holds(one, other):
    assert members(one | other) >= members(one) | members(other)
    assert (one | other).lowest == min(one.lowest, other.lowest)
    assert (one | other).highest == max(one.highest, other.highest)
    if one.whole or other.whole:
        assert (one | other).width == 0 or (one | other).whole


@given(sets, st.integers(-6, 6))
def test_moved_is_moved(one, by):
    moved = one.moved(Decimal(by))
    assert all((number in one) is (number + by in moved) for number in GRID)
    assert moved.width == one.width


@given(sets)
def test_its_ends_width_and_least_are_those_of_its_numbers(one):
    found = members(one)
    assert (one.lowest, one.highest) == (min(found), max(found))
    assert one.width == max(found) - min(found)
    assert (one.exact is None) is (len(found) > 1)
    assert one.exact is None or found == {one.exact}
    assert one.least in one
    assert abs(one.least) == min(map(abs, found))


def test_equal_numbers_are_one_number():
    assert Possible.of([Decimal("1.0"), Decimal(1)]).exact == 1
    assert Possible.between(Decimal("1.0"), Decimal(1)).exact == 1
    assert not Possible.between(Decimal(1), Decimal(1)).whole


def test_very_many_numbers_become_all_between_their_ends():
    many = Possible.of(map(Decimal, range(4_097)))
    assert (many.whole, many.lowest, many.highest) == (True, 0, 4_096)
    assert not Possible.of(map(Decimal, range(4_096))).whole


def test_it_is_never_empty():
    for make in (lambda: Possible.of([]), lambda: Possible(())):
        with pytest.raises(ArgumentValueError, match="empty"):
            make()
    with pytest.raises(ArgumentValueError, match="nothing is between 2 and 1"):
        Possible.between(Decimal(2), Decimal(1))


def test_it_is_a_value():
    one = Possible.of(GRID)
    assert pickle.loads(pickle.dumps(one)) == one
    assert hash(one) == hash(Possible.of(reversed(GRID)))
