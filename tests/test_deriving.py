"""Adding to what a store derives while it is in use, and taking from it."""

from __future__ import annotations

import pickle
import threading
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    Aggregate,
    ArgumentValueError,
    ChangeSet,
    Commit,
    ConflictError,
    History,
    Index,
    IndexValueError,
    Record,
    Store,
    UnknownAggregateError,
    UnknownIndexError,
)
from cowstate.deriving import Deriving
from cowstate.maps import available_maps
from tests.indexed import MakeStore


class Order(Record):
    price: Any = 0
    owner: Any = None


PRICE, OWNER = attrgetter("price"), attrgetter("owner")
INDEXES: dict[str, Index[Order]] = {
    "owner": Index(OWNER),
    "price": Index(PRICE, ordered=True),
    "number": Index(id, unique=True),
}
AGGREGATES: dict[str, Aggregate[Order, Any]] = {
    "sum": Aggregate.sum(PRICE),
    "by owner": Aggregate.sum(PRICE, by=OWNER),
    "count": Aggregate.count(),
    "least": Aggregate.min(PRICE),
    "greatest of owner": Aggregate.max(PRICE, default=0, by=OWNER),
}
NAMES = (*INDEXES, *AGGREGATES)

orders = st.builds(Order, st.integers(-5, 5), st.sampled_from([None, "ann", "bob"]))
changes = st.dictionaries(st.integers(0, 5), orders | st.none(), max_size=3)
steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(NAMES)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(["transaction", "draft", "each", "replace_all"]), changes),
    st.tuples(st.sampled_from(["undo", "revert"]), st.integers(0, 9)),
)


def agree(view: Any, records: dict[int, Order], names: set[str]) -> None:
    """What is derived is what the records come to, and what is not there is not."""
    for name in NAMES:
        if name not in names:
            unknown = UnknownIndexError if name in INDEXES else UnknownAggregateError
            with pytest.raises(unknown, match="in version"):
                view.find_all(name, 0) if name in INDEXES else view.total(name)
    if "owner" in names:
        for owner in ("ann", "bob"):
            there = {key: order for key, order in records.items() if order.owner == owner}
            assert view.find_all("owner", owner) == there
    if "number" in names:
        assert all(view.find_key("number", id(order)) == key for key, order in records.items())
    by_price = sorted((order.price, key) for key, order in records.items())
    if "price" in names:
        assert list(view.range("price")) == [key for _, key in by_price]
    prices = [price for price, _ in by_price]
    by_owner: dict[Any, list[int]] = {}
    for order in records.values():
        by_owner.setdefault(order.owner, []).append(order.price)
    expected = {
        "sum": sum(prices),
        "count": len(prices),
        "least": min(prices, default=None),
        "by owner": {owner: sum(each) for owner, each in by_owner.items()},
        "greatest of owner": {owner: max(each) for owner, each in by_owner.items()},
    }
    for name, total in expected.items():
        if name in names:
            assert view.total(name) == total


def write(store: Store[int, Order], how: str, what: dict[int, Order | None]) -> None:
    records = {key: order for key, order in what.items() if order is not None}
    if how == "replace_all":
        store.replace_all(records)
    elif how == "each":
        for key, order in records.items():
            store.set(key, order)
    else:
        work: Any = store.transaction() if how == "transaction" else store.draft()
        with work as to:
            for key, order in what.items():
                if order is None:
                    to.pop(key, None)
                else:
                    to[key] = order


@pytest.mark.parametrize("maps", available_maps())
@given(st.sets(st.sampled_from(NAMES)), st.lists(steps, max_size=12))
def test_what_is_derived_is_what_the_records_come_to_whenever_it_was_added(
    maps: str, start: set[str], history: list[Any]
) -> None:
    store: Store[int, Order] = Store(
        {9: Order(9)},
        indexes={name: INDEXES[name] for name in start if name in INDEXES},
        aggregates={name: AGGREGATES[name] for name in start if name in AGGREGATES},
        maps=maps,
    )
    names = set(start)
    past = [(store.snapshot(), dict(store.snapshot()), set(names))]
    commits: list[Commit[int, Order]] = []
    store.subscribe(commits.append)
    for step, what in history:
        before = store.snapshot()
        if step in ("add", "remove"):
            change_names(store, names, step, what)
            if store.snapshot() is not before:
                assert store.snapshot()._map is before._map
                assert not commits[-1].changes
        elif step == "undo":
            undo(store, commits, what)
        elif step == "revert":
            store.revert(past[what % len(past)][0])
        else:
            write(store, step, what)
        records = dict(store.snapshot())
        agree(store.snapshot(), records, names)
        agree(store.draft(), records, names)
        past.append((store.snapshot(), records, set(names)))
    for snapshot, records, then in past:
        agree(snapshot, records, then)
        assert dict(snapshot) == records
        assert store.snapshot().diff(snapshot).keys() == {
            key
            for key in {*records, *store.snapshot()}
            if records.get(key) is not store.snapshot().get(key)
        }
    last = store.snapshot()
    assert [commit.version for commit in commits] == list(range(1, last.version + 1))
    again = pickle.loads(pickle.dumps(last))
    if "number" not in names:  # of an object that is another one now
        agree(again, dict(again), names)


def change_names(store: Store[int, Order], names: set[str], step: str, name: str) -> None:
    is_index = name in INDEXES
    version = store.snapshot().version
    if step == "add":
        add: Any = store.add_index if is_index else store.add_aggregate
        spec: Any = INDEXES[name] if is_index else AGGREGATES[name]
        if name in names:
            with pytest.raises(ArgumentValueError, match="already"):
                add(name, spec)
        else:
            assert add(name, spec).version == version + 1
            names.add(name)
            return
    else:
        remove: Any = store.remove_index if is_index else store.remove_aggregate
        if name not in names:
            with pytest.raises(UnknownIndexError if is_index else UnknownAggregateError):
                remove(name)
        else:
            assert remove(name).version == version + 1
            names.remove(name)
            return
    assert store.snapshot().version == version


def undo(store: Store[int, Order], commits: list[Any], place: int) -> None:
    if not commits:
        return
    commit = commits[place % len(commits)]
    try:
        store.undo(commit)
    except ConflictError:
        now = store.snapshot()
        assert any(now.get(key) is not commit.after.get(key) for key in commit.changes)


# What others write meanwhile


def test_what_is_written_while_an_index_is_built_is_in_it(make_store: MakeStore) -> None:
    for count in (1, 20, 1_500):  # the last is more than the ring holds
        store = make_store({n: Order(n, "ann") for n in range(5)})
        writes = [count]

        def while_it_is_built(order: Order, store: Any = store, writes: list[int] = writes) -> Any:
            for n in range(writes.pop() if writes else 0):
                store.set(n % 100, Order(n, "bob"))
                store.set(3, Order(n, "cyd"))
                if 4 in store.snapshot():
                    store.delete(4)
            return order.owner

        commit = store.add_index("owner", Index(while_it_is_built))
        assert commit.after is store.snapshot()
        for owner in ("ann", "bob", "cyd"):
            there = {key: o for key, o in store.snapshot().items() if o.owner == owner}
            assert store.snapshot().find_all("owner", owner) == there
        assert 4 not in store.snapshot().find_all("owner", "ann")
        again = store.add_aggregate("sum", Aggregate.sum(PRICE)).after
        assert again.total("sum") == sum(order.price for order in again.values())


def test_the_test_sees_an_index_that_does_not_catch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Deriving._add

    def does_not_catch_up(self: Any, role: Any, built: Any) -> Any:
        return right(self, role, built._replace(base=self._committer.timeline.current))

    monkeypatch.setattr(Deriving, "_add", does_not_catch_up)
    with pytest.raises((AssertionError, KeyError, IndexValueError)):
        test_what_is_written_while_an_index_is_built_is_in_it(Store)


def test_writers_and_who_adds_and_removes_go_on_beside_each_other(make_store: MakeStore) -> None:
    store = make_store({n: Order(n, "ann") for n in range(50)})
    stop = threading.Event()
    failed: list[BaseException] = []

    def writing(first: int) -> None:
        try:
            for n in range(10**9):
                if stop.is_set():
                    return
                store.set(first + n % 40, Order(n % 7, ("ann", "bob")[n % 2]))
                store.update(first, lambda order: order.replace(price=order.price + 1))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=writing, args=(first,)) for first in (0, 100)]
    for thread in threads:
        thread.start()
    seen = []
    for _ in range(30):
        for add, names in ((store.add_index, INDEXES), (store.add_aggregate, AGGREGATES)):
            for name in names:
                seen.append((add(name, names[name]).after, {name}))  # type: ignore[index]
        seen.append((store.snapshot(), set(NAMES)))
        for name in INDEXES:
            store.remove_index(name)
        for name in AGGREGATES:
            store.remove_aggregate(name)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed
    for snapshot, names in seen:
        there = {*snapshot._lineage.derivation.index_positions}
        there |= {*snapshot._lineage.derivation.total_positions}
        assert names <= there
        agree(snapshot, dict(snapshot), there)


# Who was there before


def test_it_is_a_version_like_others(make_store: MakeStore) -> None:
    store = make_store({"a": Order(1)}, history=History(bytes=10**6))
    feed, seen = store.feed(), []
    store.subscribe(lambda commit: seen.append((commit.version, commit.changes)))
    commit = store.add_index("price", INDEXES["price"])
    assert (commit.version, commit.changes) == (1, ChangeSet())
    assert commit.after is store.snapshot() is store.at(1)
    assert commit.before is store.at(0)
    assert seen == [(1, ChangeSet())]
    item = feed.poll()
    assert item is commit
    store.set("a", Order(2))
    store.revert(0)
    assert store.snapshot() == commit.before
    assert store.snapshot().first("price") == ("a", Order(1))
    store.undo(commit)
    assert store.snapshot().first("price") == ("a", Order(1))
    assert (store.statistics().retained_bytes or 0) > 0
    old = pickle.loads(pickle.dumps(store.at(0)))
    with pytest.raises(UnknownIndexError, match="none in version 0"):
        old.first("price")
