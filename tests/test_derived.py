"""Indexes and aggregates: what they find, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    Index,
    IndexValueError,
    Store,
    UniqueViolationError,
    UnknownAggregateError,
    UnknownIndexError,
)
from tests.indexed import MakeStore, Slot, by_order


def test_a_record_is_found_by_what_it_says_and_not_by_what_it_said(make_store: MakeStore) -> None:
    store = by_order(make_store, {"a": Slot(1, ("x", "y")), "b": Slot()})
    before = store.snapshot()
    store.set("a", Slot(2, ("y", "z")))
    now = store.snapshot()
    assert before.find("order", 1) == Slot(1, ("x", "y"))
    assert now.find("order", 1) is now.find_key("order", 1) is None
    assert now.find_key("order", 2) == "a"
    assert now.find_all("order", 2) == now.find_all("tag", "z") == {"a": now["a"]}
    assert now.find_all("tag", "x") == now.find_all("order", 1) == {}
    store.delete("a")
    assert store.snapshot().find_all("tag", "y") == {}
    assert dict(store.statistics().index_entries) == {"order": 0, "tag": 0}


def test_a_record_without_a_value_is_not_in_the_index(make_store: MakeStore) -> None:
    store = by_order(make_store, {"a": Slot(), "b": Slot()})
    assert store.snapshot().find("order", None) is None


@pytest.mark.parametrize("nothing", [None, MISSING])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("unique", [False, True])
def test_a_record_whose_value_is_missing_is_not_in_the_index(
    make_store: MakeStore, nothing: Any, ordered: bool, unique: bool
) -> None:
    index: Index[Slot] = Index(lambda slot: slot.order_id or nothing, unique, ordered=ordered)
    store = make_store({"a": Slot()}, indexes={"order": index})
    store.set("b", Slot())
    assert store.snapshot().find_all("order", nothing) == {}
    store.set("a", Slot(1))
    store.delete("b")
    assert dict(store.statistics().index_entries) == {"order": 1}
    store.set("a", Slot())
    assert dict(store.statistics().index_entries) == {"order": 0}


@pytest.mark.parametrize("key", [None, False, 0, "", ()])
def test_a_record_under_a_false_key_is_found_like_any_other(
    make_store: MakeStore, key: Any
) -> None:
    store = by_order(make_store, {key: Slot(7)})
    assert store.snapshot().find("order", 7) is store.snapshot()[key]
    with store.transaction() as tx:
        assert tx.find("order", 7) is tx[key]
    draft = store.draft()
    assert draft.find("order", 7) is store.snapshot()[key]


def test_a_value_that_another_record_has_is_refused(make_store: MakeStore) -> None:
    store = by_order(make_store, {"a": Slot(1), "b": Slot(2)})
    before = store.snapshot()
    with pytest.raises(UniqueViolationError, match="'order': 1 would belong to 'a', 'b'") as caught:
        store.set("b", Slot(1))
    assert (caught.value.index, caught.value.value) == ("order", 1)
    assert set(caught.value.keys) == {"a", "b"}
    with pytest.raises(UniqueViolationError):
        by_order(make_store, {"a": Slot(1), "b": Slot(1)})
    assert store.snapshot() is before


def test_values_may_pass_each_other_within_a_transaction(make_store: MakeStore) -> None:
    store = by_order(make_store, {"a": Slot(1), "b": Slot(2), "c": Slot(3)})
    with store.transaction() as tx:
        tx["a"], tx["b"], tx["c"] = tx["b"], tx["c"], tx["a"]
    now = store.snapshot()
    assert [now.find_key("order", n) for n in (1, 2, 3)] == ["c", "a", "b"]


def test_a_violation_that_a_later_write_of_the_transaction_repairs_is_none(
    make_store: MakeStore,
) -> None:
    store = by_order(make_store, {"a": Slot(1), "b": Slot(2)})
    with store.transaction() as tx:
        tx["b"] = Slot(1)
        assert tx.find_key("order", 1) == "b"
        assert set(tx.find_all("order", 1)) == {"a", "b"}
        del tx["a"]
        tx["c"] = Slot(1)
        tx["b"] = Slot(5)
        tx["d"] = Slot(2)
    now = store.snapshot()
    assert [now.find_key("order", n) for n in (1, 5, 2)] == ["c", "b", "d"]


def test_a_violation_that_is_not_repaired_undoes_the_whole_transaction(
    make_store: MakeStore,
) -> None:
    store = by_order(make_store, {"a": Slot(1)})
    before = store.snapshot()
    with pytest.raises(UniqueViolationError), store.transaction() as tx:
        tx["z"] = Slot(9)
        tx["b"] = Slot(1)
    assert store.snapshot() is before


@pytest.mark.parametrize(
    ("fn", "many", "error"),
    [
        (lambda _: [], False, IndexValueError),
        (lambda _: ([],), True, IndexValueError),
        (lambda _: 5, True, IndexValueError),
        (lambda _: float("nan"), False, IndexValueError),
        (lambda _: (float("nan"),), True, IndexValueError),
        (lambda _: Decimal("NaN"), False, IndexValueError),
        (lambda _: (1, float("nan")), False, IndexValueError),
        (lambda _: ((1, (float("nan"), 2)),), True, IndexValueError),
        (lambda _: frozenset({Decimal("NaN")}), False, IndexValueError),
        (lambda record: record.nothing, False, AttributeError),
        (lambda _: 1 // 0, False, ZeroDivisionError),
    ],
)
@pytest.mark.parametrize("unique", [False, True])
def test_an_index_function_that_fails_fails_the_write_and_says_where(
    make_store: MakeStore, fn: Any, many: bool, error: type[Exception], unique: bool
) -> None:
    calls = [0]

    def after_a_while(record: Any) -> Any:
        calls[0] += 1
        return None if record == "good" else fn(record)

    store = make_store({"a": "good"}, indexes={"i": Index(after_a_while, unique, many)})
    before = store.snapshot()
    ways: list[Callable[[], Any]] = [
        lambda: store.set("b", "bad"),
        lambda: store.update("a", lambda _: "bad"),
        lambda: make_store({"c": "bad"}, indexes={"i": Index(after_a_while, unique, many)}),
    ]
    for way in ways:
        with pytest.raises(error) as caught:
            way()
        told = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert "'i'" in told
        if isinstance(caught.value, IndexValueError):
            assert caught.value.index == "i"
            assert caught.value.key in ("a", "b", "c")
    assert store.snapshot() is before
    store.set("b", "good")


def test_an_index_function_that_changes_its_mind_is_found_out(make_store: MakeStore) -> None:
    values = iter([1, 2, 3, 4])
    for unique in (False, True):
        store = make_store({"a": "x"}, indexes={"i": Index(lambda _: next(values), unique)})
        with pytest.raises(IndexValueError, match="the same value for the same record"):
            store.delete("a")
        assert "a" in store.snapshot()


@pytest.mark.parametrize("unique", [False, True])
def test_an_index_function_that_gives_the_value_of_another_record_takes_nothing_from_it(
    make_store: MakeStore, unique: bool
) -> None:
    says = {"one": 1, "two": 2}
    store = make_store({"a": "one", "b": "two"}, indexes={"i": Index(says.__getitem__, unique)})
    says["one"] = 2
    for write in (lambda: store.delete("a"), lambda: store.set("a", "two")):
        with pytest.raises(IndexValueError, match="the same value for the same record") as caught:
            write()
        assert (caught.value.index, caught.value.key) == ("i", "a")
        assert set(store.snapshot().find_all("i", 2)) == {"b"}
        says["one"] = 3


def test_a_value_that_cannot_be_indexed_is_refused_with_what_is_wanted() -> None:
    for many, want in ((False, "return a hashable value"), (True, "an iterable of hashable")):
        store: Store[str, Any] = Store(indexes={"i": Index(lambda _: ([],), many=many)})
        with pytest.raises(IndexValueError, match=want):
            store.set("a", 1)


@pytest.mark.parametrize("name", [[], {}, None, 0, ("i",)])
def test_what_is_no_name_of_an_index_is_refused_with_those_that_there_are(
    make_store: MakeStore, name: Any
) -> None:
    now = make_store({"a": 1}, indexes={"i": Index(int, ordered=True)}).snapshot()
    for look in (now.find, now.find_key, now.find_all, now.range):
        with pytest.raises(UnknownIndexError, match="'i'"):
            look(name, 1)


def test_an_index_cannot_be_changed() -> None:
    index: Any = Index(len)
    with pytest.raises(AttributeError):
        index.unique = True


def test_equal_index_values_are_one_value(make_store: MakeStore) -> None:
    store = make_store({"a": 1}, indexes={"i": Index(lambda record: record)})
    store.set("a", True)
    store.set("b", 1.0)
    assert set(store.snapshot().find_all("i", Decimal(1))) == {"a", "b"}


def test_a_value_twice_in_many_is_one_entry(make_store: MakeStore) -> None:
    store = by_order(make_store, {"a": Slot(tags=("x", "x"))})
    store.set("a", Slot(tags=iter(()) and ("x",)))
    assert set(store.snapshot().find_all("tag", "x")) == {"a"}
    store.delete("a")
    assert store.snapshot().find_all("tag", "x") == {}


@pytest.mark.parametrize("kind", ["snapshot", "transaction", "draft"])
def test_unknown_names_are_refused_with_the_known_ones(make_store: MakeStore, kind: str) -> None:
    store = by_order(make_store, {"a": Slot(1)})
    with store.transaction() as tx:
        view: Any = {"snapshot": store.snapshot(), "transaction": tx, "draft": store.draft()}[kind]
        with pytest.raises(UnknownIndexError, match="'order', 'tag'") as caught:
            view.find_all("orders", 1)
        assert (caught.value.name, caught.value.known) == ("orders", ("order", "tag"))
        for find in (view.find, view.find_key):
            with pytest.raises(UnknownIndexError, match="there is none"):
                find("orders", 1)
            with pytest.raises(UnknownIndexError, match="find_all"):
                find("tag", "x")
        with pytest.raises(UnknownAggregateError, match="none"):
            view.total("sum")


async def awaited(record: Any) -> int:
    raise AssertionError("nobody awaits it")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Index("order_id"),
        lambda: Index(awaited),
        lambda: Aggregate.sum(awaited),
        lambda: Aggregate.count(awaited),
        lambda: Aggregate.fold(0, awaited, lambda s, v: s),
        lambda: Aggregate.sum("quantity"),
        lambda: Aggregate.count(5),
        lambda: Aggregate.fold(0, None, lambda s, v: s),
        lambda: Aggregate.fold(0, lambda s, v: s, 3),
        lambda: Aggregate.sum(lambda v: v, start=0.0),
        lambda: Store(indexes={"i": lambda record: record}),
        lambda: Store(aggregates={"a": sum}),
        lambda: Store(indexes=[Index(len)]),
        lambda: Store(aggregates=[Aggregate.count()]),
    ],
)
def test_what_is_no_function_or_no_index_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ArgumentTypeError):
        make()


def test_an_index_that_is_told_a_field_name_says_what_to_write() -> None:
    with pytest.raises(ArgumentTypeError, match="attrgetter"):
        Index("order_id")  # type: ignore[arg-type]


def test_what_is_derived_fails_a_transaction_as_it_fails_one_write_and_is_named(
    make_store: MakeStore,
) -> None:
    def fails(record: Any) -> Any:
        return 1 // record

    derived: dict[str, dict[str, Any]] = {
        "index": {"indexes": {"it": Index(fails)}},
        "aggregate": {"aggregates": {"it": Aggregate.sum(fails)}},
    }
    for role, options in derived.items():
        store = make_store({"a": 1}, **options)
        before = store.snapshot()
        ways: list[Callable[[], Any]] = [
            lambda store=store: store.set("b", 0),  # type: ignore[misc]
            lambda store=store: store.retry(lambda draft: draft.update({"b": 0, "c": 1})),  # type: ignore[misc]
        ]
        for way in ways:
            with pytest.raises(ZeroDivisionError) as caught:
                way()
            assert caught.value.__notes__[0].startswith(f"raised by {role} 'it'")
        assert store.snapshot() is before


def test_a_text_is_no_collection_of_index_values() -> None:
    store = Store({}, indexes={"tag": Index(lambda record: record, many=True)})
    with pytest.raises(IndexValueError, match="letter by letter"):
        store.set("a", "abc")
    assert store.snapshot().version == 0


@pytest.mark.parametrize("options", [{}, {"unique": True}, {"many": True}, {"ordered": True}])
@pytest.mark.parametrize("number", [float, Decimal])
def test_a_record_that_is_in_an_index_can_be_changed_and_deleted(
    make_store: MakeStore, options: dict[str, bool], number: Any
) -> None:
    """What the function makes anew of a text that says NaN is another NaN each time."""

    def parsed(text: str) -> Any:
        made = (text[:1], number(text))
        return (made,) if options.get("many") else made

    store = make_store({"a": "1"}, indexes={"i": Index(parsed, **options)})
    for bad in ("nan", "-nan"):
        with pytest.raises(IndexValueError, match="return None"):
            store.set("b", bad)
        with pytest.raises(IndexValueError, match="return None"):
            store.update("a", lambda _, bad=bad: bad)
    store.update("a", lambda _: "2")
    assert list(store.snapshot().find_all("i", ("2", number(2)))) == ["a"]
    store.delete("a")
    assert not store.snapshot()
    store.set("b", "3")
