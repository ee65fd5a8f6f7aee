"""The sorted list: a plain list that is sorted again, in lockstep; and what has no order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, ordered
from cowstate.ordered import Refusing, Sorted, Span, ensure_ordered

numbers = st.integers(0, 40)
ends = st.none() | st.integers(-2, 42) | st.sampled_from([Decimal("7.5"), 8.0, Fraction(9)])
spans = st.builds(Span, ends, ends, st.tuples(st.booleans(), st.booleans()), st.booleans())


@pytest.fixture(autouse=True)
def _small_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few dozen values make a tree of several levels."""
    monkeypatch.setattr(ordered, "_MOST", 6)
    monkeypatch.setattr(ordered, "_LEAST", 2)
    monkeypatch.setattr(ordered, "_FULL", 4)


def levels_of(node: Any, is_top: bool = True) -> int:
    """How many levels there are below; and that all is as the module says."""
    if type(node) is list:
        assert is_top or 2 <= len(node) <= 6
        assert len(node) <= 6
        return 1
    lows, nodes = node
    assert len(lows) == len(nodes) <= 6
    assert len(nodes) >= 2
    assert lows == [least(each) for each in nodes]
    (below,) = {levels_of(each, False) for each in nodes}
    return below + 1


def least(node: Any) -> Any:
    return node[0] if type(node) is list else least(node[1][0])


def check(found: Sorted[Any], model: list[Any]) -> None:
    assert list(found) == model
    assert len(found) == len(model)
    levels_of(found._top)
    if model:
        assert (found.first(), found.last()) == (model[0], model[-1])
    else:
        for read in (found.first, found.last):
            with pytest.raises(IndexError):
                read()


def within(model: list[Any], span: Span) -> list[Any]:
    low, high, (with_low, with_high), reverse = span
    kept = [
        value
        for value in model
        if (low is None or value > low or (with_low and value == low))
        and (high is None or value < high or (with_high and value == high))
    ]
    return kept[::-1] if reverse else kept


@given(st.lists(numbers, max_size=60), st.lists(st.tuples(st.booleans(), numbers), max_size=60))
def test_it_and_a_list_that_is_sorted_again_stay_in_lockstep(
    start: list[int], writes: list[tuple[bool, int]]
) -> None:
    found, model = Sorted.of(start), sorted(start)
    past = [(found, list(model))]
    for puts, number in writes:
        if puts:
            found = found.put(number)
            model = sorted([*model, number])
        elif number in model:
            found = found.drop(number)
            model.remove(number)
        else:
            with pytest.raises(KeyError):
                found.drop(number)
        check(found, model)
        past.append((found, list(model)))
    for each, was in past:
        check(each, was)


@given(st.lists(numbers, max_size=80), st.lists(spans, min_size=1, max_size=5))
@example([5] * 30, [Span(5, None, (False, True)), Span(None, 5, (True, False), True)])
def test_a_span_holds_what_lies_between_its_ends(start: list[int], wanted: list[Span]) -> None:
    found = Sorted.of(start)
    for span in wanted:
        expected = within(sorted(start), span)
        assert list(found.between(span)) == expected
        assert [v for v in sorted(start, reverse=span.reverse) if span.holds(v)] == expected
        for value in expected:
            part = list(found.between(span.upto(value)))
            assert part == expected[: len(expected) - expected[::-1].index(value)]


@pytest.mark.parametrize("size", [1, 63, 64, 65, 5_000])
def test_it_is_as_deep_as_its_logarithm_whatever_the_order_of_writes(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.undo()
    values = list(range(size))
    shuffled = values.copy()
    Random(1).shuffle(shuffled)
    for order in (values, values[::-1], shuffled):
        found: Sorted[int] = Sorted.of(())
        for value in order:
            found = found.put(value)
        assert list(found) == values
        depth, node = 1, found._top
        while type(node) is not list:
            node = node[1][0]
            depth += 1
        assert depth <= (1 if size <= 64 else 2 if size <= 1_000 else 3)
        for value in order:
            found = found.drop(value)
        assert list(found) == []


def test_a_write_copies_one_path_and_shares_the_rest() -> None:
    before = Sorted.of(range(40))
    after = before.put(17)

    assert len(nodes_of(after._top) - nodes_of(before._top)) <= levels_of(after._top) + 2


@pytest.mark.parametrize("step", [1, 37, 99])
def test_a_drop_touches_its_neighbours_only_where_too_little_is_left(step: int) -> None:
    found = Sorted.of(range(100))
    assert levels_of(found._top) >= 3
    for n in range(100):
        value = n * step % 100
        after = found.drop(value)
        levels = levels_of(found._top)
        levels_of(after._top)
        gone = nodes_of(found._top) - nodes_of(after._top)
        left = next(len(leaf) for leaf in leaves_of(found._top) if value in leaf) - 1
        # Two values are the least here, so a leaf of three may lose one.
        assert len(gone) == levels if left >= 2 or levels == 1 else len(gone) > levels
        found = after


def test_what_is_too_long_becomes_two_of_half_the_length_and_no_sooner() -> None:
    found = Sorted.of(())
    levels, halves = 1, []
    for value in range(500):
        found = found.put(value)
        if levels_of(found._top) > levels:
            levels += 1
            halves.append([len(node if type(node) is list else node[1]) for node in found._top[1]])
    assert levels > 3
    assert halves == [[3, 4]] * (levels - 1)


def nodes_of(node: Any) -> set[int]:
    below = () if type(node) is list else node[1]
    return {id(node)}.union(*map(nodes_of, below))


def leaves_of(node: Any) -> list[list[Any]]:
    if type(node) is list:
        return [node]
    return [leaf for each in node[1] for leaf in leaves_of(each)]


class Counting:
    """A number that counts how often it is compared."""

    compared = 0

    def __init__(self, n: int) -> None:
        self.n = n

    def __lt__(self, other: Counting) -> bool:
        Counting.compared += 1
        return self.n < other.n


@pytest.mark.parametrize("size", [1_000, 16_000])
def test_what_is_done_to_it_costs_comparisons_by_its_logarithm(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.undo()
    values = [Counting(n) for n in range(size)]
    found = Sorted.of(values)
    middle, end = values[size // 2], values[size // 2 + 3]
    for act, most in (
        (lambda: found.drop(middle), 20),
        (lambda: found.put(Counting(size * 2)), 20),
        (lambda: found.put(Counting(-1)), 20),
        (lambda: (found.first(), found.last()), 0),
        (lambda: list(found.between(Span(middle, end))), 60),
        (lambda: list(found.between(Span(middle, end, (False, False), True))), 60),
        (lambda: next(found.between(Span(low=middle))), 40),
        (lambda: next(found.between(Span(high=middle, reverse=True))), 40),
    ):
        monkeypatch.setattr(Counting, "compared", 0)
        act()
        assert Counting.compared <= most


class Loose:
    """Two of them are neither equal nor in an order."""

    def __lt__(self, other: object) -> bool:
        return False


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([1, "a"], ArgumentTypeError),
        ([1, None], ArgumentTypeError),
        ([Loose(), Loose()], ArgumentTypeError),
        ([frozenset([1])], ArgumentTypeError),
        ([(1, frozenset())], ArgumentTypeError),
        ([float("nan")], ArgumentValueError),
        ([Decimal("NaN")], ArgumentValueError),
        ([Decimal("sNaN")], ArgumentValueError),
        ([(1, (float("nan"),))], ArgumentValueError),
    ],
)
def test_what_has_no_order_is_refused_and_nothing_has_changed(
    values: list[Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match="order"):
        Sorted.of(values)
    *some, last = values
    found = Sorted.of(some)
    with pytest.raises(error, match="order"):
        found.put(last)
    assert list(found) == some
    if not isinstance(last, Loose):
        with pytest.raises(error, match="order"):
            found.ensure_comparable(last)


def test_two_that_are_neither_equal_nor_in_an_order_are_named() -> None:
    with pytest.raises(ArgumentTypeError, match=r"^<[^>]*Loose[^>]*> and <[^>]*> have no order"):
        Sorted.of([Loose()]).put(Loose())


def test_a_bound_is_compared_before_anything_is_read() -> None:
    Sorted.of(()).ensure_comparable("a")
    Sorted.of([1]).ensure_comparable(Decimal(5))
    Sorted.of([Counting(1)]).ensure_comparable(Counting(2))  # which has no other comparison
    ensure_ordered((1, "a", None))
    for kind in (set, frozenset):
        with pytest.raises(ArgumentTypeError, match="sorted tuple"):
            ensure_ordered(kind())


def test_an_equal_value_is_dropped_that_is_another_object() -> None:
    assert list(Sorted.of([10**20, 5]).drop(int("1" + 20 * "0"))) == [5]


def test_both_ends_are_wanted_where_nothing_is_said_of_them() -> None:
    found = Sorted.of([1, 2, 3, 4])
    assert list(found.between(Span(low=2, high=3))) == [2, 3]
    assert [value for value in found if Span(low=2, high=3).holds(value)] == [2, 3]
    with pytest.raises(ArgumentTypeError, match="cannot be ordered"):
        Span(low=2).holds("a")


@pytest.mark.parametrize("error", [ArgumentTypeError("b and a"), TypeError("b and a")])
def test_an_error_of_ours_comes_through_and_another_one_says_what_it_is_about(
    error: TypeError,
) -> None:
    def read() -> Iterator[int]:
        yield 1
        raise error

    found = Refusing(read(), "an end")
    assert next(found) == 1
    with pytest.raises(ArgumentTypeError) as caught:
        next(found)
    assert (caught.value is error) is isinstance(error, ArgumentTypeError)
    assert str(caught.value).startswith("b and a" if caught.value is error else "an end cannot be")


def test_what_a_comparison_raises_comes_through() -> None:
    class Fails:
        def __init__(self, fails: bool = False) -> None:
            self.fails = fails

        def __lt__(self, other: Any) -> bool:
            if self.fails or other.fails:
                raise ZeroDivisionError
            return id(self) < id(other)

    found = Sorted.of([Fails(), Fails()])
    with pytest.raises(ZeroDivisionError):
        found.put(Fails(True))
    assert len(list(found)) == 2


def test_readers_beside_a_writer_see_whole_lists() -> None:
    place = [Sorted.of(range(0, 200, 2))]
    stop = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        while not stop.is_set():
            found = place[0]
            values = list(found)
            if len(values) != len(found) or any(a >= b for a, b in pairwise(values)):
                wrong.append(values)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 200, 2):
        place[0] = place[0].put(number)
    for number in range(0, 200, 3):
        place[0] = place[0].drop(number)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong


def size_of(node: Any, known: set[int]) -> int:
    """The bytes of the nodes that are not *known*."""
    if id(node) in known:
        return 0
    if type(node) is list:
        return getsizeof(node)
    return sum(map(getsizeof, (node, *node))) + sum(size_of(each, known) for each in node[1])


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
def test_the_bytes_of_a_write_are_those_of_its_path(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.undo()
    before = Sorted.of(range(size))
    known = nodes_of(before._top)
    for writes in (1, 5, 100):
        after = before
        for value in random.Random(size).choices(range(size), k=writes):
            after = after.put(value)
        measured = getsizeof(after) + size_of(after._top, known)
        assert 0.6 < after.path_bytes(writes) / measured < 1.7


def test_a_list_cannot_be_changed() -> None:
    found: Any = Sorted.of([1])
    with pytest.raises(AttributeError):
        found._count = 2


Bug = Callable[[pytest.MonkeyPatch], None]


def _never_joins(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ordered, "_LEAST", 0)


def _forgets_the_least(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ordered, "_low", lambda node: node[-1] if type(node) is list else node[0][0])


def _writes_in_place(patch: pytest.MonkeyPatch) -> None:
    def with_(lows: Any, nodes: Any, start: int, stop: int, parts: Any) -> Any:
        lows[start:stop] = map(ordered._low, parts)
        nodes[start:stop] = parts
        return lows, nodes

    patch.setattr(ordered, "_with", with_)


@pytest.mark.parametrize("bug", [_never_joins, _forgets_the_least, _writes_in_place])
def test_the_lockstep_finds_the_seeded_bug(monkeypatch: pytest.MonkeyPatch, bug: Bug) -> None:
    bug(monkeypatch)
    random = Random(3)
    with pytest.raises((AssertionError, KeyError, IndexError, ValueError)):
        for _ in range(50):
            found, model = Sorted.of(range(20)), list(range(20))
            past = []
            for _ in range(60):
                number = random.randrange(40)
                if random.random() < 0.4:
                    found, model = found.put(number), sorted([*model, number])
                elif number in model:
                    found = found.drop(number)
                    model.remove(number)
                past.append((found, list(model)))
            for each, was in past:
                check(each, was)
