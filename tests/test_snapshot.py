"""Snapshots and commits as values: equality, copies, pickles, reprs."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    Aggregate,
    ForeignSnapshotError,
    History,
    Index,
    Record,
    RecordNotFoundError,
    Snapshot,
    Store,
)
from cowstate.commit import written
from cowstate.maps import available_maps

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    order_id: int | None = None
    tags: tuple[str, ...] = ()
    quantity: Decimal = Decimal(0)


def order_of(slot: Slot) -> int | None:
    return slot.order_id


@pytest.fixture
def store(make_store: MakeStore) -> Store[str, Slot]:
    return make_store(
        {"a": Slot(1, ("x",), Decimal(2)), "b": Slot(None, ("x", "y"))},
        indexes={
            "order": Index(lambda slot: slot.order_id, unique=True),
            "tag": Index(lambda slot: slot.tags, many=True),
        },
        aggregates={"quantity": Aggregate.sum(lambda slot: slot.quantity)},
        meta="meta",
    )


def reads_alike(one: Snapshot[str, Slot], other: Snapshot[str, Slot]) -> bool:
    return (
        one == other
        and one.version == other.version
        and one.meta == other.meta
        and one.find("order", 1) == other.find("order", 1)
        and one.find_key("order", 1) == other.find_key("order", 1)
        and all(one.find_all("tag", t) == other.find_all("tag", t) for t in "xyz")
        and one.total("quantity") == other.total("quantity")
    )


@given(
    st.dictionaries(st.integers() | st.text(max_size=3), st.integers(), max_size=120),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_the_order_of_keys_is_one_in_each_snapshot(
    records: dict[Any, int], keys_written: list[int]
) -> None:
    for maps in ("auto", "tree", "pyrsistent", "dict+tree"):
        store = Store(records, maps=maps)
        seen = []
        for key in keys_written:
            seen.append((store.snapshot(), list(store.snapshot())))
            store.set(key, key)
        for now, keys in [*seen, (store.snapshot(), list(store.snapshot()))]:
            assert keys == list(now) == list(now.keys())
            assert list(now.items()) == list(zip(now, now.values(), strict=True))
            assert [now[key] for key in now] == list(now.values())


@pytest.mark.parametrize("size", [42, 85, 170])
def test_the_order_of_keys_may_change_where_a_store_grows(size: int) -> None:
    maps = {42: "dict+immutables", 85: "dict+tree", 170: "dict+pyrsistent"}[size]
    if maps not in available_maps():
        pytest.skip(f"{maps} is not to be had here")
    came = [f"key {n}" for n in range(size, -1, -1)]
    store = Store(dict.fromkeys(came[:size], 0), maps=maps)
    assert list(store.snapshot()) == came[:size]
    store.set(came[size], 0)
    assert list(store.snapshot()) != came
    assert sorted(store.snapshot()) == sorted(came)


@given(*[st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))] * 2)
def test_what_a_commit_has_written_is_the_new_part_of_its_changes(
    old: dict[str, int], new: dict[str, int]
) -> None:
    store = Store(old)
    for commit in (store.replace_all(new), store.set("a", 9), store.delete("a")):
        assert written(commit) == [(key, now) for key, (_, now) in commit.changes.items()]


def test_a_snapshot_keeps_what_it_showed_whatever_is_written_later(store: Store[str, Slot]) -> None:
    before = store.snapshot()
    copied = pickle.loads(pickle.dumps(before))
    store.set("a", Slot(2, ("z",), Decimal(9)))
    store.delete("b")
    with store.transaction() as tx:
        tx.meta = "other"
    assert reads_alike(before, copied)


def test_taking_a_snapshot_makes_nothing(store: Store[str, Slot]) -> None:
    assert store.snapshot() is store.snapshot()


def test_snapshots_are_equal_as_mappings_are(make_store: MakeStore) -> None:
    one, other = make_store({"a": Slot(1)}), make_store({"a": Slot(1)}, meta="x")
    assert one.snapshot() == other.snapshot() == {"a": Slot(1)}
    assert {"a": Slot(1)} == one.snapshot()
    assert one.snapshot() != {"a": Slot(2)}
    assert one.snapshot() != {"b": Slot(1)}
    assert one.snapshot() != {"a": Slot(1), "b": Slot(1)}
    assert one.snapshot() != {}
    assert one.snapshot() != [("a", Slot(1))]
    assert one.snapshot() != 5
    before = one.snapshot()
    with one.transaction() as tx:
        tx.meta = "only the meta"
    assert one.snapshot() == before
    with pytest.raises(TypeError):
        hash(before)


def test_two_versions_of_a_store_are_equal_only_if_their_records_are(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    before = store.snapshot()
    store.set("a", 2)
    now = store.snapshot()
    assert (before == now) is (now == before) is False
    assert before != now
    store.set("a", 1)
    assert (before == store.snapshot()) is (make_store({"a": 1}).snapshot() == before) is True


def test_a_comparison_with_what_is_no_mapping_is_left_to_the_other_side(
    make_store: MakeStore,
) -> None:
    now = make_store({"a": 1}).snapshot()
    assert now == mock.ANY
    assert (now == 5) is False
    assert (now != 5) is True


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_snapshot_reads_like_the_original_and_belongs_to_no_store(
    store: Store[str, Slot], protocol: int
) -> None:
    now = store.snapshot()
    again = pickle.loads(pickle.dumps(now, protocol))
    assert again is not now
    assert reads_alike(again, now)
    assert reads_alike(pickle.loads(pickle.dumps(again)), now)
    assert isinstance(again, Mapping)
    assert repr(again) == repr(now)
    with pytest.raises(ForeignSnapshotError, match="unpickled"):
        now.diff(again)
    with pytest.raises(ForeignSnapshotError):
        again.diff(now)
    with pytest.raises(ForeignSnapshotError):
        store.draft(again)
    assert not again.diff(again)


def test_a_pickled_snapshot_needs_no_library_of_maps_to_be_read(make_store: MakeStore) -> None:
    store = make_store(
        {number: number for number in range(500)},
        indexes={
            "last digit": Index(lambda number: number % 10),
            "itself": Index(lambda number: number, unique=True),
        },
    )
    data = pickle.dumps(store.snapshot())
    assert b"pyrsistent" not in data
    assert b"immutables" not in data
    again = pickle.loads(data)
    assert len(again.find_all("last digit", 7)) == 50
    assert again.find("itself", 7) == 7


def test_copies_of_a_snapshot_and_of_a_commit_are_themselves(store: Store[str, Slot]) -> None:
    now = store.snapshot()
    assert copy.copy(now) is copy.deepcopy(now) is now
    commit = store.set("a", Slot(5))
    for again in (copy.copy(commit), copy.deepcopy(commit)):
        assert again.before is commit.before
        assert again.after is commit.after
        # The law of a commit: what its changes name is what its snapshots hold.
        assert again.changes["a"].new is again.after["a"]


def test_a_pickled_commit_says_what_it_said(store: Store[str, Slot]) -> None:
    for commit in (store.set("c", Slot(5)), store.delete("a"), store.update("b", lambda s: s)):
        again = pickle.loads(pickle.dumps(commit))
        assert again.changes == commit.changes
        assert reads_alike(again.before, commit.before)
        assert reads_alike(again.after, commit.after)
        assert again.version == commit.version
        for key, change in again.changes.items():
            assert change.new is again.after.get(key, MISSING)


def test_a_snapshot_cannot_be_changed(store: Store[str, Slot]) -> None:
    now: Any = store.snapshot()
    with pytest.raises(AttributeError):
        now.version = 5
    with pytest.raises(AttributeError):
        now.other = 5
    with pytest.raises(TypeError):
        now["a"] = Slot()
    with pytest.raises(TypeError):
        del now["a"]


def test_a_commit_cannot_be_changed_and_equals_itself_alone(store: Store[str, Slot]) -> None:
    commit: Any = store.set("a", Slot(5))
    for name in ("before", "after", "version", "other"):
        with pytest.raises(AttributeError):
            setattr(commit, name, 5)
    with pytest.raises(AttributeError):
        del commit.after
    again = pickle.loads(pickle.dumps(commit))
    assert again != commit
    assert len({commit, again}) == 2
    assert weakref.ref(commit)() is commit


def test_a_missing_key_is_a_key_error_that_names_it(store: Store[str, Slot]) -> None:
    with pytest.raises(KeyError) as caught:
        store.snapshot()["c"]
    assert isinstance(caught.value, RecordNotFoundError)
    assert (caught.value.key, caught.value.version) == ("c", 0)
    assert store.snapshot().get("c") is None
    assert store.snapshot().get("c", 5) == 5


def test_it_reads_as_every_mapping_does(store: Store[str, Slot]) -> None:
    now = store.snapshot()
    assert len(now) == 2
    assert set(now) == set(now.keys()) == {"a", "b"}
    assert now.keys() & {"a", "z"} == {"a"}
    assert ("a", now["a"]) in now.items()
    assert ("a", Slot()) not in now.items()
    assert now["b"] in now.values()
    assert dict(now) == {**now} == dict(now.items())
    assert len(now.items()) == len(now.values()) == 2
    match now:
        case {"a": Slot(order_id=order_id)}:
            assert order_id == 1
        case _:
            pytest.fail("a snapshot is a mapping for match, too")


def test_its_views_are_those_of_a_mapping_whatever_the_map(make_store: MakeStore) -> None:
    for size in (2, 500):
        now = make_store({f"k{number}": number for number in range(size)}).snapshot()
        assert isinstance(now.keys(), KeysView)
        assert isinstance(now.values(), ValuesView)
        assert isinstance(now.items(), ItemsView)
        assert now.keys() & {"k1", "z"} == {"k1"}
        assert now.items() & {("k1", 1), ("k1", 2)} == {("k1", 1)}
        assert sorted(now.values()) == [*range(size)]
        assert {*zip(now.keys(), now.values(), strict=True)} == {*now.items()}


def test_a_repr_shows_three_records_and_says_that_there_are_more() -> None:
    three, four = (repr(Store({n: n for n in range(size)}).snapshot()) for size in (3, 4))
    assert three == "<Snapshot version=0 records=3 {0: 0, 1: 1, 2: 2}>"
    assert four == "<Snapshot version=0 records=4 {0: 0, 1: 1, 2: 2, ...}>"


def test_what_a_repr_cuts_is_cut_to_eighty_characters() -> None:
    def shown(length: int) -> str:
        text = repr(Store({"a": "x" * (length - len("'a': ''"))}).snapshot())
        return text.removeprefix("<Snapshot version=0 records=1 {").removesuffix("}>")

    assert shown(80) == f"'a': '{'x' * 73}'"
    assert shown(81) == f"'a': '{'x' * 71}..."


def test_reprs_stay_short_at_a_hundred_thousand_records() -> None:
    store: Store[int, Any] = Store({number: Slot(number) for number in range(100_000)})
    draft = store.draft()
    draft.clear()
    commit = draft.commit()
    for thing in (commit.before, commit, commit.changes, draft, store, store.statistics()):
        assert len(repr(thing)) < 500, type(thing)
    assert repr(commit.before).startswith("<Snapshot version=0 records=100000 {")
    assert repr(store) == "<Store version=1 records=0>"
    store.set(1, "x" * 10_000)
    assert len(repr(store.snapshot())) < 500
    assert len(repr(store.set(2, "y" * 10_000))) < 500


def test_a_commit_keeps_its_two_snapshots_alive_and_no_others(make_store: MakeStore) -> None:
    # What is deferred is freed by the collector: tests/test_deferral.py.
    store = make_store({"a": 1}, history=History(versions=1), deferred_refcount=False)
    commit = store.set("a", 2)
    third = store.set("a", 3).after
    gone = weakref.ref(third)
    del third
    for number in range(4, 8):
        store.set("a", number)
    assert gone() is None
    assert (commit.before["a"], commit.after["a"]) == (1, 2)
    assert commit.version == 1
    assert repr(commit) == "<Commit version=1 ChangeSet({'a': Change(old=1, new=2)})>"


def test_records_equal_but_not_identical_are_different_records(make_store: MakeStore) -> None:
    one, other = Slot(1), Slot(1)
    store = make_store({"a": one})
    assert store.set("a", one).version == 0
    assert store.set("a", other).version == 1
    assert store.snapshot()["a"] is other


def test_a_nan_is_a_record_like_any_other(make_store: MakeStore) -> None:
    nan = float("nan")
    store = make_store({"a": nan})
    assert store.set("a", nan).version == 0
    assert store.set("a", float("nan")).version == 1
    assert store.compare_and_set("a", nan, 1.0) is None
    assert store.at(0)["a"] is nan
    assert store.at(0) == {"a": nan}
    assert set(store.snapshot().diff(store.at(0))) == {"a"}
