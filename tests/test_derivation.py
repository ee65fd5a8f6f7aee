"""What an update asks of what is derived, what it costs, and who is blamed for what is raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import Aggregate, ArgumentTypeError, Index, IndexValueError, Record, Store
from tests.indexed import MakeStore


class Level(Record):
    price: Any = 0
    owner: Any = None
    quantity: Any = 0


def price_of(level: Level) -> Any:
    return level.price


def owner_of(level: Level) -> Any:
    return level.owner


def derived_states(store: Store[Any, Any]) -> tuple[Any, Any]:
    current = store.snapshot()
    return current._indexes, current._totals


def test_what_does_not_move_is_kept_as_it_is(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Level(10**20, "ann")},
        indexes={"price": Index(price_of, unique=True), "owner": Index(owner_of)},
        aggregates={"prices": Aggregate.sum(price_of), "all": Aggregate.count()},
    )
    indexes, totals = derived_states(store)
    store.update("a", lambda level: level.replace(quantity=1))
    assert derived_states(store)[0] is indexes
    assert derived_states(store)[1] is totals
    store.update("a", lambda level: level.replace(price=10**20, owner="".join("ann")))
    assert derived_states(store)[0] is indexes, "equal, though not the very same"


def test_an_update_asks_each_function_twice_whether_or_not_something_moves(
    make_store: MakeStore,
) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str) -> Callable[[Level], Any]:
        def fn(level: Level) -> Any:
            calls[name] += 1
            return getattr(level, name)

        return fn

    store = make_store(
        {"a": Level(5, "ann", 1)},
        indexes={"owner": Index(counted("owner"))},
        aggregates={"prices": Aggregate.sum(counted("price"))},
    )
    calls.clear()
    store.update("a", lambda level: level.replace(quantity=2))
    assert calls == {"owner": 2, "price": 2}
    calls.clear()
    store.update("a", lambda level: level.replace(price=6))
    assert calls == {"owner": 2, "price": 2}
    assert store.snapshot().total("prices") == 6


def test_two_that_ask_by_one_function_move_both(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Level(5), "b": Level(7)},
        indexes={"one": Index(price_of), "two": Index(price_of, unique=True)},
        aggregates={"three": Aggregate.sum(price_of), "four": Aggregate.sum(price_of, 100)},
    )
    store.update("a", lambda level: level.replace(price=6))
    now = store.snapshot()
    assert set(now.find_all("one", 6)) == {now.find_key("two", 6)} == {"a"}
    assert now.find_all("one", 5) == now.find_all("two", 5) == {}
    assert (now.total("three"), now.total("four")) == (13, 113)


@pytest.mark.parametrize("moves_before", [False, True])
@pytest.mark.parametrize("role", ["index", "aggregate"])
def test_who_raises_in_an_update_is_named_with_the_key(
    make_store: MakeStore, role: str, moves_before: bool
) -> None:
    def fails(level: Level) -> Any:
        return 1 // level.quantity

    options: dict[str, Any] = {"indexes": {"price": Index(price_of)}}
    if role == "index":
        options["indexes"]["it"] = Index(fails)
    else:
        options["aggregates"] = {"it": Aggregate.sum(fails)}
    store = make_store({"a": Level(1, None, 1)}, **options)
    before = store.snapshot()
    with pytest.raises(ZeroDivisionError) as caught:
        store.set("a", Level(2 if moves_before else 1, None, 0))
    assert caught.value.__notes__ == [f"raised by {role} 'it' at 'a'; nothing was committed"]
    assert store.snapshot() is before


def test_what_is_refused_in_an_update_says_where_in_its_message(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Level(1)},
        indexes={"price": Index(price_of)},
        aggregates={"quantity": Aggregate.sum(lambda level: level.quantity)},
    )
    with pytest.raises(IndexValueError, match=r"^index 'price', record under 'a': NaN"):
        store.set("a", Level(float("nan")))
    for write in (store.set, lambda key, level: store.transact(lambda tx: tx.update({key: level}))):
        with pytest.raises(ArgumentTypeError, match=r"^aggregate 'quantity', record under 'a'"):
            write("a", Level(1, None, 0.5))
    assert store.snapshot().version == 0


def test_one_that_asks_by_the_function_of_an_earlier_one_takes_no_answer_of_the_one_between(
    make_store: MakeStore,
) -> None:
    def quantity_of(level: Level) -> Any:
        return level.quantity

    store = make_store(
        {"a": Level(5, None, 100)},
        aggregates={
            "prices": Aggregate.sum(price_of),
            "quantities": Aggregate.sum(quantity_of),
            "prices again": Aggregate.sum(price_of),
        },
    )
    store.update("a", lambda level: level.replace(price=6, quantity=300))
    now = store.snapshot()
    totals = [now.total(name) for name in ("prices", "quantities", "prices again")]
    assert totals == [6, 300, 6]


def test_who_asks_for_a_group_where_there_are_none_is_told_of_which(make_store: MakeStore) -> None:
    store = make_store(
        {"a": Level(5)}, aggregates={"all": Aggregate.count(), "prices": Aggregate.sum(price_of)}
    )
    for name in ("all", "prices"):
        with pytest.raises(ArgumentTypeError, match=f"aggregate '{name}' has no groups"):
            store.snapshot().total(name, "ann")


def test_what_readers_go_through_in_common_is_in_the_trunk(make_store: MakeStore) -> None:
    lowest = Aggregate.min(price_of)
    by_owner = Aggregate.count(by=owner_of)
    store = make_store(
        {"a": Level(5, "ann"), "b": Level(7, "bob")},
        indexes={"price": Index(price_of, unique=True), "owner": Index(owner_of, ordered=True)},
        aggregates={"lowest": lowest, "sum": Aggregate.sum(price_of), "by owner": by_owner},
    )
    indexes, totals = derived_states(store)
    derivation = store.snapshot()._lineage.derivation
    trunk = derivation.trunk(indexes, totals)
    assert isinstance(trunk, list)
    wanted = [derivation, indexes, totals, derivation.readers, *derivation.totals]
    parts = (*derivation.indexes, *derivation.totals)
    for part, state in zip(parts, (*indexes, *totals), strict=True):
        wanted += part.trunk(state)
    wanted += [lowest, by_owner, *totals[0].trunk()]
    missing = [each for each in wanted if not any(each is found for found in trunk)]
    assert missing == []


@pytest.mark.parametrize("role", ["index", "aggregate"])
def test_a_function_that_goes_too_deep_is_asked_once(make_store: MakeStore, role: str) -> None:
    asked: list[Level] = []

    def deep(level: Level) -> Any:
        asked.append(level)
        raise RecursionError

    options: dict[str, Any] = {"indexes": {"it": Index(deep)}}
    if role == "aggregate":
        options = {"aggregates": {"it": Aggregate.sum(deep)}}
    with pytest.raises(RecursionError):
        make_store({"a": Level(1)}, **options)
    assert len(asked) == 1
