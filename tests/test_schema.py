"""What follows from a write, and what a version is said to take: by the surface of a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from sys import getsizeof
from typing import Any

import pytest

from cowstate import (
    MISSING,
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    History,
    Index,
    MutableRecordError,
    Record,
    Store,
)
from cowstate.index import entries_of
from cowstate.maps import map_kind

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    tag: str = ""
    number: int = 0


WRITES: dict[str, Callable[[Store[Any, Any], str, Slot], object]] = {
    "set": lambda store, key, slot: store.set(key, slot),
    "update": lambda store, key, slot: store.update(key, lambda _: slot),
    "compare_and_set": lambda store, key, slot: store.compare_and_set(
        key, store.snapshot().get(key, MISSING), slot
    ),
    "transact": lambda store, key, slot: store.transact(lambda tx: tx.__setitem__(key, slot)),
    "retry": lambda store, key, slot: store.retry(lambda draft: draft.__setitem__(key, slot)),
}


def taken_by(store: Store[Any, Any], write: Callable[[Store[Any, Any]], object]) -> int:
    """What a write adds to the estimate of what is retained."""
    before = store.statistics().retained_bytes
    write(store)
    after = store.statistics().retained_bytes
    assert before is not None
    assert after is not None
    return after - before


def bounded(records: Mapping[Any, Any], **options: Any) -> Store[Any, Any]:
    return Store(records, history=History(bytes=10**9), **options)


@pytest.mark.parametrize("write", WRITES)
def test_a_version_takes_its_new_records_and_more_the_larger_the_map(write: str) -> None:
    taken = {
        (size, length): taken_by(
            bounded({n: Slot() for n in range(size)} | {"a": Slot()}),
            lambda store, length=length: WRITES[write](store, "a", length * "x"),  # type: ignore[misc]
        )
        for size in (10, 1_000, 20_000)
        for length in (1, 5_000)
    }
    for size in (10, 1_000, 20_000):
        assert taken[size, 5_000] - taken[size, 1] == getsizeof(5_000 * "x") - getsizeof("x")
        assert taken[size, 1] > getsizeof("x")
    assert taken[10, 1] < taken[1_000, 1] < taken[20_000, 1] < 2 * taken[1_000, 1]


def test_a_version_takes_a_record_more_for_each_that_it_changes_and_the_paths_to_them() -> None:
    def write(store: Store[Any, Any], keys: int) -> None:
        store.transact(lambda tx: tx.update(dict.fromkeys(range(keys), "new")))

    base = dict.fromkeys(range(1_000), "old")
    kind = map_kind("tree")
    version = kind.build(base)
    records = {
        keys: taken_by(
            bounded(base, maps="tree"),
            lambda store, keys=keys: write(store, keys),  # type: ignore[misc]
        )
        - kind.path_bytes(version, keys)
        - getsizeof(dict.fromkeys(range(keys)))
        for keys in (1, 2, 10)
    }
    # What it was and what it is, of each.
    each = getsizeof(("old", "new")) + getsizeof("new")
    assert kind.path_bytes(version, 1) < kind.path_bytes(version, 2) < kind.path_bytes(version, 10)
    assert records[2] - records[1] == each
    assert records[10] - records[2] == 8 * each


def test_a_version_of_meta_alone_takes_little_and_as_much_in_any_store() -> None:
    def write(store: Store[Any, Any]) -> None:
        store.transact(lambda tx: setattr(tx, "meta", "new"))

    small, large = bounded({}), bounded({n: Slot() for n in range(10_000)}, indexes={"t": BY_TAG})
    assert 0 < taken_by(small, write) == taken_by(large, write)
    assert taken_by(small, write) < taken_by(large, lambda store: store.set(1, Slot())) / 2


BY_TAG: Index[Slot] = Index(lambda slot: slot.tag)
BY_NUMBER: Index[Slot] = Index(lambda slot: slot.number, unique=True)


def test_an_index_takes_only_what_changes_in_it_and_its_sets_of_keys_besides() -> None:
    records = {n: Slot(str(n % 50), n) for n in range(1_000)}

    def taken(new: Slot, *indexes: Index[Slot]) -> int:
        store = bounded(records, indexes={str(n): index for n, index in enumerate(indexes)})
        return taken_by(store, lambda store: store.set(1, new))

    untouched, retagged, renumbered = Slot("1", 1), Slot("7", 1), Slot("1", 7_000)
    without = taken(untouched)
    assert taken(untouched, BY_TAG) == taken(untouched, BY_NUMBER) == without
    assert taken(renumbered, BY_TAG) == taken(retagged, BY_NUMBER) == without
    by_number, by_tag = taken(renumbered, BY_NUMBER) - without, taken(retagged, BY_TAG) - without
    assert by_number > 0
    assert by_tag > by_number / 2
    # Of one of many values the sets of keys are small; of one of few, half of all is in each.
    few: Index[Slot] = Index(lambda slot: int(slot.tag) % 2)
    moved = Slot("2", 1)
    assert taken(moved, few) - without > 0
    assert taken(moved, few, BY_TAG) == taken(moved, few) + taken(moved, BY_TAG) - without
    both = taken(Slot("7", 7_000), BY_TAG, BY_NUMBER)
    assert both == without + by_tag + by_number


BY_TWO: Index[Slot] = Index(lambda slot: (slot.tag, slot.number), many=True)


def test_an_index_of_several_values_takes_as_much_as_so_many_of_one() -> None:
    records = {n: Slot(str(n % 50), n) for n in range(1_000)}

    def taken(index: Index[Slot]) -> int:
        store = bounded(records, indexes={"index": index}, maps="tree")
        return taken_by(store, lambda store: store.set(1, Slot("7", 7_000)))

    number: Callable[[Slot], int] = lambda slot: slot.number  # noqa: E731
    assert taken(Index(lambda slot: (slot.tag,), many=True)) == taken(BY_TAG)
    assert taken(Index(lambda slot: (number(slot),), many=True, unique=True)) == taken(BY_NUMBER)
    three: Index[Slot] = Index(
        lambda slot: (number(slot), -1 - number(slot), number(slot) + 0.5), many=True, unique=True
    )
    kind = map_kind("tree")
    # One entry is left, and one taken; here three of each, in a map of three times as many.
    paths = [
        kind.path_bytes(kind.build(dict.fromkeys(range(entries))), written)
        for entries, written in ((1_000, 2), (3_000, 6))
    ]
    assert paths[1] > 2 * paths[0]
    assert taken(three) - taken(BY_NUMBER) == pytest.approx(paths[1] - paths[0], rel=0.1)


@pytest.mark.parametrize("index", [BY_TAG, BY_NUMBER])
def test_what_an_index_of_one_value_takes_depends_on_no_count_of_records(
    index: Index[Slot],
) -> None:
    entries = entries_of("index", index, map_kind())
    state = entries.build({n: Slot(str(n % 50), n) for n in range(1_000)})
    assert entries.bytes_of(state, 1, 1) == entries.bytes_of(state, 1, 10**9)


@pytest.mark.parametrize("index", [BY_TAG, BY_NUMBER, BY_TWO])
def test_an_index_that_becomes_empty_takes_something_too(index: Index[Slot]) -> None:
    with_it, without = (
        taken_by(bounded({"a": Slot("x", 1)}, indexes=indexes), lambda store: store.delete("a"))
        for indexes in ({"index": index}, {})
    )
    assert with_it > without > 0


def test_what_may_not_be_stored_is_refused_by_every_write_however_often(
    make_store: MakeStore,
) -> None:
    store = make_store({"a": Slot()})
    for write in WRITES.values():
        for _ in range(2):
            with pytest.raises(MutableRecordError):
                write(store, "a", [])  # type: ignore[arg-type]
    for records in ({"a": []}, [("a", Slot()), ("b", {})]):
        with pytest.raises(MutableRecordError):
            make_store(records)
    with pytest.raises(MutableRecordError):
        make_store({}, meta=[])
    assert store.snapshot().version == 0


def test_a_deep_look_is_had_at_each_value_that_may_hold_another_and_says_where() -> None:
    store: Store[Any, Any] = Store({"a": ()}, immutability="deep", meta=())
    for write in WRITES.values():
        write(store, "a", (Slot(),))  # type: ignore[arg-type]
        with pytest.raises(MutableRecordError, match=r"records\['a'\]\[0\]"):
            write(store, "a", ([],))  # type: ignore[arg-type]
    with pytest.raises(MutableRecordError, match=r"meta\[0\]"):
        store.transact(lambda tx: setattr(tx, "meta", ([],)))


class Named(type):
    """The class of a class that notes who asks its name: whoever looks whether it is immutable."""

    asked = 0

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        Named.asked += 1
        return "Thing"


def test_a_type_is_looked_at_once_by_whatever_write() -> None:
    class Thing(metaclass=Named):
        pass

    store: Store[str, Any] = Store({"a": 1})
    store.set("a", Thing())
    asked = Named.asked
    assert asked
    for write in WRITES.values():
        write(store, "a", Thing())  # type: ignore[arg-type]
    store.transact(lambda tx: setattr(tx, "meta", Thing()))
    assert Named.asked == asked


def test_none_is_a_record_where_it_is_allowed_whatever_came_before() -> None:
    store: Store[str, Any] = Store({"a": 1}, meta=1, allow_none=True)
    assert store.update("a", lambda _: None).after["a"] is None


def test_a_coroutine_that_was_trusted_lets_no_other_one_in_by_mistake() -> None:
    async def later() -> None:
        """Nothing."""

    store: Store[str, Any] = Store({"a": 1}, immutability="trusted")
    made = later()
    store.set("a", made)
    with pytest.raises(ArgumentTypeError, match="plain function"):
        store.update("a", lambda _: later())
    made.close()


class Incomparable:
    def __eq__(self, other: object) -> bool:
        if other is self:  # what an exception of a comparison means is that they are not equal
            pytest.fail("there is no need to compare it with itself")
        return False

    __hash__ = object.__hash__


@pytest.mark.parametrize("same", ["identity", "equality"])
def test_one_record_and_meta_are_one_version_and_meta_that_stays_is_not_compared(
    make_store: MakeStore, same: str
) -> None:
    def write(tx: Any) -> None:
        tx["a"], tx.meta = 2, meta

    meta: Any = Incomparable()
    store = make_store({"a": 1}, meta="old", same=same)
    store.transact(write)
    now = store.snapshot()
    assert (now.version, now["a"], now.meta) == (1, 2, meta)
    store.transact(lambda tx: tx.update(a=3, b=3))
    assert store.snapshot().meta is meta


def test_several_keys_are_deleted_in_one_version_and_others_written(make_store: MakeStore) -> None:
    store = make_store({"a": 1, "b": 2, "c": 3, "d": 4})
    store.transact(lambda tx: (tx.pop("a"), tx.pop("b")))
    assert (store.snapshot().version, store.snapshot()) == (1, {"c": 3, "d": 4})
    store.transact(lambda tx: (tx.pop("c"), tx.update(e=5)))
    assert (store.snapshot().version, store.snapshot()) == (2, {"d": 4, "e": 5})


def test_what_equals_anything_is_not_what_is_not_there(make_store: MakeStore) -> None:
    class Anything:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = object.__hash__

    store = make_store({"a": Anything()}, same="equality")
    assert store.compare_and_set("a", MISSING, 1) is None
    assert store.compare_and_set("b", Anything(), 1) is None


def test_an_index_that_is_added_makes_one_version_of_the_same_records() -> None:
    for store in (bounded({"a": Slot("x")}), Store({"a": Slot("x")})):
        before = store.snapshot()
        commit = store.add_index("tag", BY_TAG)
        assert (commit.before, commit.after, commit.changes) == (before, store.snapshot(), {})
        assert commit.version == 1


def test_missing_is_no_record_wherever_it_is_given(make_store: MakeStore) -> None:
    store = make_store({"a": Slot()})
    for write in (
        lambda: store.set("a", MISSING),
        lambda: store.update("a", lambda _: MISSING),
        lambda: store.transact(lambda tx: tx.__setitem__("a", MISSING)),
        lambda: store.draft().__setitem__("a", MISSING),
        lambda: make_store({"a": MISSING}),
        lambda: make_store({}, meta=MISSING),
    ):
        with pytest.raises(ArgumentValueError, match="delete"):
            write()
    assert store.snapshot() == {"a": Slot()}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("derives", [False, True])
def test_every_write_leads_to_the_same_records_indexes_and_totals(
    make_store: MakeStore, write: str, derives: bool
) -> None:
    options: dict[str, Any] = {
        "indexes": {"tag": BY_TAG, "number": BY_NUMBER},
        "aggregates": {"sum": Aggregate.sum(lambda slot: slot.number)},
    }
    store = make_store({"a": Slot("x", 1)}, meta="kept", **(options if derives else {}))
    WRITES[write](store, "a", Slot("y", 2))
    if write != "update":
        WRITES[write](store, "b", Slot("x", 3))
    expected = {"a": Slot("y", 2)} | ({"b": Slot("x", 3)} if write != "update" else {})
    now = store.snapshot()
    assert now == expected
    assert now.meta == "kept"
    if derives:
        assert now.find_all("tag", "y") == {"a": Slot("y", 2)}
        assert now.find_key("number", 2) == "a"
        assert now.find_key("number", 1) is None
        assert now.total("sum") == sum(slot.number for slot in expected.values())
        assert dict(store.statistics().index_entries)["tag"] == len(expected)


def test_only_added_and_deleted_keys_make_another_set_of_keys(make_store: MakeStore) -> None:
    # A draft that iterated conflicts with those, and with nothing else.
    def conflicts(write: Callable[[Store[Any, Any]], object], **options: Any) -> Sequence[str]:
        store = make_store({"a": Slot("x", 1), "b": Slot("y", 2)}, **options)
        draft = store.draft()
        list(draft)
        write(store)
        try:
            draft.commit()
        except ConflictError as error:
            return error.reasons
        return ()

    for options in ({}, {"indexes": {"tag": BY_TAG}}, {"invariants": {"any": lambda *_: True}}):
        for write in (
            lambda store: store.set("a", Slot("z", 1)),
            lambda store: store.transact(lambda tx: tx.update(a=Slot("z", 1), b=Slot("q", 2))),
            lambda store: store.transact(lambda tx: setattr(tx, "meta", 1)),
        ):
            assert not conflicts(write, **options)
        for write in (
            lambda store: store.set("c", Slot("z", 3)),
            lambda store: store.delete("a"),
            lambda store: store.transact(lambda tx: tx.update(c=Slot("z", 3))),
            lambda store: store.transact(lambda tx: tx.pop("a")),
            lambda store: store.transact(lambda tx: tx.update(c=Slot("z", 3), b=Slot("z", 2))),
            lambda store: store.transact(lambda tx: (tx.pop("a"), tx.pop("b"))),
        ):
            assert conflicts(write, **options) == ("keys",)


def test_records_that_are_no_pairs_are_refused_with_the_reason() -> None:
    for records, said in ((5, "not iterable"), ([1], "pairs"), ([("a",)], "length 1")):
        with pytest.raises(ArgumentTypeError, match=said):
            Store(records)  # type: ignore[arg-type]
