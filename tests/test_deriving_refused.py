"""An index or aggregate that cannot be added or removed: it says so, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    Index,
    IndexValueError,
    InvariantError,
    Record,
    ReentrantWriteError,
    UniqueViolationError,
    UnknownAggregateError,
    UnknownIndexError,
)
from tests.indexed import MakeStore


class Order(Record):
    price: Any = 0
    owner: Any = None


PRICE = attrgetter("price")
INDEXES: dict[str, Index[Order]] = {
    "owner": Index(attrgetter("owner")),
    "price": Index(PRICE, ordered=True),
}
AGGREGATES: dict[str, Aggregate[Order, Any]] = {"sum": Aggregate.sum(PRICE)}


def test_records_that_do_not_allow_an_index_refuse_it(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1), "b": Order(1), "c": Order("x")})
    before = store.snapshot()
    with pytest.raises(UniqueViolationError) as caught:
        store.add_index("price", Index(PRICE, unique=True))
    assert set(caught.value.keys) == {"a", "b"}
    with pytest.raises(IndexValueError, match=r"^index 'price', record under"):
        store.add_index("price", Index(PRICE, ordered=True))
    with pytest.raises(TypeError) as failed:
        store.add_aggregate("sum", Aggregate.sum(PRICE))
    assert "raised by aggregate 'sum' at 'c'" in failed.value.__notes__[0]
    with pytest.raises(ArgumentTypeError, match=r"^aggregate 'least', record under '[abc]'"):
        store.add_aggregate("least", Aggregate.min(PRICE))
    assert store.snapshot() is before
    store.delete("c")
    store.delete("b")
    assert store.add_index("price", Index(PRICE, unique=True)).after.find_key("price", 1) == "a"


def test_a_record_that_comes_meanwhile_may_refuse_it(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)})
    writes = [1]

    def while_it_is_built(order: Order) -> Any:
        if writes:
            writes.pop()
            store.set("b", Order(1))
        return order.price

    with pytest.raises(UniqueViolationError):
        store.add_index("price", Index(while_it_is_built, unique=True))
    assert store.snapshot().version == 1
    with pytest.raises(UnknownIndexError):
        store.snapshot().find("price", 1)


def test_two_who_add_the_same_name_are_one_and_one_that_is_told(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)})
    first = [1]

    def while_it_is_built(order: Order) -> Any:
        if first:
            first.pop()
            store.add_index("price", Index(PRICE))
        return order.price

    with pytest.raises(ArgumentValueError, match="already"):
        store.add_index("price", Index(while_it_is_built))
    assert store.snapshot().version == 1
    assert store.snapshot().find_all("price", 1)


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda store: store.add_index("x", PRICE), ArgumentTypeError),
        (lambda store: store.add_index("x", AGGREGATES["sum"]), ArgumentTypeError),
        (lambda store: store.add_aggregate("x", INDEXES["price"]), ArgumentTypeError),
        (lambda store: store.add_aggregate("x", sum), ArgumentTypeError),
        (lambda store: store.add_index(5, INDEXES["price"]), ArgumentTypeError),
        (lambda store: store.add_aggregate(None, AGGREGATES["sum"]), ArgumentTypeError),
        (lambda store: store.remove_index([]), ArgumentTypeError),
        (lambda store: store.remove_aggregate(None), ArgumentTypeError),
    ],
)
def test_what_makes_no_sense_is_refused(
    make_store: MakeStore, act: Callable[[Any], Any], error: type[Exception]
) -> None:
    store = make_store({"a": Order(1)})
    with pytest.raises(error):
        act(store)
    assert store.snapshot().version == 0


def test_inside_a_write_it_is_a_write(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)}, indexes={"owner": INDEXES["owner"]})
    with store.transaction():
        with pytest.raises(ReentrantWriteError):
            store.add_index("price", INDEXES["price"])
        with pytest.raises(ReentrantWriteError):
            store.remove_index("owner")
    assert store.snapshot().version == 0


def test_what_an_invariant_needs_cannot_be_removed_and_it_may_veto_what_is_added(
    make_store: MakeStore,
) -> None:
    def small(snapshot: Any, changes: Any) -> bool:
        return bool(snapshot.total("sum") < 10)

    def alone(snapshot: Any, changes: Any) -> bool:
        return len(snapshot._totals) < 2

    store = make_store(
        {"a": Order(1)},
        aggregates={"sum": AGGREGATES["sum"]},
        invariants={"small": small, "alone": alone},
    )
    with pytest.raises(UnknownAggregateError) as caught:
        store.remove_aggregate("sum")
    assert "invariant 'small'" in caught.value.__notes__[0]
    with pytest.raises(InvariantError, match="alone"):
        store.add_aggregate("count", Aggregate.count())
    assert store.snapshot().version == 0
    store.set("b", Order(2))
