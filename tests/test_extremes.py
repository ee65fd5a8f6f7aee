"""The least and the greatest: whatever comes and goes, and whatever has no order."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import attrgetter
from sys import getsizeof
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    History,
    MutableRecordError,
    Record,
    Store,
)
from cowstate.maps import available_maps
from tests.indexed import MakeStore


class Order(Record):
    price: Any = None
    side: Any = "buy"


PRICE, SIDE = attrgetter("price"), attrgetter("side")
AGGREGATES: dict[str, Aggregate[Order, Any]] = {
    "low": Aggregate.min(PRICE),
    "high": Aggregate.max(PRICE, default=-1),
    "low of side": Aggregate.min(PRICE, by=SIDE),
    "high of side": Aggregate.max(PRICE, default=-1, by=SIDE),
}
orders = st.builds(
    Order,
    st.none() | st.integers(-20, 20) | st.decimals(-9, 9, places=2),
    st.sampled_from(["buy", "sell", None]),
)
writes = st.lists(
    st.dictionaries(st.integers(0, 6), orders | st.none(), max_size=4), min_size=1, max_size=8
)


def agree(view: Any, records: Mapping[int, Order]) -> None:
    prices = [order.price for order in records.values() if order.price is not None]
    assert view.total("low") == min(prices, default=None)
    assert view.total("high") == max(prices, default=-1)
    sides = {order.side for order in records.values()}
    assert set(view.total("low of side")) == sides
    for side in ("buy", "sell", None, "nobody's"):
        there = [o.price for o in records.values() if o.side == side and o.price is not None]
        assert view.total("low of side", side) == min(there, default=None)
        assert view.total("high of side", side) == max(there, default=-1)


@pytest.mark.parametrize("maps", available_maps())
@given(writes)
def test_they_are_the_ends_of_what_is_there(
    maps: str, history: list[dict[int, Order | None]]
) -> None:
    store: Store[int, Order] = Store(aggregates=AGGREGATES, maps=maps)
    records: dict[int, Order] = {}
    for changes in history:
        with store.transaction() as tx:
            for key, order in changes.items():
                if order is None:
                    tx.pop(key, None)
                    records.pop(key, None)
                else:
                    tx[key] = records[key] = order
            agree(tx, records)
        agree(store.snapshot(), records)
        agree(pickle.loads(pickle.dumps(store.snapshot())), records)
    for key in list(store.snapshot()):
        del records[key]
        store.delete(key)
        agree(store.snapshot(), records)


def test_a_past_snapshot_keeps_its_ends(make_store: MakeStore) -> None:
    store = make_store({n: Order(n) for n in range(300)}, aggregates=AGGREGATES)
    before = store.snapshot()
    for n in (0, 299, 1, 298):
        store.delete(n)
    assert (before.total("low"), before.total("high")) == (0, 299)
    now = store.snapshot()
    assert (now.total("low"), now.total("high")) == (2, 297)


@pytest.mark.parametrize(
    ("price", "error"),
    [
        (float("nan"), ArgumentValueError),
        (Decimal("sNaN"), ArgumentValueError),
        ((float("nan"),), ArgumentValueError),
        ("a word", ArgumentTypeError),
        (frozenset([1]), ArgumentTypeError),
        (1j, ArgumentTypeError),
    ],
)
@pytest.mark.parametrize("name", AGGREGATES)
def test_what_has_no_order_is_refused_and_the_error_says_where(
    make_store: MakeStore, name: str, price: Any, error: type[Exception]
) -> None:
    store = make_store({"a": Order(1), "b": Order(2)}, aggregates={name: AGGREGATES[name]})
    before = store.snapshot()
    ways: list[Callable[[], Any]] = [
        lambda: store.set("c", Order(price)),
        lambda: store.set("a", Order(price)),
        lambda: store.transact(lambda tx: tx.update({"c": Order(5), "a": Order(price)})),
        lambda: make_store({"b": Order(5), "a": Order(price)}, aggregates={name: AGGREGATES[name]}),
    ]
    for way in ways:
        with pytest.raises(error, match=rf"^aggregate '{name}', record under '[ac]': ") as caught:
            way()
        assert len(str(caught.value)) < 600
    assert store.snapshot() is before


@pytest.mark.parametrize("name", AGGREGATES)
def test_values_of_another_kind_may_take_the_place_of_all(make_store: MakeStore, name: str) -> None:
    options = {"aggregates": {name: AGGREGATES[name]}}
    numbers, words = ({n: Order(kind(n), "buy") for n in (1, 2, 3)} for kind in (int, str))
    ways: list[Callable[[Store[int, Order]], Any]] = [
        lambda store: store.replace_all(words),
        lambda store: store.transact(lambda tx: tx.update(words)),
    ]
    for way in ways:
        store = make_store(numbers, **options)
        draft = store.draft()
        draft.update(words)
        way(store)
        expected = make_store(words, **options).snapshot().total(name)
        assert store.snapshot().total(name) == draft.total(name) == expected


@given(st.lists(st.none() | st.integers(0, 2), max_size=3))
def test_who_gives_none_counts_for_nothing_from_the_beginning(prices: list[int | None]) -> None:
    low = Aggregate.min(attrgetter("price"), default=7)
    store = Store(
        {n: Order(price=price) for n, price in enumerate(prices)}, aggregates={"low": low}
    )
    given_ = [price for price in prices if price is not None]
    assert store.snapshot().total("low") == min(given_, default=7)


def test_a_record_that_gives_missing_counts_for_nothing(make_store: MakeStore) -> None:
    store = make_store({"a": None}, allow_none=True, aggregates={"low": MISSES})
    assert store.snapshot().total("low") is None
    assert store.set("b", Order(1)).after.total("low") == 1
    assert store.delete("a").after.total("low") == store.snapshot().total("low") == 1


MISSES: Aggregate[Any, Any] = Aggregate.min(lambda order: getattr(order, "price", MISSING))


def test_a_function_that_changes_its_mind_is_found_out(make_store: MakeStore) -> None:
    prices = iter([1, 2, 3])
    store = make_store({"a": 0}, aggregates={"low": Aggregate.min(lambda _: next(prices))})
    with pytest.raises(ArgumentValueError, match="the same value for the same record"):
        store.delete("a")
    assert "a" in store.snapshot()


def test_what_is_no_function_or_no_default_is_refused() -> None:
    for make in (Aggregate.min, Aggregate.max):
        with pytest.raises(ArgumentTypeError, match=r"Aggregate.m.. needs a function"):
            make("price")  # type: ignore[arg-type]
        with pytest.raises(MutableRecordError):
            make(PRICE, default=[])


def test_a_draft_relies_on_the_end_and_not_on_what_is_between(make_store: MakeStore) -> None:
    store = make_store({n: Order(n) for n in range(5)}, aggregates=AGGREGATES)
    draft, other = store.draft(), store.draft()
    assert draft.total("low") == other.total("low") == 0
    draft[9] = Order(-1)
    assert draft.total("low") == -1
    store.delete(3)
    draft.commit()
    with pytest.raises(ConflictError) as caught:
        other.commit()
    assert caught.value.reasons == ("total:low",)


def test_an_update_that_moves_no_value_leaves_the_very_same(make_store: MakeStore) -> None:
    store = make_store({"a": Order(10**20)}, aggregates={"low": Aggregate.min(PRICE)})
    before = store.snapshot()._totals
    store.set("a", Order(10**20 + 1 - 1, "sell"))
    assert store.snapshot()._totals is before


def test_the_bytes_of_a_version_count_what_is_copied() -> None:
    sizes = []
    for aggregates in ({}, {"low": Aggregate.min(PRICE)}):
        records = {n: Order(n) for n in range(2_000)}
        store = Store(records, aggregates=aggregates, history=History(bytes=10**9))
        for n in range(10):
            store.update(n, lambda order: order.replace(price=order.price + 0.5))
        sizes.append(store.statistics().retained_bytes or 0)
    assert sizes[1] > 1.3 * sizes[0]


@pytest.mark.parametrize("by", [None, SIDE])
def test_the_bytes_of_a_version_count_each_tuple_that_is_made(by: Any) -> None:
    zeros = (0,) * 100
    sizes = []
    for moved in (1, 50):
        for mark in (lambda order: zeros, lambda order: (order.price, *zeros)):
            records = {n: Order(n, n) for n in range(100)}  # each in a group of its own
            aggregates = {"low": Aggregate.min(mark, by=by)}
            store = Store(records, aggregates=aggregates, history=History(bytes=10**9))
            store.update_all(range(moved), lambda order: order.replace(price=order.price + 0.5))
            sizes.append(store.statistics().retained_bytes or 0)
    size = getsizeof((0, *zeros))
    assert size < sizes[1] - sizes[0] < 6 * size
    assert 50 * size < sizes[3] - sizes[2] < 6 * 50 * size


def test_the_bytes_of_a_version_are_told_of_no_records_too(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)}, aggregates=AGGREGATES, history=History(bytes=10**9))
    for write in (lambda: store.delete("a"), lambda: store.set("a", Order(1))):
        write()
        assert store.statistics().retained_bytes


@pytest.mark.parametrize("name", AGGREGATES)
def test_a_number_that_cannot_even_be_compared_is_refused_where_one_of_its_kind_is(
    make_store: MakeStore, name: str
) -> None:
    store = make_store({"a": Order(Decimal(1))}, aggregates={name: AGGREGATES[name]})
    with pytest.raises(ArgumentValueError, match="no place in an order"):
        store.set("a", Order(Decimal("sNaN")))
    assert store.snapshot().version == 0


@pytest.mark.parametrize("name", ["low", "high"])
def test_what_is_told_is_of_the_type_that_the_record_gives_now(
    make_store: MakeStore, name: str
) -> None:
    store = make_store({"a": Order(1)}, aggregates={name: AGGREGATES[name]})
    for price in (1.0, True, Decimal(1), 1):
        assert type(store.set("a", Order(price)).after.total(name)) is type(price)


def test_where_no_record_gives_anything_there_is_the_default(make_store: MakeStore) -> None:
    store = make_store({"a": Order(), "b": Order()}, aggregates=AGGREGATES)
    now = store.snapshot()
    assert (now.total("low"), now.total("high")) == (None, -1)
    assert now.total("high of side", "buy") == -1
    assert store.set("a", Order(-5)).after.total("high") == -5
    assert store.set("a", Order()).after.total("high") == -1
