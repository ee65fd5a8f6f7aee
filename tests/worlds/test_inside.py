"""A write inside a write, an await inside a transaction, a fork inside one or beside it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import cowstate
from cowstate import Index, ReentrantWriteError, Store
from tests.faults.test_fork import in_child
from tests.standing import check_store, in_another_thread
from tests.worlds import bugs
from tests.worlds.staging import (
    Party,
    catches,
    leave,
    line,
)

ROOT = Path(__file__).parents[2]


def add(n: int) -> int:
    return n + 1


# Inside


@catches(bugs.a_write_inside_a_write_waits, "waits for itself|unknown place")
@catches(bugs.places_are_those_of_the_package, "does not name")
def test_a_write_inside_a_write_is_refused_and_told_where_that_began() -> None:
    told, at = list[ReentrantWriteError](), list[str]()
    armed = list[bool]()

    def write(*_: object) -> bool:
        if armed:
            for ask in (
                partial(store.set, "n", 5),
                partial(store.update, "n", add),
                partial(store.transact, dict),
                store.transaction().__enter__,
                cowstate.transaction(store, Store()).__enter__,
                store.draft().commit,
            ):
                with pytest.raises(ReentrantWriteError) as caught:
                    ask()
                told.append(caught.value)
        return True

    store = Store(
        {"n": 0}, indexes={"i": Index(lambda n: n == 1 and write())}, invariants={"i": write}
    )

    def begin() -> None:
        armed.append(True)
        at.append(line(+1))
        store.update("n", lambda n: (write(), n)[1])
        at.append(line(+1))
        store.transact(write)
        at.append(line(+1))
        store.set("n", 1)  # from the index function and from the invariant
        at.append(line(+1))
        with store.transaction():
            write()
        at.append(line(+1))
        with cowstate.transaction(store, Store()):
            write()
        armed.clear()

    Party(begin).result()
    assert len(told) == 6 * 6
    places = [at[0], at[1], at[2], at[2], at[3], at[4]]
    for n, error in enumerate(told):
        assert places[n // 6] in str(error.opened), f"{error} does not name {places[n // 6]}"
        assert places[n // 6] in str(error), error
    check_store(store)


@catches(bugs.a_write_inside_a_write_waits, "is not done", hangs=True)
@catches(bugs.places_are_those_of_the_package, "does not name")
def test_a_transaction_that_awaits_is_named_to_the_other_tasks() -> None:
    store = Store({"n": 0})

    async def main() -> tuple[str, ReentrantWriteError]:
        go, at = asyncio.Event(), list[str]()

        async def awaits() -> None:
            at.append(line(+1))
            with store.transaction() as tx:
                tx["n"] = 1
                await go.wait()

        task = asyncio.create_task(awaits())
        await asyncio.sleep(0)
        with pytest.raises(ReentrantWriteError) as caught:
            store.set("n", 5)
        go.set()
        await task
        return at[0], caught.value

    at, error = Party(lambda: asyncio.run(main())).result()
    assert at in str(error), f"{error} does not name {at}"
    assert "await" in str(error)
    assert store.snapshot()["n"] == 1
    check_store(store)


@catches(bugs.inside_is_only_the_thread_itself, "is not done|waits for itself", hangs=True)
def test_a_helper_thread_of_a_task_is_refused_inside_its_transaction_rather_than_hung() -> None:
    store = Store({"n": 0})

    async def main() -> ReentrantWriteError:
        with store.transaction() as tx:
            tx["n"] = 1
            with pytest.raises(ReentrantWriteError) as caught:
                await asyncio.to_thread(store.set, "n", 5)
        await asyncio.to_thread(store.set, "n", 6)
        return caught.value

    error = Party(lambda: asyncio.run(main())).result()
    assert __file__ in str(error)
    assert store.snapshot().version == 2
    check_store(store)


# Forks


@catches(bugs.the_child_keeps_the_reservations_of_the_parent, "LockTimeoutError|hung", hangs=True)
def test_a_child_forked_beside_a_transaction_writes_and_the_parent_goes_on() -> None:
    store, other = Store({"n": 0}, lock_timeout=1), Store({"n": 0}, lock_timeout=1)
    block = cowstate.transaction(store, other)
    (tx, _) = in_another_thread(block.__enter__)
    tx["n"] = 1

    def child() -> None:
        assert store.set("n", 5).version == 1
        with cowstate.transaction(store, other) as (one, two):
            one["n"] = two["n"] = 6
        check_store(store)
        check_store(other)

    in_child(child)
    assert store.snapshot()["n"] == 0
    leave(block)
    assert store.snapshot()["n"] == 1
    check_store(store)


@catches(bugs.the_child_drops_its_own_reservation, "DID NOT RAISE|given up|assert")
def test_a_child_forked_inside_a_transaction_goes_on_in_it_as_the_parent_does() -> None:
    store, other = Store({"n": 0}), Store({"n": 0})
    block = cowstate.transaction(store, other)
    one, two = block.__enter__()

    def go_on(n: int) -> None:
        with pytest.raises(ReentrantWriteError):
            store.set("n", 5)
        one["n"] = two["n"] = n
        leave(block)
        assert store.snapshot()["n"] == other.snapshot()["n"] == n
        check_store(store)
        check_store(other)

    in_child(partial(go_on, 1))
    go_on(2)


COLLECTED = """
import gc, sys
from cowstate import Store, reservation

outer, inner = Store(), Store()
replace = reservation._replace
if "twin" in sys.argv:
    replace = lambda before, after: bool(reservation.inside.set(after))


class Cycle:
    def __init__(self):
        self.itself = self

    def __del__(self):
        with inner.transaction() as tx:
            tx["n"] = n


def replace_as_it_is_collected(before, after):
    if to_come:
        to_come.clear()
        gc.collect()
        # At the first allocation of what follows, or at a later one.
        gc.set_threshold(n % 20 + 2, 1_000_000, 1_000_000)
        Cycle()
    return replace(before, after)


reservation._replace = replace_as_it_is_collected
gc.freeze()
for n in range(1000):
    to_come = ["a collection"]
    with outer.transaction() as tx:
        tx["n"] = n
print(outer.snapshot()["n"], gc.isenabled())
"""


def run_collected(*options: str) -> subprocess.CompletedProcess[str]:
    """Run it where memory that was freed and is used shows: the allocator overwrites it."""
    environment = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", COLLECTED, *options],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_finalizer_may_open_a_block_at_any_allocation_while_another_one_is_being_opened() -> None:
    # Until CPython 3.11 a context variable that is set in a finalizer, in the middle of being set,
    # crashes the interpreter.
    run = run_collected()
    assert (run.returncode, run.stdout) == (0, "999 True\n"), run.stderr


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="collections come up between instructions")
def test_the_interpreter_would_crash_there() -> None:
    assert run_collected("twin").returncode < 0
