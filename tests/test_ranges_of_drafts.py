"""What a draft that has read in an order relies on, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest

from cowstate import ConflictError, Index, Record
from tests.indexed import MakeStore


class Order(Record):
    price: Any = None
    marks: Any = ()


INDEXES: dict[str, Index[Order]] = {"price": Index(attrgetter("price"), ordered=True)}


def read_range(view: Any) -> None:
    view.range("price", 10, 20)


def read_open_range(view: Any) -> None:
    view.range("price", 10, 20, inclusive=(False, False))


def read_two(view: Any) -> None:
    view.range("price", 10, limit=2)


def read_two_back(view: Any) -> None:
    view.range("price", high=20, reverse=True, limit=2)


def read_first(view: Any) -> None:
    view.first("price")


def read_last(view: Any) -> None:
    view.last("price")


def read_floor(view: Any) -> None:
    view.floor("price", 17)


def read_ceiling(view: Any) -> None:
    view.ceiling("price", 13)


START = {"ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30}


@pytest.mark.parametrize(
    ("read", "price", "conflicts"),
    [
        (read_range, 9, False),
        (read_range, 10, True),
        (read_range, 12, True),
        (read_range, 20, True),
        (read_range, 21, False),
        (read_open_range, 10, False),
        (read_open_range, 11, True),
        (read_open_range, 19, True),
        (read_open_range, 20, False),
        (read_two, 9, False),
        (read_two, 12, True),
        (read_two, 15, True),
        (read_two, 16, False),
        (read_two_back, 14, False),
        (read_two_back, 15, True),
        (read_two_back, 17, True),
        (read_two_back, 21, False),
        (read_first, 9, True),
        (read_first, 10, True),
        (read_first, 11, False),
        (read_last, 29, False),
        (read_last, 31, True),
        (read_floor, 14, False),
        (read_floor, 16, True),
        (read_floor, 17, True),
        (read_floor, 18, False),
        (read_ceiling, 12, False),
        (read_ceiling, 13, True),
        (read_ceiling, 14, True),
        (read_ceiling, 16, False),
    ],
)
@pytest.mark.parametrize("comes", [True, False])
def test_a_draft_conflicts_over_what_it_was_told_of_an_order_and_no_more(
    make_store: MakeStore,
    read: Callable[[Any], None],
    price: int,
    conflicts: bool,
    comes: bool,
) -> None:
    """A record of that price comes, or one that was there goes."""
    start = {key: Order(value) for key, value in START.items()}
    store = make_store(
        start if comes or price in START.values() else {**start, "there": Order(price)},
        indexes=INDEXES,
    )
    draft = store.draft()
    read(draft)
    if comes:
        store.set("new", Order(price))
    else:
        store.delete(next(iter(store.snapshot().find_all("price", price))))
    if not conflicts:
        draft.commit()
        return
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert set(caught.value.entries) <= {("price", price)}
    assert caught.value.entries or caught.value.keys


@pytest.mark.parametrize(
    "read",
    [
        lambda draft, price: draft.range("price", price, price),
        lambda draft, price: draft.find_all("price", price),
    ],
    ids=["ranges", "entries"],
)
@pytest.mark.parametrize("touched", [11, 12, 13])
def test_a_draft_relies_on_all_that_it_has_read_not_on_the_last_alone(
    make_store: MakeStore, read: Callable[[Any, int], object], touched: int
) -> None:
    store = make_store({"a": Order(10)}, indexes=INDEXES)
    draft = store.draft()
    for price in (11, 12, 13):
        read(draft, price)
    store.set("new", Order(touched))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert caught.value.entries == (("price", touched),)


def test_a_record_that_is_replaced_in_a_range_that_was_read_is_a_conflict(
    make_store: MakeStore,
) -> None:
    store = make_store({"a": Order(1), "b": Order(2)}, indexes=INDEXES)
    draft = store.draft()
    draft.range("price", 1, 1)
    store.update("a", lambda order: order.replace(marks=(1,)))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert caught.value.keys == ("a",)


def test_a_draft_relies_on_what_lies_below_its_own_changes(make_store: MakeStore) -> None:
    store = make_store({"a": Order(5)}, indexes=INDEXES)
    draft = store.draft()
    draft["b"] = Order(1)
    assert draft.first("price") == ("b", Order(1))
    store.set("c", Order(3))
    draft.commit()
    draft = store.draft()
    del draft["b"]
    assert draft.first("price") == ("c", Order(3))
    store.set("d", Order(2))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert caught.value.entries == (("price", 2),)


def test_a_range_that_nobody_read_is_relied_on_by_nobody(make_store: MakeStore) -> None:
    store = make_store({"a": Order(5)}, indexes=INDEXES)
    draft = store.draft()
    assert draft.range("price", limit=0) == {}
    store.set("b", Order(4))
    draft.commit()


def test_what_a_conflict_tells_of_a_large_range_is_short(make_store: MakeStore) -> None:
    store = make_store({n: Order(n) for n in range(1_000)}, indexes=INDEXES)
    draft, back = store.draft(), store.draft()
    draft.range("price", 100, 900, limit=3)
    back.range("price", 100, 900, reverse=True)
    store.transact(lambda tx: tx.update({n: Order(n + 0.5) for n in range(1_000)}))
    for each, first in ((draft, 100), (back, 900)):
        with pytest.raises(ConflictError) as caught:
            each.commit()
        assert caught.value.entries in ((("price", first),), (("price", first - 0.5),))
