"""Writes of many keys by one call, as one version: `update_all` and `replace_all`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    Index,
    InvariantError,
    MutableRecordError,
    Record,
    RecordNotFoundError,
    Store,
    UnhashableKeyError,
    UniqueViolationError,
)
from tests.standing import check_store

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    price: int
    order_id: int | None = None


INDEXES: dict[str, Index[Any]] = {
    "order_id": Index(lambda slot: slot.order_id, unique=True),
    "price": Index(lambda slot: slot.price),
}
AGGREGATES: dict[str, Aggregate[Any, Any]] = {"prices": Aggregate.sum(lambda slot: slot.price)}
KEYS = st.sampled_from("abcdefgh")
SLOTS = st.builds(Slot, st.integers(0, 3))
RECORDS = st.dictionaries(KEYS, SLOTS, max_size=8)


def made(make: Any, records: Any, same: Any) -> Store[Any, Any]:
    store: Store[Any, Any] = make(records, indexes=INDEXES, aggregates=AGGREGATES, same=same)
    return store


def is_same(same: str, old: Any, new: Any) -> bool:
    return old is new or (same == "equality" and MISSING not in (old, new) and bool(old == new))


def leads_to(store: Store[Any, Any], write: Callable[[], Any], expected: Any, same: str) -> None:
    """One version, or none, that leads to *expected*, holds only what changed, and is told once."""
    before = store.snapshot()
    told: list[Any] = []
    with store.subscribe(told.append):
        commit = write()
    changed = {
        key: (before.get(key, MISSING), expected.get(key, MISSING))
        for key in {*before, *expected}
        if not is_same(same, before.get(key, MISSING), expected.get(key, MISSING))
    }
    assert dict(commit.changes) == changed
    assert commit.version == before.version + bool(changed)
    assert told == ([commit] if changed else [])
    assert commit.after is store.snapshot()
    assert commit.before is before
    assert dict(commit.after) == expected
    for key, record in commit.after.items():
        assert record is (expected[key] if key in changed else before[key])
    assert commit.after.meta == before.meta
    check_store(store, indexes=INDEXES, aggregates=AGGREGATES)


RULES = pytest.mark.parametrize("same", ["identity", "equality"])


def replaces_all(make: Any, same: str, start: Any, wanted: Any, kept: Any) -> None:
    store = made(make, start, same)
    # Some as they are, to the very object.
    wanted = {**wanted, **{key: start[key] for key in kept if key in start}}
    leads_to(store, lambda: store.replace_all(wanted), wanted, same)


@RULES
def test_replace_all_makes_the_records_what_is_wanted(make_store: MakeStore, same: str) -> None:
    @given(RECORDS, RECORDS, st.sets(KEYS))
    def law(start: Any, wanted: Any, kept: Any) -> None:
        replaces_all(make_store, same, start, wanted, kept)

    law()


def updates_all(make: Any, same: str, start: Any, keys: list[str], changes: Any) -> None:
    store = made(make, start, same)
    keys = [key for key in keys if key in start]
    asked: list[Any] = []

    def fn(slot: Slot) -> Slot:
        asked.append(slot)
        how = changes.get(slot.price, "same")
        if how == "same":
            return slot
        return slot.replace(price=slot.price + (how == "other"))

    expected = dict(start)
    for key in dict.fromkeys(keys):
        expected[key] = fn(start[key])
    asked.clear()
    results = {id(start[key]): expected[key] for key in keys}

    def given_before(slot: Slot) -> Slot:
        asked.append(slot)
        return results[id(slot)]

    leads_to(store, lambda: store.update_all(iter(keys), given_before), expected, same)
    assert [id(slot) for slot in asked] == [id(start[key]) for key in dict.fromkeys(keys)]


@RULES
def test_update_all_updates_each_key_once_in_one_version(make_store: MakeStore, same: str) -> None:
    @given(
        RECORDS,
        st.lists(KEYS, max_size=12),
        st.dictionaries(st.integers(0, 3), st.sampled_from(["same", "equal", "other"])),
    )
    def law(start: Any, keys: list[str], changes: Any) -> None:
        start = {key: slot.replace() for key, slot in start.items()}  # each its own object
        updates_all(make_store, same, start, keys, changes)

    law()


class OneByOne(Store[Any, Any]):
    """What the laws are worth: a version for each key."""

    def replace_all(self, records: Any) -> Any:
        before = self.snapshot()
        for key in [key for key in before if key not in records]:
            self.delete(key)
        for key, record in dict(records).items():
            commit = self.set(key, record)
        return commit if records else self.set_meta(None)

    def update_all(self, keys: Any, fn: Any) -> Any:
        commit = self.set_meta(None)
        for key in dict.fromkeys(keys):
            commit = self.update(key, fn)
        return commit


class KeepsWhatIsNotWanted(Store[Any, Any]):
    def replace_all(self, records: Any) -> Any:
        return super().replace_all({**self.snapshot(), **dict(records)})

    def update_all(self, keys: Any, fn: Any) -> Any:
        return super().update_all(list(keys)[1:], fn)


class WritesAllAnew(Store[Any, Any]):
    def replace_all(self, records: Any) -> Any:
        return super().replace_all({key: r.replace() for key, r in dict(records).items()})

    def update_all(self, keys: Any, fn: Any) -> Any:
        return super().update_all(keys, lambda slot: fn(slot).replace())


@pytest.mark.parametrize("twin", [OneByOne, KeepsWhatIsNotWanted, WritesAllAnew])
def test_the_laws_see_a_store_that_does_not(twin: Any) -> None:
    @given(RECORDS, RECORDS, st.sets(KEYS))
    def replacing(start: Any, wanted: Any, kept: Any) -> None:
        replaces_all(twin, "identity", start, wanted, kept)

    @given(RECORDS, st.lists(KEYS, max_size=4))
    def updating(start: Any, keys: list[str]) -> None:
        start = {key: slot.replace() for key, slot in start.items()}
        updates_all(twin, "identity", start, keys, {0: "other", 1: "equal"})

    for law in (replacing, updating):
        with pytest.raises((AssertionError, ExceptionGroup)):
            law()


# What is refused leaves the store as it was


@pytest.fixture
def store(make_store: MakeStore) -> Iterator[Store[Any, Any]]:
    made = make_store(
        {"a": Slot(1, 1), "b": Slot(2, 2)},
        indexes=INDEXES,
        aggregates=AGGREGATES,
        invariants={"cheap": lambda now, _: now.total("prices") < 100},
    )
    before = made.snapshot()
    yield made
    assert made.snapshot() is before
    check_store(made, indexes=INDEXES, aggregates=AGGREGATES)


def test_an_update_of_what_is_not_there_changes_nothing(store: Store[Any, Any]) -> None:
    with pytest.raises(RecordNotFoundError) as caught:
        store.update_all(["a", "nowhere", "b"], lambda slot: slot.replace(price=5))
    assert caught.value.key == "nowhere"


@pytest.mark.parametrize("keys", ["ab", b"ab", 5, None])
def test_keys_are_an_iterable_of_keys(store: Store[Any, Any], keys: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="iterable of keys"):
        store.update_all(keys, lambda slot: slot)


def test_a_key_that_cannot_be_hashed_is_said_to_be_so(store: Store[Any, Any]) -> None:
    with pytest.raises(UnhashableKeyError):
        store.update_all(["a", []], lambda slot: slot)
    with pytest.raises(ArgumentTypeError):
        store.replace_all([([], Slot(1))])


class Incomparable:
    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise TypeError("compare me not")


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_a_type_error_out_of_a_comparison_of_the_keys_comes_through(
    store: Store[Any, Any], kind: Any
) -> None:
    with pytest.raises(TypeError, match="compare me not"):
        store.update_all(kind([Incomparable(), Incomparable()]), lambda slot: slot)


@pytest.mark.parametrize(
    ("fn", "error"),
    [
        (5, ArgumentTypeError),
        (lambda _: None, ArgumentTypeError),
        (lambda _: [], MutableRecordError),
        (lambda _: MISSING, ArgumentValueError),
        (lambda slot: slot.replace(order_id=7), UniqueViolationError),
        (lambda slot: slot.replace(price=500), InvariantError),
        (lambda _: 1 // 0, ZeroDivisionError),
    ],
)
def test_an_update_that_is_refused_for_one_is_refused_for_all(
    store: Store[Any, Any], fn: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.update_all(["a", "b"], fn)


@pytest.mark.parametrize(
    ("records", "error"),
    [
        (None, ArgumentTypeError),
        (5, ArgumentTypeError),
        (["ab", "c"], ArgumentTypeError),
        ({"a": []}, MutableRecordError),
        ({"a": MISSING}, ArgumentValueError),
        ({float("nan"): Slot(1)}, ArgumentValueError),
        ({"a": Slot(1, 7), "c": Slot(1, 7)}, UniqueViolationError),
        ({"a": Slot(500)}, InvariantError),
    ],
)
def test_records_that_are_refused_replace_nothing(
    store: Store[Any, Any], records: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.replace_all(records)


# More


def test_values_may_pass_each_other_in_a_unique_index(make_store: MakeStore) -> None:
    store = made(make_store, {"a": Slot(1, 1), "b": Slot(2, 2)}, "identity")
    store.replace_all({"a": Slot(1, 2), "b": Slot(2, 1)})
    store.update_all(["b", "a"], lambda slot: slot.replace(order_id=3 - slot.order_id))
    assert store.snapshot().find_key("order_id", 1) == "a"
    check_store(store, indexes=INDEXES, aggregates=AGGREGATES)


def test_all_may_be_replaced_by_a_snapshot_by_pairs_and_by_nothing(make_store: MakeStore) -> None:
    store = made(make_store, {"a": Slot(1), "b": Slot(2)}, "identity")
    first = store.snapshot()
    assert not store.replace_all(first).changes
    assert store.replace_all((key, slot) for key, slot in first.items()).version == 0
    assert dict(store.replace_all({}).after) == {}
    assert store.replace_all(first).after == first


def test_what_was_given_is_copied(make_store: MakeStore) -> None:
    store = make_store()
    records = {"a": 1}
    store.replace_all(records)
    records["b"] = 2
    assert store.snapshot() == {"a": 1}


def test_the_same_list_again_changes_nothing_where_equal_is_the_same() -> None:
    store: Store[str, Slot] = Store(same="equality")

    def ask(price: int) -> dict[str, Slot]:
        return {"a": Slot(1), "b": Slot(price)}

    assert [store.replace_all(ask(price)).version for price in (1, 1, 2, 2)] == [1, 1, 2, 2]
    first = store.at(1)
    assert store.snapshot()["a"] is first["a"]


def test_a_key_that_equals_another_one_is_that_one(make_store: MakeStore) -> None:
    store = make_store({1: "one"})
    commit = store.replace_all({True: "true"})
    assert list(commit.after) == [1]
    assert commit.changes == {1: ("one", "true")}


def test_nothing_is_updated_by_no_keys(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    assert not store.update_all([], lambda n: n + 1).changes
    assert store.update_all(store.snapshot(), lambda n: n + 1).after["a"] == 2
