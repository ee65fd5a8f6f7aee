"""Who waits to write waits for somebody with a name, and never for ever without a word."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Barrier, Event
from typing import Any

import cowstate
from cowstate import DeadlockError, LockTimeoutError, Store, writelock
from tests.standing import PATIENCE, check_store, eventually
from tests.worlds import bugs
from tests.worlds.staging import (
    GIL,
    AnyStore,
    Party,
    arrive,
    await_writers,
    catches,
    line,
    logged,
    only_with_the_gil,
    setting,
)


def add(n: int) -> int:
    return n + 1


Inside = SimpleQueue[str]
"""Takes the place of a write, once that is under way."""


def hold_in_a_block(store: AnyStore, inside: Inside, go: Event) -> None:
    place = line(+1)
    with store.transaction():
        inside.put(place)
        arrive(go)


def hold_in_a_function(store: AnyStore, inside: Inside, go: Event) -> None:
    def wait(n: int) -> int:
        inside.put(place)
        arrive(go)
        return n

    place = line(+1)
    store.update("n", wait)


# Timeouts


@catches(bugs.timeouts_are_forgotten, "is not done|nothing was raised", hangs=True)
@catches(bugs.nobody_is_named, "does not name")
@catches(bugs.threads_are_not_named, "does not name")
@catches(bugs.places_are_those_of_the_package, "does not name")
def test_who_has_waited_long_enough_is_told_for_whom() -> None:
    free, store, patient = Store({"n": 0}), Store({"n": 0}, lock_timeout=0), Store({"n": 0})
    by_the_store = [
        partial(store.set, "n", 5),
        partial(store.transact, dict),
        lambda: store.transaction().__enter__(),
        lambda: store.draft().commit(),
        lambda: cowstate.transaction(free, store).__enter__(),
    ]
    by_the_call = [
        partial(patient.transact, dict, timeout=0),
        partial(patient.transact, dict, timeout=0.001),
        lambda: patient.transaction(timeout=0).__enter__(),
        lambda: cowstate.transaction(free, patient, timeout=0).__enter__(),
    ]
    for held, writes in ((store, by_the_store), (patient, by_the_call)):
        for hold in (hold_in_a_block, hold_in_a_function):
            inside, go = SimpleQueue[str](), Event()
            holder = Party(partial(hold, held, inside, go), "the holder")
            place = inside.get(timeout=PATIENCE)
            for write in writes:
                error = Party(write).error()
                assert isinstance(error, LockTimeoutError), error
                if GIL or hold is hold_in_a_block:
                    assert place in error.holder, f"{error} does not name {place}"
                assert "thread 'the holder'" in error.holder, f"{error} does not name the thread"
                assert error.holder in str(error)
                assert error.waited >= 0
            assert free.statistics().open_transaction is None
            free.set("n", 1)
            go.set()
            holder.result()
            assert held.snapshot().version == 0, "who gave up has written"
    for each in (store, patient, free):
        check_store(each)


@catches(bugs.places_are_those_of_the_package, "does not name")
def test_who_waits_is_told_of_the_write_to_its_own_store_and_of_no_other() -> None:
    only_with_the_gil()
    outer, inner = Store({"n": 0}, lock_timeout=0), Store({"n": 0})
    inside, go = SimpleQueue[str](), Event()

    def nest(n: int) -> int:
        hold_in_a_function(inner, inside, go)
        return n

    def hold() -> None:
        inside.put(line(+1))
        outer.update("n", nest)

    holder = Party(hold, "the holder")
    place, _ = inside.get(timeout=PATIENCE), inside.get(timeout=PATIENCE)
    error = Party(partial(outer.set, "n", 5)).error()
    go.set()
    holder.result()
    assert place in str(error), f"{error} does not name {place}"


@catches(bugs.timeouts_are_forgotten, "is not done", hangs=True)
def test_a_timeout_of_its_own_counts_for_more_than_that_of_the_store() -> None:
    store = Store({"n": 0}, lock_timeout=0)
    with store.transaction() as tx:
        patient = Party(partial(store.transact, lambda tx: tx.update(n=tx["n"] + 1), timeout=3600))
        await_writers(store, 1)
        assert isinstance(Party(partial(store.set, "n", 5)).error(), LockTimeoutError)
        tx["n"] = 10
    patient.result()
    assert store.snapshot()["n"] == 11


@catches(bugs.worries_are_kept, "nothing is in the log", hangs=True)
@catches(bugs.worries_come_at_once, "too early")
@catches(bugs.nobody_is_named, "does not name")
def test_who_has_no_timeout_says_in_the_log_after_ten_seconds_for_whom_it_waits() -> None:
    passed, looks = [0.0], list[float]()

    def clock() -> float:
        looks.append(passed[0])
        return time.monotonic() + passed[0]

    def look_again() -> None:
        seen = len(looks)
        eventually(lambda: len(looks) > seen + 3, "it should look again")

    store = Store({"n": 0})
    with (
        logged() as records,
        setting(writelock, monotonic=clock, PATIENCE=0.001),
        setting(cowstate.waiters, monotonic=clock),
    ):
        at = line(+1)
        with store.transaction():
            waiter = Party(partial(store.set, "n", 1))
            await_writers(store, 1)
            passed[0] = 9.0
            look_again()
            assert not records, f"too early: {records[0].getMessage()}"
            passed[0] = 11.0
            eventually(lambda: records, "nothing is in the log")
            passed[0] = 100.0
            look_again()
        waiter.result()
    (record,) = records
    assert record.levelname == "WARNING"
    assert at in record.getMessage(), f"{record.getMessage()} does not name {at}"
    check_store(store)


# Rings


def with_blocks(first: AnyStore, then: AnyStore, meet: Callable[[], object]) -> None:
    with first.transaction() as tx:
        tx["n"] += 1
        meet()
        with then.transaction() as ty:
            ty["n"] += 1


def with_functions(first: AnyStore, then: AnyStore, meet: Callable[[], object]) -> None:
    def step(n: int) -> int:
        meet()
        then.update("n", add)
        return n + 1

    first.update("n", step)


def with_transact(first: AnyStore, then: AnyStore, meet: Callable[[], object]) -> None:
    def step(tx: Any) -> None:
        tx["n"] += 1
        meet()
        with then.transaction() as ty:
            ty["n"] += 1

    first.transact(step)


Crossing = Callable[[AnyStore, AnyStore, Callable[[], object]], None]


def cross(*crossings: Crossing) -> DeadlockError:
    """As many threads and stores, each of which is held by one and wanted by the next.

    Return the error of the one that gives up.
    """
    stores = [Store({"n": 0}) for _ in crossings]
    meet = partial(Barrier(len(stores)).wait, PATIENCE)
    parties = [
        Party(partial(crossing, stores[n], stores[(n + 1) % len(stores)], meet))
        for n, crossing in enumerate(crossings)
    ]
    errors = [party.outcome()[1] for party in parties]
    refused = [error for error in errors if error is not None]
    assert len(refused) == 1, f"one should give up, not {refused}"
    assert isinstance(refused[0], DeadlockError), refused[0]
    for n, store in enumerate(stores):
        done = (errors[n] is None) + (errors[n - 1] is None)
        assert store.snapshot()["n"] == done, f"{n}: {store.snapshot()['n']}, not {done}"
        check_store(store)
    return refused[0]


@catches(bugs.nobody_looks_for_rings, "is not done", hangs=True)
@catches(bugs.all_of_a_ring_give_up, "one should give up")
def test_two_threads_that_write_crosswise_end_with_one_error_and_nothing_lost() -> None:
    cross(with_blocks, with_blocks)


@catches(bugs.nobody_looks_for_rings, "is not done", hangs=True)
def test_functions_that_write_crosswise_end_with_one_error_and_nothing_lost() -> None:
    cross(with_functions, with_functions)
    cross(with_functions, with_blocks)


@catches(bugs.nobody_looks_for_rings, "is not done", hangs=True)
@catches(bugs.only_rings_of_two_are_seen, "is not done", hangs=True)
def test_a_ring_of_three_ends_with_one_error_and_nothing_lost() -> None:
    cross(with_blocks, with_functions, with_transact)
    cross(with_functions, with_functions, with_functions)


def names(error: DeadlockError, stores: int) -> None:
    assert str(error).count(__file__) == stores, f"not all are named: {error}"


@catches(bugs.places_are_those_of_the_package, "not all are named")
def test_the_error_names_the_blocks_of_a_ring() -> None:
    names(cross(with_blocks, with_blocks), 2)
    names(cross(with_blocks, with_blocks, with_blocks), 3)


@catches(bugs.places_are_those_of_the_package, "not all are named")
def test_the_error_names_the_calls_of_a_ring() -> None:
    only_with_the_gil()
    names(cross(with_functions, with_functions), 2)
    names(cross(with_functions, with_transact, with_blocks), 3)


@catches(bugs.every_chain_is_a_ring, "waits for one that waits|writers should wait", hangs=True)
def test_a_chain_that_is_no_ring_is_waited_for() -> None:
    stores = [Store({"n": 0}) for _ in range(4)]
    inside, go, looks = Event(), Event(), dict[int, int]()
    look = writelock.WriteLock._look_for_a_ring

    def count_looks(self: Any, reserved: Any, ticket: int) -> None:
        look(self, reserved, ticket)
        looks[ticket] = looks.get(ticket, 0) + 1

    def last(n: int) -> int:
        inside.set()
        arrive(go)
        return n + 1

    with setting(writelock.WriteLock, _look_for_a_ring=count_looks):
        parties = [Party(partial(stores[3].update, "n", last))]
        arrive(inside)
        for n, crossing in ((2, with_functions), (1, with_blocks), (0, with_transact)):
            parties.append(Party(partial(crossing, stores[n], stores[n + 1], lambda: None)))
            await_writers(stores[n + 1], 1)
        eventually(
            lambda: (
                (any(party.done for party in parties))
                or (len(looks) == 3 and min(looks.values()) >= 3)
            ),
            "all three should look whom they wait for",
        )
        go.set()
        for party in parties:
            party.result()
    assert [store.snapshot()["n"] for store in stores] == [1, 2, 2, 2]
