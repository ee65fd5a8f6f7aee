"""Which entries of an index a write changes, and which it leaves as they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import ConflictError, History, Index, Store, UniqueViolationError
from cowstate.index import Ordered
from cowstate.ordered import Sorted
from tests.indexed import MakeStore, Slot, by_order


def test_a_value_that_a_record_keeps_is_no_change_of_its_entry(make_store: MakeStore) -> None:
    """What a look-up relied on is the entry, so a draft conflicts at those that changed alone."""
    store = by_order(make_store, {"a": Slot(1, ("x", "y")), "b": Slot(2, ("y",))})
    draft = store.draft()
    for tag in "xyz":
        draft.find_all("tag", tag)
    store.set("a", Slot(3, ("y", "z")))
    with pytest.raises(ConflictError) as caught:
        draft.commit()
    assert set(caught.value.entries) == {("tag", "x"), ("tag", "z")}


@given(st.lists(st.sampled_from([None, 1, 2, 3, 4]), max_size=6), st.booleans(), st.booleans())
@example([None, 1, 1], True, False)
@example([None, 1, 2], True, False)
def test_what_a_store_begins_with_is_found_or_refused_as_what_is_written_one_by_one(
    values: list[int | None], unique: bool, ordered: bool
) -> None:
    def indexed(records: dict[int, Slot]) -> Store[int, Slot]:
        index: Index[Slot] = Index(lambda slot: slot.order_id, unique, ordered=ordered)
        return Store(records, indexes={"order": index})

    records = {key: Slot(value) for key, value in enumerate(values)}
    one_by_one = indexed({})
    try:
        for key, record in records.items():
            one_by_one.set(key, record)
    except UniqueViolationError:
        with pytest.raises(UniqueViolationError):
            indexed(records)
        return
    at_once = indexed(records)
    for value in (None, 1, 2, 3, 4):
        found = at_once.snapshot().find_all("order", value)
        assert found == one_by_one.snapshot().find_all("order", value)
    entries = [dict(store.statistics().index_entries) for store in (at_once, one_by_one)]
    assert entries[0] == entries[1]


def test_a_record_may_keep_one_of_several_unique_values(make_store: MakeStore) -> None:
    names = Index(lambda slot: slot.tags, unique=True, many=True)
    store = make_store({"a": Slot(tags=("x", "y"))}, indexes={"name": names})
    store.set("a", Slot(tags=("y", "z")))
    with store.transaction() as tx:
        tx["a"] = Slot(tags=("z", "x"))
        tx["b"] = Slot(tags=("y",))
    now = store.snapshot()
    assert [now.find_key("name", name) for name in "xyz"] == ["a", "b", "a"]


def test_the_very_same_value_is_not_asked_whether_it_equals_itself(make_store: MakeStore) -> None:
    class Tags(tuple[str, ...]):
        def __eq__(self, other: object) -> bool:
            assert not isinstance(other, Tags), "there is no need to compare them"
            return tuple.__eq__(self, other)

        __hash__ = tuple.__hash__

    tags = Tags(("x", "y"))
    store = by_order(make_store, {"a": Slot(1, tags)})
    store.set("a", Slot(2, tags))
    assert set(store.snapshot().find_all("tag", "x")) == {"a"}


def test_equal_keys_are_one_key_of_an_entry(make_store: MakeStore) -> None:
    store = by_order(make_store, {1: Slot(7), 2: Slot(8)})
    store.set(1.0, Slot(9))
    with store.transaction() as tx:
        tx[2.0] = Slot(7)
    now = store.snapshot()
    assert [now.find_key("order", number) for number in (7, 8, 9)] == [2, None, 1]
    store.delete(True)
    assert store.snapshot().find("order", 9) is None


def test_the_entries_of_an_ordered_index_are_read_as_a_mapping_in_their_order() -> None:
    kept = {3: "c", 1: "a", 2: "b"}
    entries: Any = Ordered(kept, Sorted.of(kept))  # type: ignore[arg-type]
    assert list(entries) == [1, 2, 3]
    assert list(entries.items()) == sorted(kept.items())
    assert list(entries.values()) == ["a", "b", "c"]
    assert (len(entries), entries[2], entries.get(9, "none")) == (3, "b", "none")
    assert 2 in entries
    assert 9 not in entries
    with pytest.raises(AttributeError):
        entries.order = Sorted.of([2])


def test_the_bytes_of_a_version_count_each_value_that_a_record_is_under() -> None:
    sizes = []
    for count in (0, 1, 20):
        index: Index[range] = Index(list, unique=True, many=True)
        records = {key: range(100 * key, 100 * key + count) for key in range(500)}
        store = Store(records, indexes={"number": index}, history=History(bytes=10**9))
        store.update_all(range(20), lambda held: range(held.start + 50, held.stop + 50))
        sizes.append(store.statistics().retained_bytes or 0)
    assert sizes[2] - sizes[0] > 4 * (sizes[1] - sizes[0]) > 0
