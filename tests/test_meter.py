"""What a store measures of itself: by whom, how long, how often, and why not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cowstate
from cowstate import (
    MISSING,
    ArgumentTypeError,
    ConflictError,
    History,
    Index,
    Measures,
    Meter,
    ReentrantWriteError,
    Store,
    Timing,
)
from cowstate.committer import Committer
from cowstate.errors import CowstateError
from cowstate.meter import Figures, Stopwatch
from cowstate.subscribers import Subscription
from tests.standing import eventually


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def measured(clock: Callable[[], float], records: Any = None, **options: Any) -> Store[str, Any]:
    store: Store[str, Any] = Store(
        {"a": 1, "b": 2} if records is None else records, meter=Meter(clock), **options
    )
    return store


def figures_of(store: Store[str, Any]) -> Any:
    """What it measured, for a type checker as something that is there."""
    return store.statistics().measured


def test_a_store_without_a_meter_runs_what_it_always_ran_and_tells_nothing() -> None:
    store = Store({"a": 1})
    assert type(store._committer) is Committer
    assert type(store.subscribe(print)) is Subscription
    assert store.statistics().measured is None
    assert store.statistics().retained_bytes is None


def test_nothing_has_happened_in_a_new_store(clock: Clock) -> None:
    nothing = Timing(0, 0.0, 0.0, None)
    assert figures_of(measured(clock)) == Measures(*[nothing] * 4, 0, ())


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
    thread.join(30)
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
    thread.join(30)
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
        assert free.wait(30)


def test_a_block_that_was_torn_is_not_counted_and_disturbs_nothing(clock: Clock) -> None:
    store = measured(clock)

    block = store.transaction()
    block.__enter__()
    clock.passes(100)
    del block
    with store.transaction():
        clock.passes(1)
    assert figures_of(store).blocks.total == 1


@pytest.mark.parametrize("via", ["writer", "thread"])
def test_the_calls_of_subscribers_are_timed(clock: Clock, via: Any) -> None:
    store = measured(clock)

    def slow_callback(commit: Any) -> None:
        clock.passes(commit.version)

    seen = store.subscribe(slow_callback, via=via)
    keyed = store.subscribe(slow_callback, keys=["nowhere"], via=via)
    for n in (5, 6, 7):
        store.set("a", n)
    assert store.flush(30)
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total, callbacks.longest) == (3, 6, 3)
    assert "slow_callback" in callbacks.who
    seen.close()
    keyed.close()
    store.set("a", 8)
    assert figures_of(store).callbacks == callbacks


def test_so_are_those_that_an_event_loop_makes_and_that_raise(clock: Clock) -> None:
    store = measured(clock)

    def failing(_: Any) -> None:
        clock.passes(2)
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with store.subscribe(failing, via=loop, on_error=lambda *_: clock.passes(1)):
            store.set("a", 5)
            await asyncio.sleep(0)

    asyncio.run(main())
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (1, 3)


def test_what_is_there_first_is_a_call_like_others(clock: Clock) -> None:
    store = measured(clock)
    store.subscribe(lambda commit: clock.passes(3), initial=True)
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (1, 3)
    with store.transaction() as tx:
        store.subscribe(lambda commit: clock.passes(2), initial=True)
        assert figures_of(store).callbacks == callbacks
        tx["a"] = 7
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (3, 8)


def test_only_what_was_called_is_counted(clock: Clock) -> None:
    store = measured(clock)
    early = store.set("a", 5)
    seen = store.subscribe(lambda commit: None)
    assert seen.offer(early, early.after) is None  # it began after that
    assert figures_of(store).callbacks.count == 0
    commit = store.set("a", 6)
    assert seen.offer(commit, commit.after) is None  # it had that
    assert seen.tell_lagged(1, store.snapshot()) is None  # nothing was missed
    assert figures_of(store).callbacks.count == 1


def test_what_is_no_exception_reaches_the_writer_and_is_timed(clock: Clock) -> None:
    store = measured(clock)

    def interrupted(_: Any) -> None:
        clock.passes(2)
        raise KeyboardInterrupt

    store.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.set("a", 5)
    assert store.snapshot()["a"] == 5
    assert figures_of(store).callbacks.total == 2
    assert figures_of(store).refused == ()


def test_being_told_that_it_lagged_is_a_call_too(clock: Clock) -> None:
    store = measured(clock, history=History(versions=1))
    stop = threading.Event()
    told: list[Any] = []

    def on_lagged(lagged: Any) -> None:
        clock.passes(5)
        told.append(lagged)

    inside = threading.Event()

    def wait(_: Any) -> None:
        inside.set()
        stop.wait(30)

    with store.subscribe(wait, via="thread", on_lagged=on_lagged):
        for n in range(2000):
            store.set("a", n + 10)
            if not n:
                assert inside.wait(30)
        stop.set()
        assert store.flush(30)
    assert told
    assert figures_of(store).callbacks.longest == 5
    assert "wait" in figures_of(store).callbacks.who


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
    thread.join(30)
    assert figures_of(store).refused == (
        ("InvariantError", 3),
        ("LockTimeoutError", 2),
        ("MutableRecordError", 1),
        ("RecordNotFoundError", 1),
        ("ReentrantWriteError", 1),
        ("UniqueViolationError", 1),
    )


def test_what_the_versions_take_is_told_without_a_bound_too(clock: Clock) -> None:
    bounded, free = measured(clock, history=History(bytes=10**9)), measured(clock)
    for store in (bounded, free):
        for n in range(20):
            store.set("a", n + 100)
    told = [store.statistics().retained_bytes or 0 for store in (bounded, free)]
    assert told[0] == told[1] > 0


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
        thread.join(60)
    figures = figures_of(store)
    assert figures.holds.count == figures.waits.count == 1800
    assert 0 < figures.holds.longest <= figures.holds.total


@given(st.lists(st.integers(0, 100).map(float)))
def test_a_stopwatch_keeps_the_count_the_total_and_the_longest(seconds: list[float]) -> None:
    watch = Stopwatch()
    for each in seconds:
        watch.note(each, lambda each=each: str(each))
    count, total, longest, who = watch.state
    assert count == len(seconds)
    assert total == sum(seconds)
    assert longest == max(seconds, default=0.0)
    assert who == (str(longest) if seconds else None)


def test_what_is_noted_while_a_name_is_asked_for_is_not_lost() -> None:
    watch = Stopwatch()

    def who() -> str:
        watch.note(1.0, lambda: "inner")
        return "outer"

    watch.note(2.0, who)
    assert watch.state == (2, 3.0, 2.0, "outer")


def test_each_store_has_figures_of_its_own_by_one_meter() -> None:
    meter = Meter()
    one, other = Store({"a": 1}, meter=meter), Store({"a": 1}, meter=meter)
    one.set("a", 2)
    assert (figures_of(one).holds.count, figures_of(other).holds.count) == (1, 0)


def test_the_figures_of_groups_add_up() -> None:
    figures = Figures(Meter())
    figures.callbacks_by("writer").note(0.0, lambda: "none")
    assert figures.told().callbacks == Timing(1, 0.0, 0.0, "none")
    figures = Figures(Meter())
    figures.callbacks_by("writer").note(1.0, lambda: "one")
    figures.callbacks_by("thread").note(3.0, lambda: "three")
    figures.callbacks_by(object()).note(2.0, lambda: "two")
    assert figures.told().callbacks == Timing(3, 6.0, 3.0, "three")


@pytest.mark.parametrize("meter", [True, 5, Meter])
def test_what_is_no_meter_is_refused(meter: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"Meter\(\)"):
        Store(meter=meter)


def test_a_clock_that_cannot_be_called_is_refused() -> None:
    clock: Any = 5
    with pytest.raises(ArgumentTypeError, match="seconds"):
        Meter(clock)


def test_what_is_told_is_immutable_and_of_plain_values() -> None:
    told = measured(Clock()).statistics()
    with pytest.raises(AttributeError):
        figures_of(measured(Clock())).conflicts = 5
    assert hash(told) == hash(told.replace())
