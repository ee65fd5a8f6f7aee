"""Totals by group: what they are, which groups there are, and who conflicts over one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
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
    Record,
    Store,
    UnknownAggregateError,
)
from cowstate.maps import available_maps
from tests.indexed import MakeStore


class Item(Record):
    owner: Any = None
    amount: Any = 0


AGGREGATES: dict[str, Aggregate[Item, Any]] = {
    "whole": Aggregate.sum(attrgetter("amount")),
    "amount": Aggregate.sum(attrgetter("amount"), by=attrgetter("owner")),
    "debts": Aggregate.count(lambda item: item.amount < 0, by=attrgetter("owner")),
    "all": Aggregate.count(by=attrgetter("owner")),
    "ids": Aggregate.fold(
        0, lambda s, item: s ^ id(item), lambda s, item: s ^ id(item), by=attrgetter("owner")
    ),
}
OWNERS = (None, "ann", "bob", 1, (1, "x"))

items = st.builds(Item, st.sampled_from(OWNERS), st.integers(-5, 5) | st.decimals(-9, 9, places=30))
writes = st.lists(
    st.dictionaries(st.integers(0, 6), items | st.none(), max_size=4), min_size=1, max_size=8
)


def by_owner(records: Mapping[Any, Item], name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for item in records.values():
        value = {
            "amount": Fraction(item.amount),
            "debts": int(item.amount < 0),
            "all": 1,
            "ids": id(item),
        }[name]
        before = found.get(item.owner, 0)
        found[item.owner] = before ^ value if name == "ids" else before + value
    return found


@pytest.mark.parametrize("maps", available_maps())
@given(writes)
def test_each_group_is_what_its_records_come_to_and_only_groups_with_records_are_there(
    maps: str, history: list[dict[int, Item | None]]
) -> None:
    store: Store[int, Item] = Store(aggregates=AGGREGATES, maps=maps)
    records: dict[int, Item] = {}
    for changes in history:
        with store.transaction() as tx:
            for key, item in changes.items():
                if item is None:
                    tx.pop(key, None)
                    records.pop(key, None)
                else:
                    tx[key] = records[key] = item
            agree(tx, records)
        agree(store.snapshot(), records)
        agree(pickle.loads(pickle.dumps(store.snapshot())), None, store.snapshot())
    for key in list(store.snapshot()):
        del records[key]
        store.delete(key)
        agree(store.snapshot(), records)
    assert dict(store.snapshot().total("amount")) == {}


def agree(view: Any, records: Any, other: Any = None) -> None:
    for name in ("amount", "debts", "all", "ids"):
        expected = by_owner(records, name) if other is None else other.total(name)
        found = view.total(name)
        assert found == expected
        assert len(found) == len(expected)
        for owner in OWNERS:
            assert view.total(name, owner) == expected.get(owner, 0)
            assert (owner in found) is (owner in expected)
    assert sum(map(Fraction, view.total("amount").values())) == view.total("whole")


def test_an_update_that_moves_no_group_leaves_the_very_same(make_store: MakeStore) -> None:
    store = make_store({"a": Item("ann", 10**20)}, aggregates=AGGREGATES)
    before = store.snapshot()._totals
    store.set("a", Item("".join(("a", "nn")), 10**20))
    after = store.snapshot()._totals
    assert all(after[place] is before[place] for place in range(len(before) - 1))


def test_what_is_read_cannot_be_changed_and_stays_as_it_is(make_store: MakeStore) -> None:
    store = make_store({"a": Item("ann", 1), "b": Item("bob", 2)}, aggregates=AGGREGATES)
    groups: Any = store.snapshot().total("amount")
    store.set("a", Item("cyd", 5))
    assert groups == {"ann": 1, "bob": 2}
    assert store.snapshot().total("amount") == {"cyd": 5, "bob": 2}
    assert copy.copy(groups) is copy.deepcopy(groups) is groups
    with pytest.raises(TypeError):
        groups["ann"] = 3
    with pytest.raises(KeyError):
        groups["nobody"]
    assert groups.get("nobody") is None
    assert repr(store.snapshot().total("all")) in (
        "Groups({'cyd': 1, 'bob': 1})",
        "Groups({'bob': 1, 'cyd': 1})",
    )
    crowd = make_store(dict(enumerate(map(Item, range(9)))), aggregates=AGGREGATES)
    assert repr(crowd.snapshot().total("all")).endswith("... 5 more})")


def test_a_start_is_that_of_each_group(make_store: MakeStore) -> None:
    lent = Aggregate.sum(attrgetter("amount"), 100, by=attrgetter("owner"))
    store = make_store({"a": Item("ann", 5)}, aggregates={"lent": lent})
    now = store.snapshot()
    assert (now.total("lent", "ann"), now.total("lent", "bob")) == (105, 100)
    again = pickle.loads(pickle.dumps(now))
    assert (again.total("lent", "ann"), again.total("lent", "bob")) == (105, 100)


def test_the_amounts_of_a_group_are_as_exact_as_any(make_store: MakeStore) -> None:
    fine = Decimal("0." + "1" * 60)
    store = make_store({"a": Item("ann", fine), "b": Item("ann", 7)}, aggregates=AGGREGATES)
    store.update("b", lambda item: item.replace(amount=Decimal(8)))
    assert Fraction(store.snapshot().total("amount", "ann")) == Fraction(fine) + 8
    store = make_store({"b": Item("ann", 7)}, aggregates={"sum": AGGREGATES["amount"]})
    with pytest.raises(ArgumentTypeError, match=r"^aggregate 'sum', record under 'b'.*float"):
        store.update("b", lambda item: item.replace(owner="bob", amount=0.5))
    assert store.snapshot().total("sum") == {"ann": 7}


@pytest.mark.parametrize(
    ("owner", "error"),
    [
        ([], ArgumentTypeError),
        (float("nan"), ArgumentValueError),
        ((1, float("nan")), ArgumentValueError),
        (Decimal("sNaN"), ArgumentTypeError),
    ],
)
def test_what_cannot_be_asked_for_is_no_group(
    make_store: MakeStore, owner: Any, error: type[Exception]
) -> None:
    store = make_store({"a": Item("ann")}, aggregates={"all": AGGREGATES["all"]})
    before = store.snapshot()
    for write in (
        lambda: store.set("b", Item(owner)),
        lambda: store.set("a", Item(owner)),
        lambda: store.transact(lambda tx: tx.update({"a": Item("bob"), "b": Item(owner)})),
        lambda: make_store({"b": Item(owner)}, aggregates={"all": AGGREGATES["all"]}),
    ):
        with pytest.raises(error, match=r"^aggregate 'all', record under '[ab]': .* cannot be a"):
            write()
    assert store.snapshot() is before


def test_a_function_that_changes_its_mind_about_the_group_is_found_out(
    make_store: MakeStore,
) -> None:
    groups = iter("abcdef")
    store = make_store({"a": 1}, aggregates={"all": Aggregate.count(by=lambda _: next(groups))})
    with pytest.raises(ArgumentValueError, match="the same group for the same record"):
        store.delete("a")
    assert "a" in store.snapshot()


def test_who_asks_for_what_is_not_there_is_told(make_store: MakeStore) -> None:
    store = make_store({"a": Item("ann")}, aggregates=AGGREGATES)
    with store.transaction() as tx:
        for view in (store.snapshot(), store.draft(), tx, pickle.loads(pickle.dumps(tx.base))):
            with pytest.raises(ArgumentTypeError, match="'whole' has no groups"):
                view.total("whole", "ann")
            with pytest.raises(UnknownAggregateError):
                view.total("nothing", "ann")
        with pytest.raises(ArgumentTypeError, match="cannot be a group"):
            store.snapshot().total("all", [])
    for make in (Aggregate.sum, Aggregate.count):
        with pytest.raises(ArgumentTypeError, match="by must be a function"):
            make(attrgetter("amount"), by="owner")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="by must be a function"):
        Aggregate.fold(0, lambda s, v: s, lambda s, v: s, by=3)  # type: ignore[arg-type]


def test_a_draft_relies_on_the_groups_that_it_read(make_store: MakeStore) -> None:
    store = make_store({"a": Item("ann", 1), "b": Item("bob", 2)}, aggregates=AGGREGATES)
    one, other, every = store.draft(), store.draft(), store.draft()
    assert one.total("amount", "ann") == 1
    assert other.total("amount", "cyd") == 0
    assert every.total("amount") == {"ann": 1, "bob": 2}
    one["c"] = Item("ann", 5)
    assert one.total("amount", "ann") == 6
    store.update("b", lambda item: item.replace(amount=3))
    other.commit()
    one.commit()
    with pytest.raises(ConflictError) as caught:
        every.commit()
    assert caught.value.reasons == ("total:amount",)
    again, there = store.draft(), store.draft()
    again.total("amount", "ann")
    there.total("amount", "bob")
    store.set("d", Item("ann", 1))
    there.commit()
    with pytest.raises(ConflictError, match="amount") as caught:
        again.commit()
    assert caught.value.reasons == ("total:amount['ann']",)


def test_the_bytes_of_a_version_count_the_groups() -> None:
    records = {number: Item(number, 1) for number in range(2_000)}
    sizes = []
    for aggregates in (
        {},
        {"by owner": Aggregate.sum(attrgetter("amount"), by=attrgetter("owner"))},
    ):
        store = Store(records, aggregates=aggregates, history=History(bytes=10**9))
        for number in range(10):
            store.update(number, lambda item: item.replace(amount=2))
        sizes.append(store.statistics().retained_bytes)
    assert sizes[1] > 1.3 * sizes[0]


@pytest.mark.parametrize("groups", [0, 1, 3, 4, 5, 9])
def test_some_groups_are_shown_and_how_many_more_there_are(
    make_store: MakeStore, groups: int
) -> None:
    store = make_store(
        {n: n for n in range(groups)}, aggregates={"all": Aggregate.count(by=lambda n: n)}
    )
    shown = repr(store.snapshot().total("all"))
    assert shown.count(": 1") == min(groups, 4)
    assert shown.endswith(f"... {groups - 4} more}})" if groups > 4 else "})")
    assert (" more" in shown) is (groups > 4)


def test_missing_is_no_group(make_store: MakeStore) -> None:
    with pytest.raises(ArgumentValueError, match="cannot be a group"):
        make_store({1: 1}, aggregates={"all": Aggregate.count(by=lambda _: MISSING)})
