"""Reads in the order of an index: as a list that is sorted anew says, wherever they are made."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Index,
    IndexValueError,
    Record,
    Store,
    UniqueViolationError,
    UnknownIndexError,
)
from cowstate.maps import available_maps
from tests.indexed import MakeStore


class Order(Record):
    price: Any = None
    marks: Any = ()


PRICE, MARKS = attrgetter("price"), attrgetter("marks")
INDEXES: dict[str, Index[Order]] = {
    "price": Index(PRICE, ordered=True),
    "id": Index(lambda order: None if order.price is None else id(order), True, ordered=True),
    "mark": Index(MARKS, many=True, ordered=True),
    "plain": Index(PRICE),
}
prices = st.integers(-6, 6) | st.sampled_from([Decimal("0.5"), 2.0, Fraction(1, 3)])
orders = st.builds(Order, st.none() | prices, st.lists(prices, max_size=3).map(tuple))
writes = st.dictionaries(st.integers(0, 7), orders | st.none(), max_size=4)
ends = st.none() | st.integers(-7, 7) | st.sampled_from([Decimal("0.5"), 0.25])
queries = st.tuples(
    ends,
    ends,
    st.tuples(st.booleans(), st.booleans()),
    st.booleans(),
    st.none() | st.integers(0, 4),
)


def expected(records: Mapping[Any, Order], name: str, query: Any) -> list[Any]:
    """The keys of a range, from the records alone."""
    low, high, (with_low, with_high), reverse, limit = query
    pairs = []
    for key, order in records.items():
        values = order.marks if name == "mark" else (order.price,)
        pairs += [(value, key) for value in set(values) if value is not None]
    found = [
        key
        for value, key in sorted(pairs, reverse=reverse)
        if (low is None or value > low or (with_low and value == low))
        and (high is None or value < high or (with_high and value == high))
    ]
    return list(dict.fromkeys(found))[:limit]


def check(view: Any, records: Mapping[Any, Order], query: Any) -> None:
    low, high, inclusive, reverse, limit = query
    for name in ("price", "mark"):
        keys = expected(records, name, query)
        found = view.range(name, low, high, inclusive=inclusive, reverse=reverse, limit=limit)
        assert list(found) == keys
        assert all(found[key] is records[key] for key in keys)
        whole = (None, None, (True, True))
        for one, other in (
            (view.first(name), (*whole, False, 1)),
            (view.last(name), (*whole, True, 1)),
            (view.ceiling(name, 1), (1, None, (True, True), False, 1)),
            (view.floor(name, 1), (None, 1, (True, True), True, 1)),
        ):
            wanted = expected(records, name, other)
            assert one == ((wanted[0], records[wanted[0]]) if wanted else None)
    for price in range(-6, 7):
        there = {key: order for key, order in records.items() if order.price == price}
        assert view.find_all("price", price) == view.find_all("plain", price) == there


def test_a_unique_index_has_one_key_for_each_value_whatever_that_is() -> None:
    store = Store(
        {("key", n): Order(n) for n in range(9)},
        indexes={"price": Index(PRICE, unique=True, ordered=True)},
    )
    for view in (store.snapshot(), store.draft(), pickle.loads(pickle.dumps(store.snapshot()))):
        assert [*view.range("price", 3, 5)] == [("key", 3), ("key", 4), ("key", 5)]
        assert view.last("price") == (("key", 8), Order(8))


@pytest.mark.parametrize("maps", available_maps())
@given(st.dictionaries(st.integers(0, 7), orders), st.lists(st.tuples(writes, queries), max_size=5))
def test_every_view_reads_what_a_list_sorted_anew_says(
    maps: str, start: dict[int, Order], history: list[Any]
) -> None:
    store: Store[int, Order] = Store(start, indexes=INDEXES, maps=maps)
    records = dict(start)
    past: list[Any] = []
    for changes, query in history:
        draft = store.draft()
        with store.transaction() as tx:
            check(tx, records, query)
            for work in (tx, draft):
                for key, order in changes.items():
                    if order is not None:
                        work[key] = order
                    else:
                        work.pop(key, None)
            for key, order in changes.items():
                if order is None:
                    records.pop(key, None)
                else:
                    records[key] = order
            check(tx, records, query)
            check(draft, records, query)
        now = store.snapshot()
        check(now, records, query)
        again = pickle.loads(pickle.dumps(now))
        check(again, dict(again), query)
        past.append((now, dict(records), query))
    for snapshot, then, query in past:
        check(snapshot, then, query)
    for key in list(store.snapshot()):
        del records[key]
        store.delete(key)
        check(store.snapshot(), records, (None, None, (True, True), False, None))
    assert dict(store.statistics().index_entries) == dict.fromkeys(INDEXES, 0)


@given(st.dictionaries(st.integers(0, 30), orders), queries)
def test_a_range_backwards_is_the_range_the_other_way_round(
    records: dict[int, Order], query: Any
) -> None:
    low, high, inclusive, _, _ = query
    now = Store(records, indexes=INDEXES).snapshot()
    there = now.range("price", low, high, inclusive=inclusive)
    back = now.range("price", low, high, inclusive=inclusive, reverse=True)
    assert list(back) == list(there)[::-1]


def test_keys_without_an_order_may_share_a_value(make_store: MakeStore) -> None:
    store = make_store({1: Order(5), "a": Order(5), None: Order(5)}, indexes=INDEXES)
    assert set(store.snapshot().range("price")) == {1, "a", None}
    assert len(store.snapshot().range("price", limit=2)) == 2


def test_a_unique_ordered_index_refuses_a_second_record_of_a_value(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Order(1), "b": Order(2)},
        indexes={"price": Index(PRICE, unique=True, ordered=True)},
    )
    with pytest.raises(UniqueViolationError):
        store.set("c", Order(2))
    with store.transaction() as tx:
        tx["a"], tx["b"] = tx["b"], tx["a"]
        assert tx.first("price") == ("b", Order(1))
    now = store.snapshot()
    assert list(now.range("price")) == ["b", "a"]
    assert now.find_key("price", 2) == "a"
    again = pickle.loads(pickle.dumps(now))
    assert list(again.range("price")) == ["b", "a"]
    assert again.find_key("price", 2) == "a"


class Pair(NamedTuple):
    one: float
    two: int


@pytest.mark.parametrize(
    "price",
    [
        float("nan"),
        (1, float("nan")),
        Pair(float("nan"), 1),
        Decimal("sNaN"),
        "a word",
        frozenset([1]),
        1j,
    ],
)
@pytest.mark.parametrize("unique", [False, True])
def test_what_has_no_order_is_refused_and_the_error_says_where(
    make_store: MakeStore, price: Any, unique: bool
) -> None:
    options = {"indexes": {"price": Index(PRICE, unique, ordered=True)}}
    store = make_store({"a": Order(1), "b": Order(2)}, **options)
    before = store.snapshot()
    ways: list[Callable[[], Any]] = [
        lambda: store.set("c", Order(price)),
        lambda: store.set("a", Order(price)),
        lambda: store.transact(lambda tx: tx.update({"b": Order(5), "a": Order(price)})),
        lambda: make_store({"a": Order(5), "c": Order(price)}, **options),
    ]
    for way in ways:
        with pytest.raises(IndexValueError, match=r"^index 'price', record under '[ac]'") as caught:
            way()
        assert len(str(caught.value)) < 600
        assert caught.value.index == "price"
    assert store.snapshot() is before


class Fickle:
    """Its order is turned round when somebody says so."""

    turned = False

    def __init__(self, n: int) -> None:
        self.n = n

    def __lt__(self, other: Any) -> bool:
        return (self.n > other.n) if Fickle.turned else (self.n < other.n)


def test_an_order_that_changes_is_found_out(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [Fickle(n) for n in range(5)]
    store = make_store(
        {n: Order(value) for n, value in enumerate(values)},
        indexes={"price": Index(PRICE, ordered=True)},
    )
    monkeypatch.setattr(Fickle, "turned", True)
    before = store.snapshot()
    with pytest.raises(IndexValueError, match="not where it was in the order"):
        store.delete(0)
    assert store.snapshot() is before


def test_what_is_asked_wrongly_is_refused_in_every_view(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)}, indexes=INDEXES)
    with store.transaction() as tx:
        tx["b"] = Order(2)
        for view in (store.snapshot(), tx, store.draft(), pickle.loads(pickle.dumps(tx.base))):
            reads: list[Callable[[str], Any]] = [
                view.range,
                view.first,
                view.last,
                lambda name, view=view: view.floor(name, 1),  # type: ignore[misc]
                lambda name, view=view: view.ceiling(name, 1),  # type: ignore[misc]
                lambda name, view=view: view.range(name, limit=0),  # type: ignore[misc]
            ]
            for read in reads:
                with pytest.raises(UnknownIndexError, match=r"keeps no order.*ordered=True"):
                    read("plain")
                with pytest.raises(UnknownIndexError, match="there is none"):
                    read("nothing")
            for bad, error in (
                ({"low": "a"}, ArgumentTypeError),
                ({"high": "a"}, ArgumentTypeError),
                ({"low": float("nan")}, ArgumentValueError),
                ({"high": Decimal("NaN")}, ArgumentValueError),
                ({"inclusive": True}, ArgumentTypeError),
                ({"inclusive": (True, 0)}, ArgumentTypeError),
                ({"limit": 1.5}, ArgumentTypeError),
                ({"limit": True}, ArgumentTypeError),
                ({"limit": -1}, ArgumentValueError),
            ):
                with pytest.raises(error):
                    view.range("price", **bad)
            for read_next in (view.floor, view.ceiling):
                with pytest.raises(ArgumentValueError, match="first and last"):
                    read_next("price", None)
            assert view.range("price", 5, -5) == {}


def test_an_end_that_goes_with_some_of_the_values_only_is_refused(make_store: MakeStore) -> None:
    store = make_store({"a": Order((0, 1)), "b": Order((1, None))}, indexes=INDEXES)
    with store.transaction() as tx:
        tx["c"] = Order((2, 1))
        for view in (store.snapshot(), tx, store.draft()):
            for read in (view.range, view.floor, view.ceiling):
                with pytest.raises(ArgumentTypeError, match="cannot be ordered among the others"):
                    read("price", (1, 5))
            with pytest.raises(ArgumentValueError, match="equals nothing"):
                view.floor("price", Pair(float("nan"), 1))


def test_a_view_refuses_a_value_of_its_own_that_goes_with_no_other(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1), "b": Order(2)}, indexes=INDEXES)
    draft = store.draft()
    draft["c"] = Order("a word")
    reads: list[Callable[[], Any]] = [
        lambda: draft.first("price"),
        lambda: draft.range("price"),
        lambda: draft.range("price", 1),
        lambda: draft.ceiling("price", "a"),
    ]
    for read in reads:
        with pytest.raises(ArgumentTypeError, match="ordered among the others"):
            read()


class Counting:
    """A key that counts how often keys were compared."""

    compared = 0

    def __init__(self, n: int) -> None:
        self.n = n

    def __lt__(self, other: Any) -> bool:
        Counting.compared += 1
        return self.n < other.n


def test_an_end_of_many_records_of_one_value_is_found_without_sorting_them(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [Counting(n * 7919 % 2000) for n in range(2000)]
    now = make_store({key: Order(1) for key in keys}, indexes=INDEXES).snapshot()
    by_n = sorted(keys, key=lambda key: key.n)
    reads: list[tuple[Callable[[], Any], list[Counting]]] = [
        (lambda: [now.first("price")[0]], by_n[:1]),  # type: ignore[index]
        (lambda: [now.last("price")[0]], by_n[-1:]),  # type: ignore[index]
        (lambda: list(now.range("price", limit=3)), by_n[:3]),
        (lambda: list(now.range("price", reverse=True, limit=3)), by_n[:-4:-1]),
    ]
    for read, expected in reads:
        monkeypatch.setattr(Counting, "compared", 0)
        assert read() == expected
        assert Counting.compared < 2 * len(keys)  # to sort them takes ten times as many


def test_the_order_of_a_snapshot_stays_when_records_come_and_go(make_store: MakeStore) -> None:
    store = make_store({n: Order(n) for n in range(500)}, indexes=INDEXES)
    before = store.snapshot()
    for n in range(0, 500, 7):
        store.delete(n)
    assert list(before.range("price")) == list(range(500))
    assert list(store.snapshot().range("price")) == [n for n in range(500) if n % 7]
