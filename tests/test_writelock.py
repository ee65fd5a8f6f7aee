"""Who waits to write: for how long at a time, and woken by whom."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event
from typing import Any, TypeAlias

import pytest

from cowstate import (
    ClosedError,
    DeadlockError,
    LockTimeoutError,
    Store,
    waiters,
    writelock,
)
from cowstate.locks import BUSY
from cowstate.writelock import WriteLock
from tests.standing import eventually
from tests.worlds.staging import Party, arrive, await_writers, calls_of, leave, logged, setting

Numbers: TypeAlias = Store[str, int]

FOR_EVER = 3600.0


@pytest.fixture(autouse=True)
def _nobody_waits_from_before() -> Iterator[None]:
    """Forget who waits when a test begins: a thread may have the number of one that is gone."""
    with setting(writelock, _waits={}):
        yield


def add(n: int) -> int:
    return n + 1


@contextmanager
def at_the_lock(store: Numbers) -> Iterator[None]:
    """Have another thread hold the lock itself: not by a write, as who passes through it does."""
    reached, go = Event(), Event()

    def hold(_: None, __: None) -> None:
        reached.set()
        arrive(go)

    party = Party(partial(store._lock.attempt, FOR_EVER, hold))
    arrive(reached)
    try:
        yield
    finally:
        go.set()
        party.result()


@contextmanager
def written_to(store: Numbers) -> Iterator[None]:
    """Have another thread be in the middle of a write."""
    reached, go = Event(), Event()

    def hold(n: int) -> int:
        reached.set()
        arrive(go)
        return n + 1

    party = Party(partial(store.update, "n", hold))
    arrive(reached)
    try:
        yield
    finally:
        go.set()
        party.result()


def test_who_waits_for_a_transaction_is_woken_by_its_end() -> None:
    with setting(writelock, PATIENCE=FOR_EVER):
        store = Store({"n": 0})
        with store.transaction() as tx:
            waiters = [Party(partial(store.update, "n", add)) for _ in range(3)]
            await_writers(store, 3)
            tx["n"] = 10
        for waiter in waiters:
            waiter.result()
        assert store.snapshot()["n"] == 13
        with pytest.raises(ZeroDivisionError), store.transaction():
            waiter = Party(partial(store.update, "n", add))
            await_writers(store, 1)
            raise ZeroDivisionError
        assert waiter.result().after["n"] == 14


def test_who_waits_for_a_transaction_sleeps() -> None:
    store = Store({"n": 0})
    with setting(writelock, PATIENCE=FOR_EVER), store.transaction() as tx:
        with calls_of(WriteLock, "_look_for_a_ring") as looks:
            waiter = Party(partial(store.update, "n", add))
            await_writers(store, 1)
            for _ in range(20):  # who did not would look again in one of these turns
                Party(dict[str, int]).result()
            assert len(looks) <= 1
        tx["n"] = 10
    assert waiter.result().after["n"] == 11


def test_who_waits_for_a_write_has_its_turn_when_that_is_over() -> None:
    with setting(writelock, PATIENCE=FOR_EVER):
        store = Store({"n": 0})
        with written_to(store):
            waiters = [
                Party(partial(store.transact, lambda tx: tx.update(n=tx["n"] + 1), timeout=seconds))
                for seconds in (FOR_EVER, FOR_EVER - 1)
            ]
            await_writers(store, 2)
        for waiter in waiters:
            waiter.result()
    assert store.snapshot()["n"] == 3


def test_who_has_no_time_to_wait_does_not_wait() -> None:
    with setting(writelock, PATIENCE=FOR_EVER):
        patient, hasty = Store({"n": 0}), Store({"n": 0}, lock_timeout=0)
        with written_to(patient), written_to(hasty):
            for write in (
                partial(patient.transact, dict, timeout=0),
                lambda: patient.transaction(timeout=0).__enter__(),
                partial(hasty.set, "n", 5),
                lambda: hasty.transaction().__enter__(),
            ):
                error = Party(write).error()
                assert isinstance(error, LockTimeoutError)


def test_no_single_wait_is_longer_than_what_is_left_of_the_time() -> None:
    waits: list[float] = []
    attempt = WriteLock.attempt
    now = [0.0]

    def noting(self: WriteLock, seconds: float, *work: Any) -> Any:
        # On a clock of its own, on which nothing else takes any time.
        waits.append(seconds)
        found = attempt(self, 0, *work)
        now[0] += seconds
        return found

    with setting(writelock, PATIENCE=1 / 16):  # of which sums are exact
        for limit, slices in ((1 / 512, [1 / 512]), (5 / 32, [1 / 16, 1 / 16, 1 / 32])):
            store = Store({"n": 0}, lock_timeout=limit)
            for hold in (written_to(store), store.transaction()):
                clock = setting(writelock, monotonic=lambda: now[0])
                with hold, clock, setting(WriteLock, attempt=noting):
                    waits.clear()
                    error = Party(partial(store.set, "n", 5)).error()
                assert isinstance(error, LockTimeoutError)
                assert error.waited == limit
                assert waits == slices


def test_a_write_goes_on_to_look_as_long_as_it_waits_and_no_oftener_than_it_must() -> None:
    store, ticks = Store({"n": 0}), count()
    # Each look at the clock is a hundredth of a second: two or three to a slice.
    clock = setting(writelock, monotonic=lambda: next(ticks) / 100)
    with store.transaction(), clock, calls_of(writelock, "was_left_by_an_exception") as looks:
        error = Party(partial(store.transact, dict, timeout=0.12)).error()
    assert isinstance(error, LockTimeoutError)
    assert 2 <= len(looks) <= 8


def test_the_commit_of_a_block_outwaits_whoever_is_at_the_lock_whatever_the_timeout() -> None:
    store = Store({"n": 0}, lock_timeout=0)
    reached, go = Event(), Event()

    def block() -> None:
        with store.transaction() as tx:
            tx["n"] = 5
            reached.set()
            arrive(go)

    with setting(writelock, PATIENCE=0.001):
        writer = Party(block)
        arrive(reached)
        with at_the_lock(store):
            go.set()
            await_writers(store, 1)
            with calls_of(WriteLock, "_look_for_a_ring") as looks:
                eventually(lambda: len(looks) >= 3 or writer.done, "it should go on waiting")
        writer.result()
    assert store.snapshot()["n"] == 5
    assert store.statistics().open_transaction is None


def test_the_commit_of_a_block_waits_for_who_looks_whether_it_is_over() -> None:
    # On a slow machine such a look may take longer than the patience of who commits. Who looks
    # waits for the block, and the block for the look: no ring, for the look ends by itself.
    store = Store({"n": 0})
    entered, leave_it, looking, go_on = Event(), Event(), Event(), Event()
    turn: Any = WriteLock._turn

    def dawdling(self: WriteLock, *work: Any) -> Any:
        found = turn(self, *work)
        if found is BUSY and not looking.is_set():
            looking.set()
            arrive(go_on)
        return found

    def block() -> None:
        with store.transaction() as tx:
            tx["n"] = 5
            entered.set()
            arrive(leave_it)

    with setting(writelock, PATIENCE=0.001), setting(WriteLock, _turn=dawdling):
        writer = Party(block)
        arrive(entered)
        waiter = Party(partial(store.update, "n", add))
        arrive(looking)
        with calls_of(WriteLock, "_look_for_a_ring") as looks:
            leave_it.set()
            eventually(lambda: len(looks) >= 3 or writer.done, "it should look what it waits for")
        go_on.set()
        writer.result()
        waiter.result()
    assert store.snapshot()["n"] == 6


def test_who_finds_a_block_torn_goes_on_at_once_whatever_its_timeout() -> None:
    store = Store({"n": 0})
    block = store.transaction()
    tx = Party(block.__enter__).result()
    with setting(writelock, was_left_by_an_exception=lambda _: True):
        assert store.transact(lambda tx: tx.update(n=5), timeout=0) is None
    with pytest.raises(ClosedError, match="given up"):
        tx["n"] = 1
    assert store.snapshot() == {"n": 5}
    leave(block, ZeroDivisionError())


def test_a_time_that_is_over_to_the_instant_is_over() -> None:
    store = Store({"n": 0})
    with written_to(store), setting(writelock, monotonic=lambda: 5.0):
        error = Party(partial(store.transact, dict, timeout=0)).error()
    assert isinstance(error, LockTimeoutError)
    assert error.waited == 0


def test_only_who_has_no_timeout_says_in_the_log_for_whom_it_waits() -> None:
    store, now = Store({"n": 0}), [0.0]
    with logged() as records, setting(writelock, PATIENCE=0.001, monotonic=lambda: now[0]):
        with store.transaction(), setting(waiters, monotonic=lambda: now[0]):
            patient = Party(partial(store.transact, lambda tx: tx.update(n=1), timeout=FOR_EVER))
            await_writers(store, 1)
            with calls_of(WriteLock, "_look_for_a_ring") as looks:
                now[0] = 100.0
                eventually(lambda: len(looks) > 3, "it should look again")
        patient.result()
        assert not records
        with store.transaction(), setting(waiters, monotonic=lambda: now[0]):
            patient = Party(partial(store.update, "n", add))
            await_writers(store, 1)
            with calls_of(WriteLock, "_look_for_a_ring") as looks:
                eventually(lambda: len(looks) > 3, "it should look now and then")
                assert not records
                now[0] = 200.0
                eventually(lambda: records or len(looks) > 50, "it should look again")
                looks.clear()
                eventually(lambda: len(looks) > 3, "it should look again")
        patient.result()
        (record,) = records  # once
        assert record.getMessage().startswith("a write has waited 100 s for the transaction opened")
    await_writers(store, 0)


def test_who_gives_up_says_for_which_write_it_waited() -> None:
    # Without the GIL the frames of a thread that goes on are not to be looked at.
    sees = getattr(sys, "_is_gil_enabled", lambda: True)()
    store = Store({"n": 0})
    for without_gil in (None, True):
        gil = setting(writelock) if without_gil is None else setting(writelock, _WITHOUT_GIL=True)
        with gil, written_to(store):
            error = Party(partial(store.transact, dict, timeout=0)).error()
        assert isinstance(error, LockTimeoutError)
        if sees and without_gil is None:
            assert error.holder.startswith("the write called at ")
            assert ".py:" in error.holder
        else:
            assert error.holder.startswith("a write of ")
        assert error.holder.endswith("thread 'party'")


def test_what_is_done_while_nobody_else_may_write_is_answered_at_once_and_after_a_wait() -> None:
    store = Store({"n": 0})
    lock = store._lock
    assert lock.run(divmod, 7, 2) == (3, 1)
    with store.transaction():
        waiter = Party(partial(lock.run, divmod, 7, 2))
        await_writers(store, 1)
    assert waiter.result() == (3, 1)


def test_a_loop_in_another_thread_waits_like_everybody_else() -> None:
    async def write() -> None:
        store.transact(dict, timeout=0)

    store = Store({"n": 0})
    with store.transaction():
        assert isinstance(Party(lambda: asyncio.run(write())).error(), LockTimeoutError)


def test_who_gives_up_as_the_lock_becomes_free_names_nobody() -> None:
    store = Store({"n": 0})
    with setting(WriteLock, attempt=lambda *_: BUSY):
        error = Party(partial(store.transact, dict, timeout=0)).error()
    assert isinstance(error, LockTimeoutError)
    assert error.holder == "another write"


def test_a_write_in_the_middle_of_a_wait_leaves_the_wait_as_it_was() -> None:
    # By a signal handler or a finalizer, which may come up anywhere: here at a look at the clock.
    held, wanted, third = Store({"n": 0}), Store({"n": 0}), Store({"n": 0})
    once: list[int] = []
    done = Event()

    def clock() -> float:
        if threading.get_ident() == once[0]:
            once[0] = -1
            third.transact(lambda tx: tx.update(n=1), timeout=FOR_EVER)
            done.set()
        return time.monotonic()

    def write(n: int) -> int:
        wanted.set("n", 5)
        return n + 1

    with wanted.transaction() as tx:
        waiter = Party(partial(held.update, "n", write))
        await_writers(wanted, 1)
        once.append(waiter.ident or 0)
        with setting(writelock, monotonic=clock):
            arrive(done)
            assert third.snapshot()["n"] == 1
            # It still waits for us, so we cannot wait for it.
            with pytest.raises(DeadlockError):
                held.transact(dict, timeout=0)
        tx["n"] = 1
    waiter.result()
    assert (held.snapshot()["n"], wanted.snapshot()["n"]) == (1, 5)
    # Nobody waits any more: whoever is in the way now is simply waited for.
    with written_to(held):
        assert isinstance(Party(partial(held.transact, dict, timeout=0)).error(), LockTimeoutError)


def test_who_gave_up_waiting_waits_for_nobody_any_more() -> None:
    held, wanted = Store({"n": 0}), Store({"n": 0})
    reached, go = Event(), Event()

    def write(n: int) -> int:
        with pytest.raises(LockTimeoutError):
            wanted.transact(dict, timeout=0)
        reached.set()
        arrive(go)
        return n + 1

    with wanted.transaction():
        other = Party(partial(held.update, "n", write))
        arrive(reached)
        # No ring: the other one goes on without us.
        with pytest.raises(LockTimeoutError):
            held.transact(dict, timeout=0)
        go.set()
        other.result()
        assert held.update("n", add).after["n"] == 2


def test_who_has_waited_and_written_waits_for_nobody_any_more() -> None:
    held, wanted = Store({"n": 0}), Store({"n": 0})
    reached, go = Event(), Event()

    def write(n: int) -> int:
        wanted.update("n", add)
        reached.set()
        arrive(go)
        return n + 1

    with wanted.transaction():
        other = Party(partial(held.update, "n", write))
        await_writers(wanted, 1)
    arrive(reached)
    # The other one, which had to wait for us, goes on without us now.
    with wanted.transaction(), pytest.raises(LockTimeoutError):
        held.transact(dict, timeout=0)
    go.set()
    assert other.result().after["n"] == wanted.snapshot()["n"] == 1
