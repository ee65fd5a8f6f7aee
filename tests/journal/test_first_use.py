"""What is derived of the records of a file is built at its first use, or by the first write."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    Index,
    InvariantError,
    Store,
    UniqueViolationError,
)
from cowstate.journal import JournaledStore, open_store

SIZE = 100
SYNCS = pytest.mark.parametrize("sync", ["normal", "interval"])


class Asked:
    """A function of a record that notes each time it is asked, and does something then."""

    def __init__(self, of: Callable[[int], Any], does: Callable[[], object] = lambda: None) -> None:
        self.of = of
        self.does = does
        self.times = 0

    def __call__(self, record: int) -> Any:
        self.times += 1
        self.does()
        return self.of(record)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "numbers.db"
    with open_store(found, key=str, record=int) as store:
        store.transact(lambda tx: tx.update({f"k{n}": n for n in range(SIZE)}))
    return found


def opened(path: Path, **options: Any) -> JournaledStore[str, int]:
    return open_store(path, key=str, record=int, **options)


LOOKS: dict[str, Callable[[JournaledStore[str, int]], object]] = {
    "find": lambda store: store.snapshot().find("n", 3),
    "find_key": lambda store: store.snapshot().find_key("n", 3),
    "find_all": lambda store: store.snapshot().find_all("n", 3),
    "range": lambda store: store.snapshot().range("n", 3, 4),
    "first": lambda store: store.snapshot().first("n"),
    "statistics": lambda store: store.statistics(),
    "pickle": lambda store: pickle.dumps(store.snapshot()),
    "find in a draft": lambda store: store.draft().find("n", 3),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_an_index_is_built_by_the_first_look_and_not_before(
    path: Path, look: Callable[[JournaledStore[str, int]], object]
) -> None:
    fn = Asked(int)
    with opened(path, indexes={"n": Index(fn, unique=True, ordered=True)}) as store:
        now = store.snapshot()
        assert (now["k3"], len(now), len([*now.items()]), fn.times) == (3, SIZE, SIZE, 0)
        assert repr(now)
        assert store.at(1) is now
        assert fn.times == 0
        answer = look(store)
        asked = fn.times
        assert asked >= SIZE
        again = look(store)
        assert again == answer
        assert fn.times == asked


def test_what_readers_go_through_in_common_is_named_without_building_any(path: Path) -> None:
    fn = Asked(int)
    with opened(path, indexes={"n": Index(fn)}, aggregates={"sum": Aggregate.sum(fn)}) as store:
        now = store.snapshot()
        indexes, totals = now._indexes, now._totals
        trunk = now._lineage.derivation.trunk
        before = trunk(indexes, totals)
        assert fn.times == 0
        states = [*indexes, *totals]
        after = trunk(indexes, totals)
        for state in (now._indexes, now._totals):
            assert any(each is state for each in before)
        assert any(each is states[0] for each in after)


def test_each_is_built_for_itself(path: Path) -> None:
    index, total, group = Asked(int), Asked(int), Asked(lambda n: n % 2)
    aggregates = {"sum": Aggregate.sum(total), "count": Aggregate.count(by=group)}
    with opened(path, indexes={"n": Index(index)}, aggregates=aggregates) as store:
        now = store.snapshot()
        assert now.total("sum") == sum(range(SIZE))
        assert (index.times, total.times, group.times) == (0, SIZE, 0)
        assert dict(now.total("count")) == {0: SIZE // 2, 1: SIZE // 2}
        assert (index.times, total.times, group.times) == (0, SIZE, SIZE)
        assert now.find_all("n", 3) == {"k3": 3}
        assert index.times == SIZE


WRITES: dict[str, Callable[[JournaledStore[str, int]], object]] = {
    "set": lambda store: store.set("k1", -1),
    "update": lambda store: store.update("k1", lambda n: -n),
    "delete": lambda store: store.delete("k1"),
    "transact": lambda store: store.transact(lambda tx: tx.update({"k1": -1, "k2": -2})),
    "add_index": lambda store: store.add_index("other", Index(int)),
    "set_meta": lambda store: store.set_meta(None),
}


@SYNCS
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_first_write_builds_all_before_it_takes_the_lock(
    path: Path, write: Callable[[JournaledStore[str, int]], object], sync: Any
) -> None:
    beside: list[bool] = []

    def write_beside() -> None:
        """Whether somebody else could write meanwhile: he need not wait, nor does he time out."""
        if store.snapshot().version == 1 and len(beside) < 1:
            beside.append(True)
            thread = threading.Thread(target=lambda: store.set("beside", -3))
            thread.start()
            thread.join()

    fn = Asked(int, write_beside)
    with opened(path, indexes={"n": Index(fn)}, sync=sync, lock_timeout=5) as store:
        write(store)
        assert store.snapshot()["beside"] == -3
        assert store.snapshot().find_all("n", -3) == {"beside": -3}
        wanted = Store(store.snapshot(), indexes={"n": Index(int)}).statistics().index_entries
        assert dict(store.statistics().index_entries)["n"] == dict(wanted)["n"]


@SYNCS
def test_a_block_and_a_draft_build_before_they_begin(path: Path, sync: Any) -> None:
    fn = Asked(int)
    with opened(path, indexes={"n": Index(fn)}, sync=sync) as store:
        with store.transaction() as tx:
            assert fn.times == SIZE
            tx["k1"] = -1
        assert store.snapshot().find_all("n", -1) == {"k1": -1}
    fn = Asked(int)
    with opened(path, indexes={"n": Index(fn)}, sync=sync) as store:
        draft = store.draft()
        draft["k1"] = -5
        assert draft.commit().after.find_all("n", -5) == {"k1": -5}


def refused(store: JournaledStore[str, int], work: Callable[[], object]) -> None:
    before = store.snapshot()
    with pytest.raises(UniqueViolationError) as caught:
        work()
    assert any("records that the store began with" in note for note in caught.value.__notes__)
    assert not any("that very one" in note for note in caught.value.__notes__)
    assert store.snapshot() is before


@SYNCS
def test_what_building_raises_comes_at_each_use_and_the_rest_can_be_read(
    path: Path, sync: Any
) -> None:
    with opened(path, indexes={"odd": Index(lambda n: n % 2, unique=True)}, sync=sync) as store:
        now = store.snapshot()
        assert now["k3"] == 3
        for _ in range(2):
            refused(store, lambda: now.find("odd", 1))
            refused(store, lambda: store.set("k3", 4))
            refused(store, lambda: store.transaction().__enter__())
            refused(store, store.statistics)
    with opened(path) as store:
        assert (store.snapshot()["k3"], store.snapshot().version) == (3, 1)
        assert store.set("k3", 4).version == 2


def test_who_asks_for_it_is_told_at_the_opening(path: Path) -> None:
    fn = Asked(int)
    with opened(path, indexes={"n": Index(fn)}, eager=True):
        assert fn.times == SIZE
    with pytest.raises(UniqueViolationError):
        opened(path, indexes={"odd": Index(lambda n: n % 2, unique=True)}, eager=True)
    slip: Any = 1
    with pytest.raises(ArgumentTypeError, match="eager must be True or False"):
        opened(path, eager=slip)
    with opened(path) as store:  # nobody has it
        store.set("a", 1)


def test_a_function_that_raised_is_asked_again(path: Path) -> None:
    fails = [True]

    def fail() -> None:
        if fails:
            raise KeyError("not yet")

    aggregates = {"sum": Aggregate.sum(Asked(int, fail))}
    with opened(path, indexes={"n": Index(Asked(int, fail))}, aggregates=aggregates) as store:
        now = store.snapshot()
        for look in (lambda: now.total("sum"), lambda: now.find_all("n", 3)):
            with pytest.raises(KeyError, match="not yet") as caught:
                look()
            assert any("at 'k0'" in note for note in caught.value.__notes__)
        fails.clear()
        assert now.total("sum") == sum(range(SIZE))
        assert now.find_all("n", 3) == {"k3": 3}


def test_an_invariant_is_asked_at_the_opening_and_builds_what_it_looks_at(path: Path) -> None:
    total, index = Asked(int), Asked(int)
    options: dict[str, Any] = {
        "indexes": {"n": Index(index)},
        "aggregates": {"sum": Aggregate.sum(total)},
    }
    at_most = {"few": lambda now, _: now.total("sum") < 10}
    with pytest.raises(InvariantError):
        opened(path, invariants=at_most, **options)
    assert (total.times, index.times) == (SIZE, 0)


def test_threads_that_ask_at_once_get_the_same_and_none_waits_for_another(path: Path) -> None:
    count = 4
    inside = threading.Barrier(count, timeout=20)
    met = threading.local()
    met.done = True  # here; each of the others has its own

    def meet() -> None:
        # All are in the middle of it at once, which they could not be if one waited.
        if not getattr(met, "done", False):
            met.done = True
            inside.wait()

    fn = Asked(lambda n: n, meet)
    with opened(path, aggregates={"least": Aggregate.min(fn, by=lambda n: n % 10)}) as store:
        now = store.snapshot()
        given: list[Any] = []
        threads = [
            threading.Thread(target=lambda: given.append(now.total("least"))) for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [dict(each) for each in given] == [{n: n for n in range(10)}] * count
        # Of the same state: so a draft that relied on it does not conflict with itself.
        draft = store.draft(now)
        assert draft.total("least", 3) == 3
        draft["other"] = 500
        assert draft.commit().after.total("least", 0) == 0


def test_what_was_built_follows_the_writes(path: Path) -> None:
    with opened(
        path,
        indexes={"tens": Index(lambda n: n // 10, ordered=True)},
        aggregates={"sum": Aggregate.sum(int)},
        sync="normal",
    ) as store:
        for n in range(2 * SIZE):
            if n % 3:
                store.set(f"k{n}", n * n)
            elif f"k{n}" in store.snapshot():
                store.delete(f"k{n}")
        now = store.snapshot()
        assert now.total("sum") == sum(now.values())
        for value in range(0, 4 * SIZE * SIZE // 10, 37):
            wanted = {key: n for key, n in now.items() if n // 10 == value}
            assert now.find_all("tens", value) == wanted
    with opened(path) as store:
        assert store.snapshot() == now
