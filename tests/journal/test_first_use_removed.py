"""What is derived of the records of a file can be removed, built or not, and if it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cowstate import Aggregate, Index, Meter, Store, UnknownIndexError
from cowstate.journal import JournaledStore, open_store

SIZE = 20
OPTIONS = pytest.mark.parametrize(
    "options",
    [{"sync": "normal"}, {"sync": "interval"}, {"sync": "normal", "meter": Meter()}],
    ids=["normal", "interval", "measured"],
)


def broken(record: int) -> int:
    raise ZeroDivisionError(record)


class Counted:
    """A function of a record that counts its calls."""

    times = 0

    def __call__(self, record: int) -> int:
        self.times += 1
        return record % 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "numbers.db"
    with open_store(found, key=str, record=int) as store:
        store.transact(lambda tx: tx.update({f"k{n}": n for n in range(SIZE)}))
    return found


def opened(path: Path, **options: Any) -> JournaledStore[str, int]:
    return open_store(path, key=str, record=int, **options)


@OPTIONS
def test_what_cannot_be_built_can_be_removed(path: Path, options: Any) -> None:
    third = Counted()
    derived = {
        "indexes": {"a": Index(broken), "third": Index(third), "b": Index(broken, unique=True)},
        "aggregates": {"sum": Aggregate.sum(int), "broken": Aggregate.sum(broken)},
    }
    with opened(path, **derived, **options) as store:
        first = store.snapshot()
        for remove, name in (
            (store.remove_index, "a"),
            (store.remove_aggregate, "broken"),
            (store.remove_index, "b"),
        ):
            with pytest.raises(ZeroDivisionError):
                store.set("k0", 3)
            before = third.times
            version = store.snapshot().version
            assert remove(name).version == version + 1
            assert third.times == before  # O(1), as everywhere: none is built for it
        with pytest.raises(UnknownIndexError):
            store.snapshot().find_all("a", 1)
        assert store.set("k0", 5).version == 5
        assert third.times >= SIZE
        now = store.snapshot()
        wanted = Store(dict(now), indexes={"third": Index(lambda n: n % 3)}).snapshot()
        for value in range(3):
            assert now.find_all("third", value) == wanted.find_all("third", value)
        assert now.total("sum") == sum(now.values())
        # The version that it was removed from has it as before.
        assert first.find_all("third", 0) == {f"k{n}": n for n in range(0, SIZE, 3)}
        with pytest.raises(ZeroDivisionError):
            first.find_all("a", 1)
    with opened(path) as store:
        assert store.snapshot()["k0"] == 5


@OPTIONS
def test_the_last_one_that_is_removed_leaves_none(path: Path, options: Any) -> None:
    with opened(path, indexes={"a": Index(broken)}, **options) as store:
        # Nor is anything held of what it would have been built of.
        assert store.remove_index("a").after._indexes == ()
        store.set("k0", 7)
        assert store.statistics().index_entries == ()
        assert store.at(2)["k0"] == 0


def test_what_is_left_is_built_once_for_both_versions(path: Path) -> None:
    third = Counted()
    with opened(path, indexes={"a": Index(int), "third": Index(third)}) as store:
        draft = store.draft(store.snapshot())
        draft.find_all("third", 0)
        draft["new"] = 1
        asked = third.times
        store.remove_index("a")
        store.snapshot().find_all("third", 1)
        assert third.times == asked
        # One state, so the draft that relied on it does not conflict.
        assert draft.commit().after["new"] == 1


@pytest.mark.parametrize("removed", ["a", "b", "c"])
def test_the_others_are_whole_whichever_were_built_before(path: Path, removed: str) -> None:
    for built in ("", "a", "b", "c", "ab", "ac", "bc", "abc"):
        with opened(path, indexes={name: Index(Counted()) for name in "abc"}) as store:
            for name in built:
                store.snapshot().find_all(name, 1)
            now = store.remove_index(removed).after
            for name in (*built, *"abc"):
                if name != removed:
                    assert now.find_all(name, 1) == {f"k{n}": n for n in range(1, SIZE, 3)}


def test_a_removal_that_is_refused_leaves_it(path: Path) -> None:
    with opened(path, indexes={"a": Index(broken)}) as store:
        for slip in ("b", 3):
            with pytest.raises((UnknownIndexError, TypeError)):
                store.remove_index(slip)  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            store.set("k0", 3)
