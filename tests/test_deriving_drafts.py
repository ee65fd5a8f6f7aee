"""What a draft relies on of indexes and aggregates that are added, removed and exchanged."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest

from cowstate import Aggregate, ConflictError, Index, Record, UnknownIndexError
from tests.indexed import MakeStore


class Order(Record):
    price: Any = 0
    owner: Any = None


PRICE, OWNER = attrgetter("price"), attrgetter("owner")
INDEXES: dict[str, Index[Order]] = {"owner": Index(OWNER), "price": Index(PRICE, ordered=True)}
AGGREGATES: dict[str, Aggregate[Order, Any]] = {
    "sum": Aggregate.sum(PRICE),
    "by owner": Aggregate.sum(PRICE, by=OWNER),
    "count": Aggregate.count(),
}


def test_a_draft_that_was_begun_before_commits_and_what_is_added_knows_of_it(
    make_store: MakeStore,
) -> None:
    store = make_store({"a": Order(1)}, aggregates={"count": AGGREGATES["count"]})
    draft = store.draft()
    draft["b"] = Order(2)
    draft.total("count")
    store.add_index("price", INDEXES["price"])
    store.add_aggregate("sum", AGGREGATES["sum"])
    store.remove_index("price")
    store.add_index("price", INDEXES["price"])
    with pytest.raises(UnknownIndexError, match="none in version 0"):
        draft.first("price")
    draft.commit()
    now = store.snapshot()
    assert list(now.range("price")) == ["a", "b"]
    assert now.total("sum") == 3


def test_a_draft_that_relied_on_what_was_removed_conflicts(make_store: MakeStore) -> None:
    options: dict[str, Any] = {
        "indexes": {"owner": INDEXES["owner"], "price": INDEXES["price"]},
        "aggregates": {"sum": AGGREGATES["sum"], "by owner": AGGREGATES["by owner"]},
    }
    reads: dict[str, Callable[[Any], Any]] = {
        "owner": lambda draft: draft.find_all("owner", "nobody"),
        "price": lambda draft: draft.range("price", 50, 60),
        "sum": lambda draft: draft.total("sum"),
        "by owner": lambda draft: draft.total("by owner", "ann"),
    }
    reasons: dict[str, object] = {
        "owner": ("owner", "nobody"),
        "price": ("price", 50),
        "sum": "total:sum",
        "by owner": "total:by owner['ann']",
    }
    for name, read in reads.items():
        for again in (False, True):
            store = make_store({"a": Order(1, "ann")}, **options)
            draft, other = store.draft(), store.draft()
            read(draft)
            for _, elsewhere in (each for each in reads.items() if each[0] != name):
                elsewhere(other)
            if name in INDEXES:
                store.remove_index(name)
                if again:  # another one, of which nobody knows whether it says the same
                    store.add_index(name, Index(lambda order: order.owner, ordered=True))
            else:
                store.remove_aggregate(name)
                if again:
                    store.add_aggregate(name, Aggregate.sum(lambda order: order.price, by=OWNER))
            other.commit()
            with pytest.raises(ConflictError) as caught:
                draft.commit()
            told = (*caught.value.entries, *caught.value.reasons)
            assert told == (reasons[name],)


def test_the_same_one_in_another_place_is_the_same(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Order(1, "ann")},
        indexes={"owner": INDEXES["owner"], "price": INDEXES["price"]},
        aggregates={"count": AGGREGATES["count"], "sum": AGGREGATES["sum"]},
    )
    draft = store.draft()
    assert draft.first("price") == ("a", Order(1, "ann"))
    assert draft.find_all("price", 1)
    assert draft.total("sum") == 1
    store.remove_index("owner")
    store.remove_aggregate("count")
    draft.commit()
    assert store.statistics().index_entries == (("price", 1),)
