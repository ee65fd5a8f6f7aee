"""The store: one key at a time, bad arguments, several threads."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    CowstateError,
    Draft,
    ForeignSnapshotError,
    History,
    Index,
    Record,
    RecordNotFoundError,
    Store,
)

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    n: int = 0


# One key


def test_a_write_is_one_version_and_returns_what_it_did(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    commits = [
        store.set("b", 2),
        store.set("b", 3),
        store.update("a", lambda n: n + 10),
        store.delete("b"),
    ]
    assert [commit.version for commit in commits] == [1, 2, 3, 4]
    assert [dict(commit.changes) for commit in commits] == [
        {"b": (MISSING, 2)},
        {"b": (2, 3)},
        {"a": (1, 11)},
        {"b": (3, MISSING)},
    ]
    for commit, following in itertools.pairwise(commits):
        assert commit.after is following.before
    assert store.snapshot() == {"a": 11}


def read_a(draft: Draft[str, Any]) -> Draft[str, Any]:
    draft["a"]
    return draft


def test_a_write_that_changes_nothing_makes_no_version(make_store: MakeStore) -> None:
    slot = Slot(1)
    store = make_store({"a": slot})
    now = store.snapshot()
    for commit in (
        store.set("a", slot),
        store.update("a", lambda record: record),
        store.compare_and_set("a", slot, slot),
        store.compare_and_set("nowhere", MISSING, MISSING),
        store.retry(read_a).result,
        store.revert(0),
    ):
        assert commit is not None
        assert commit.before is commit.after is now
        assert not commit.changes
        assert commit.version == 0
    assert store.snapshot() is now


def test_what_is_not_there_cannot_be_updated_or_deleted(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    ran: list[Any] = []
    for write in (lambda: store.update("b", ran.append), lambda: store.delete("b")):
        with pytest.raises(RecordNotFoundError, match="'b' in version 0"):
            write()
    assert not ran


def test_compare_and_set_goes_by_identity(make_store: MakeStore) -> None:
    slot, equal = Slot(1), Slot(1)
    store = make_store({"a": slot})
    assert store.compare_and_set("a", equal, Slot(2)) is None
    assert store.compare_and_set("a", MISSING, Slot(2)) is None
    assert store.compare_and_set("b", slot, Slot(2)) is None
    assert store.snapshot().version == 0
    assert dict(store.compare_and_set("a", slot, equal).changes) == {"a": (slot, equal)}  # type: ignore[union-attr]
    assert store.compare_and_set("b", MISSING, Slot(3)) is not None
    assert store.compare_and_set("a", equal, MISSING) is not None
    assert store.snapshot() == {"b": Slot(3)}


def test_what_an_update_function_raises_comes_through_and_nothing_is_written(
    make_store: MakeStore,
) -> None:
    store = make_store({"a": 1})
    for error in (ZeroDivisionError, KeyboardInterrupt, GeneratorExit):

        def fn(_: Any, error: type[BaseException] = error) -> Any:
            raise error

        with pytest.raises(error):
            store.update("a", fn)
    assert store.snapshot().version == 0
    assert store.set("a", 2).version == 1


@pytest.mark.parametrize("fn", [None, 5, "fn"])
def test_an_update_takes_a_function(make_store: MakeStore, fn: Any) -> None:
    store = make_store({"a": 1})
    with pytest.raises(ArgumentTypeError, match="function"):
        store.update("a", fn)

    def wrong(_: Any) -> Any:
        raise TypeError("of its own")

    with pytest.raises(TypeError, match="of its own") as caught:
        store.update("a", wrong)
    assert not isinstance(caught.value, CowstateError)


def test_a_key_that_goes_and_comes_back_is_seen_by_who_looked_at_it_before(
    make_store: MakeStore,
) -> None:
    slot = Slot(1)
    store = make_store({"a": slot}, indexes={"n": Index(lambda slot: slot.n)})
    seen, drafted = store.draft(), store.draft()
    seen["a"]
    drafted["a"] = Slot(5)
    store.delete("a")
    store.set("a", slot.replace())
    for draft in (seen, drafted):
        with pytest.raises(ConflictError):
            draft.commit()
    # The very same object is the same state of that key: then nothing has happened to it.
    same = store.draft()
    record = same["a"]
    store.delete("a")
    store.set("a", record)
    same["a"] = Slot(6)
    same.commit()
    assert store.snapshot().find_all("n", 6) == {"a": Slot(6)}


# Bad arguments


@pytest.mark.parametrize("records", [5, ["a", "b"], [1, 2], [("a", 1, 2)], [([], 1)], True])
def test_what_is_no_mapping_and_no_pairs_is_refused(records: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="mapping"):
        Store(records)


@pytest.mark.parametrize("records", [0, False, "", 0.0])
def test_what_is_empty_and_no_collection_of_records_is_refused_too(records: Any) -> None:
    if records == "":
        assert len(Store(records).snapshot()) == 0  # an iterable of no pairs
        return
    with pytest.raises(ArgumentTypeError, match="mapping"):
        Store(records)


def test_what_an_iterable_of_records_raises_comes_through() -> None:
    def records() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise ValueError("line 7 is no record")

    with pytest.raises(ValueError, match=r"^line 7 is no record$") as caught:
        Store(records())
    assert not isinstance(caught.value, CowstateError)


@pytest.mark.parametrize("name", ["indexes", "aggregates", "invariants"])
def test_what_is_derived_is_given_by_name(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match=name):
        Store({}, **{name: [lambda record: record]})


def test_records_may_be_pairs_a_mapping_or_a_snapshot(make_store: MakeStore) -> None:
    first = make_store([("a", 1), ("b", 2)])
    assert first.snapshot() == {"a": 1, "b": 2}
    assert make_store(first.snapshot()).snapshot() == first.snapshot()
    source = {"a": 1}
    store = make_store(source)
    source["b"] = 2
    assert store.snapshot() == {"a": 1}
    assert make_store().snapshot() == make_store(None).snapshot() == {}


@pytest.mark.parametrize("attempts", [0, -1, 1.5, "3", None])
def test_retry_wants_at_least_one_attempt(attempts: Any) -> None:
    with pytest.raises(ArgumentValueError, match="attempts"):
        Store({"a": 1}).retry(lambda draft: None, attempts=attempts)


def test_a_draft_is_over_a_snapshot_of_this_very_store(make_store: MakeStore) -> None:
    store, other = make_store({"a": 1}), make_store({"a": 1})
    for base in (other.snapshot(), {"a": 1}, 0, "a"):
        with pytest.raises(ForeignSnapshotError, match="this very store"):
            store.draft(base)


def test_a_store_is_a_place_and_cannot_be_copied(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    for way in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ArgumentTypeError, match="a place, not a value"):
            way(store)
    again = make_store(pickle.loads(pickle.dumps(store.snapshot())))
    assert again.snapshot() == store.snapshot()


def test_a_store_that_nobody_holds_is_collected(make_store: MakeStore) -> None:
    store = make_store({"a": 1})
    store.set("a", 2)
    gone = weakref.ref(store)
    kept = store.snapshot()
    del store
    gc.collect()
    assert gone() is None
    assert kept["a"] == 2


def test_statistics_show_one_version_and_the_map(make_store: MakeStore) -> None:
    store = make_store({"a": 1, "b": 1}, indexes={"n": Index(lambda n: n)})
    store.set("c", 2)
    statistics = store.statistics()
    assert (statistics.version, statistics.records) == (1, 3)
    assert statistics.index_entries == (("n", 2),)
    assert statistics.diff_scans == 0
    assert "records=3" in repr(statistics)


# Several threads


def test_no_update_of_several_threads_is_lost(make_store: MakeStore) -> None:
    store = make_store({"n": 0, "m": 0})
    start = threading.Barrier(4)

    def write(how: int) -> None:
        start.wait()
        for _ in range(50):
            if how == 0:
                store.update("n", lambda n: n + 1)
            elif how == 1:
                with store.transaction() as tx:
                    tx["n"] += 1
                    tx["m"] += 1
            elif how == 2:
                store.retry(lambda draft: draft.update(n=draft["n"] + 1))
            else:
                while True:
                    old = store.snapshot()["n"]
                    if store.compare_and_set("n", old, old + 1) is not None:
                        break

    threads = [threading.Thread(target=write, args=(how,)) for how in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.snapshot() == {"n": 200, "m": 50}
    assert store.snapshot().version == 200


def test_whoever_reads_sees_versions_that_only_grow_and_are_whole(make_store: MakeStore) -> None:
    store = make_store({"a": 0, "b": 0}, indexes={"n": Index(lambda n: n)})
    done = threading.Event()
    problems: list[str] = []

    def read() -> None:
        last = -1
        while not done.is_set():
            now = store.snapshot()
            if now.version < last:
                problems.append("backwards")
            if now["a"] != now["b"] or set(now.find_all("n", now["a"])) != {"a", "b"}:
                problems.append(f"torn at {now.version}")
            last = now.version

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 200):
        with store.transaction() as tx:
            tx["a"] = number
            tx["b"] = number
    done.set()
    for reader in readers:
        reader.join()
    assert not problems


@pytest.mark.parametrize(
    "wrong",
    [
        lambda store: store.retry(None),
        lambda store: store.wait_for(None),
        lambda _: Store(maps=[]),  # type: ignore[arg-type]
        lambda _: History(seconds="x"),  # type: ignore[arg-type]
    ],
    ids=["retry", "wait_for", "maps", "history"],
)
def test_what_is_of_no_use_as_an_argument_is_refused_by_an_error_of_ours(wrong: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="not "):
        wrong(Store({"a": 1}))
