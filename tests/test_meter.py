"""What a store measures of itself: its writes and blocks, by whom, how long, how often, why not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cowstate
from cowstate import MISSING, ConflictError, Index, Meter, ReentrantWriteError, Store
from cowstate.committer import Committer
from cowstate.errors import CowstateError
from cowstate.subscribers import Subscription
from tests.metered import Clock, figures_of, measured
from tests.standing import eventually


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_store_without_a_meter_runs_what_it_always_ran_and_tells_nothing() -> None:
    store = Store({"a": 1})
    assert type(store._committer) is Committer
    assert type(store.subscribe(print)) is Subscription
    assert store.statistics().measured is None
    assert store.statistics().retained_bytes is None


def test_the_time_under_the_lock_is_told_with_the_longest_and_whose_it_was(clock: Clock) -> None:
    store = measured(clock)

    def slow(n: int) -> int:
        clock.passes(n)
        return n + 1

    for _ in range(3):
        store.update("a", slow)
    with pytest.raises(ZeroDivisionError):
        store.update("b", lambda n: clock.passes(2.5) or n / 0)  # type: ignore[func-returns-value]
    store.set("b", 3)
    holds = figures_of(store).holds
    assert (holds.count, holds.total, holds.longest) == (5, 8.5, 3)
    assert "test_meter.py:" in holds.who
    assert holds.who.endswith(" by thread 'MainThread'")
    assert figures_of(store).refused == (("other", 1),)


def test_the_time_spent_waiting_is_told_with_the_longest_and_whose_it_was(clock: Clock) -> None:
    store = measured(clock)
    thread = threading.Thread(target=store.set, args=("a", 5), name="waiter")
    with store.transaction() as tx:
        thread.start()
        eventually(lambda: store._lock._queue, "nobody waits")
        clock.passes(7)
        tx["b"] = 6
    thread.join(300)
    waits = figures_of(store).waits
    # To begin the block, to commit it, and the other one.
    assert (waits.count, waits.total, waits.longest) == (3, 7, 7)
    assert "by thread 'waiter'" in waits.who


def test_a_block_is_timed_from_its_begin_to_its_commit_or_failure(clock: Clock) -> None:
    store = measured(clock)
    with store.transaction() as tx:
        clock.passes(3)
        tx["a"] = 2
    with suppress(ZeroDivisionError), store.transaction():
        clock.passes(4)
        raise ZeroDivisionError
    with store.transaction():
        clock.passes(1)
    blocks = figures_of(store).blocks
    assert (blocks.count, blocks.total, blocks.longest) == (3, 8, 4)
    assert "test_meter.py:" in blocks.who


def test_blocks_over_several_stores_are_timed_in_each(clock: Clock) -> None:
    one, other = measured(clock), measured(clock)
    with cowstate.transaction(one, other) as (a, b):
        clock.passes(3)
        a["a"], b["a"] = 5, 6
    with suppress(ZeroDivisionError), cowstate.transaction(one, other):
        clock.passes(1)
        raise ZeroDivisionError
    for store in (one, other):
        blocks = figures_of(store).blocks
        assert (blocks.count, blocks.total, blocks.longest) == (2, 4, 3)
    assert figures_of(one).holds.count == 3


def test_a_block_that_could_not_begin_is_refused_and_not_timed(clock: Clock) -> None:
    one, other = measured(clock), measured(clock)
    free = threading.Event()
    thread = threading.Thread(target=hold_until, args=(one, free))
    thread.start()
    eventually(lambda: one.statistics().open_transaction, "nobody holds it")
    clock.passes(2)
    with pytest.raises(cowstate.LockTimeoutError), cowstate.transaction(one, other, timeout=0):
        pass
    clock.passes(3)
    free.set()
    thread.join(300)
    assert figures_of(one).blocks.longest == 5
    assert figures_of(one).refused == (("LockTimeoutError", 1),)
    assert [figures_of(store).blocks.count for store in (one, other)] == [1, 0]


def test_a_joint_block_that_is_vetoed_is_timed_once_and_then_over(clock: Clock) -> None:
    never = {"small": lambda now, _: now["a"] < 5}
    one = measured(clock, invariants=never, lock_timeout=0)
    other = measured(clock, lock_timeout=0)
    block = cowstate.transaction(one, other)
    a, b = block.__enter__()
    clock.passes(3)
    a["a"] = b["a"] = 5
    with pytest.raises(cowstate.InvariantError):
        block.__exit__(None, None, None)
    for store in (one, other):
        assert figures_of(store).blocks.count == 1
        assert store.statistics().open_transaction is None
    assert figures_of(one).refused == (("InvariantError", 1),)
    block = cowstate.transaction(one, other)
    block.__enter__()
    block.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert other.set("a", 6).version == 1  # at once, although the block is still held here


def hold_until(store: Store[str, Any], free: threading.Event) -> None:
    with store.transaction():
        assert free.wait(300)


def test_a_block_that_was_torn_is_not_counted_and_disturbs_nothing(clock: Clock) -> None:
    store = measured(clock)

    block = store.transaction()
    block.__enter__()
    clock.passes(100)
    del block
    with store.transaction():
        clock.passes(1)
    assert figures_of(store).blocks.total == 1


def test_drafts_and_comparisons_that_find_something_else_are_conflicts(clock: Clock) -> None:
    store = measured(clock)
    draft = store.draft()
    draft["a"] = 7
    store.set("a", 8)
    with pytest.raises(ConflictError):
        draft.commit()
    assert store.compare_and_set("a", MISSING, 9) is None
    assert store.compare_and_set("a", store.snapshot()["a"], 9) is not None
    runs = []

    def often(draft: Any) -> None:
        draft["a"] += 1
        runs.append(draft)
        if len(runs) < 3:
            store.update("a", lambda n: n + 1)

    store.retry(often)
    figures = figures_of(store)
    assert figures.conflicts == 1 + 1 + 2
    assert figures.refused == ()


def test_what_is_refused_is_counted_by_its_kind(clock: Clock) -> None:
    store = measured(
        clock,
        indexes={"value": Index(lambda n: n, unique=True)},
        invariants={"small": lambda now, _: all(n < 100 for n in now.values())},
    )

    def reenter(n: int) -> int:
        with pytest.raises(ReentrantWriteError):
            store.set("b", 5)
        return n

    store.update("a", reenter)
    for refused in (
        lambda: store.set("a", 100),
        lambda: store.set("a", 101),
        lambda: store.set("a", 2),
        lambda: store.set("a", []),
        lambda: store.update("nowhere", lambda n: n),
        lambda: store.transact(lambda tx: tx.update(a=500)),
    ):
        with pytest.raises(CowstateError):
            refused()
    free = threading.Event()
    thread = threading.Thread(target=hold_until, args=(store, free))
    thread.start()
    eventually(lambda: store.statistics().open_transaction, "nobody holds it")
    for waits in (
        lambda: store.transact(lambda tx: None, timeout=0),
        lambda: store.transaction(timeout=0).__enter__(),
    ):
        with pytest.raises(cowstate.LockTimeoutError):
            waits()
    free.set()
    thread.join(300)
    assert figures_of(store).refused == (
        ("InvariantError", 3),
        ("LockTimeoutError", 2),
        ("MutableRecordError", 1),
        ("RecordNotFoundError", 1),
        ("ReentrantWriteError", 1),
        ("UniqueViolationError", 1),
    )


WRITES: dict[str, Callable[[Store[str, Any], int], object]] = {
    "set": lambda store, n: store.set("a", n),
    "update": lambda store, n: store.update("a", lambda _: n),
    "update or": lambda store, n: store.update("c", lambda _: n, default=0),
    "delete": lambda store, n: store.delete("c"),
    "replace all": lambda store, n: store.replace_all({"a": n, "b": n}),
    "meta": lambda store, n: store.set_meta(n),
    "transact": lambda store, n: store.transact(lambda tx: tx.update(a=n)),
    "undo": lambda store, n: store.undo(store.set("a", n)),
    "wrong": lambda store, n: store.set("a", []),
}
"""Each takes the lock once, ``undo`` twice."""


@given(st.lists(st.sampled_from(sorted(WRITES)), max_size=12))
def test_every_write_counts_once_and_what_it_took_adds_up(names: list[str]) -> None:
    clock = Clock()

    def ticking() -> float:
        clock.passes(1)
        return clock.now

    store = measured(ticking)
    called: list[Any] = []
    store.subscribe(called.append)
    errors = 0
    for n, name in enumerate(names):
        try:
            WRITES[name](store, n + 1000)
        except CowstateError:
            errors += 1
    figures = figures_of(store)
    count = len(names) + names.count("undo")
    assert figures.waits.count == figures.holds.count == count
    assert figures.waits.total == figures.holds.total == count
    assert figures.holds.longest == (1 if count else 0)
    assert figures.callbacks.count == len(called) == store.snapshot().version
    assert sum(n for _, n in figures.refused) == errors


def test_threads_count_exactly() -> None:
    store: Store[str, int] = Store({"a": 0}, meter=Meter())
    threads = [
        threading.Thread(
            target=lambda: [store.update("a", lambda n: n + 1) for _ in range(300)], daemon=True
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    figures = figures_of(store)
    assert figures.holds.count == figures.waits.count == 1800
    assert 0 < figures.holds.longest <= figures.holds.total
