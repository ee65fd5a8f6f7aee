"""What a fork and the end of the process do to living stores; in this very process.

The real thing is in faults/test_fork.py, test_exit.py and test_shutdown.py.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import ClosedError, ReentrantWriteError, Store, process, writelock
from tests.parked import PATIENCE, Hooked
from tests.worlds.staging import Party, await_writers


def test_what_another_thread_had_reserved_is_free_in_the_child() -> None:
    store = Store({"a": 1})
    inside, go_on = threading.Event(), threading.Event()

    def write() -> None:
        # There is no such thread in a child. In here it is told that its transaction is over.
        with pytest.raises(ClosedError, match="given up"), store.transaction() as tx:
            inside.set()
            assert go_on.wait(300)
            tx["b"] = 2

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(300)
    try:
        process._after_fork_in_child()
        assert store.set("a", 5).version == 1
        assert store.statistics().waiting == 0
    finally:
        go_on.set()
        thread.join()
    assert store.snapshot() == {"a": 5}


def test_a_lock_whose_owner_is_another_thread_is_replaced_in_the_child() -> None:
    store = Store({"a": 1})
    inside, go_on = threading.Event(), threading.Event()

    def update(n: int) -> int:
        inside.set()
        assert go_on.wait(300)
        return n

    def write() -> None:
        # There is no such thread in a child. In here it finds that the lock is another one.
        with pytest.raises(RuntimeError):
            store.update("a", update)

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(300)
    try:
        process._after_fork_in_child()
        assert store.set("a", 5).version == 1
    finally:
        go_on.set()
        thread.join()


def test_a_lock_of_the_forking_thread_itself_is_kept() -> None:
    store = Store({"a": 1})
    with store.transaction() as tx:
        process._after_fork_in_child()
        try:
            store.set("a", 2)
        except ReentrantWriteError:
            tx["a"] = 3
    assert store.snapshot()["a"] == 3


def test_a_callback_that_forks_goes_on_and_the_later_commits_are_delivered() -> None:
    store = Store({"a": 0})
    given: list[int] = []

    def callback(commit: object) -> None:
        given.append(store.snapshot()["a"])
        process._after_fork_in_child()

    store.subscribe(callback)
    store.set("a", 1)
    store.set("a", 2)
    assert given == [1, 2]


def test_a_store_that_nobody_holds_is_forgotten() -> None:
    gc.collect()
    before = len(process._living)
    stores = [Store({"a": 1}) for _ in range(3)]
    for store in stores:
        store.set("a", 2)
    assert len(process._living) == before + 3
    del store, stores
    gc.collect()
    assert len(process._living) == before


def test_a_look_into_all_threads_sets_off_no_collection_and_leaves_the_collector_as_it_was() -> (
    None
):
    seen: list[bool] = []

    def look() -> dict[int, int]:
        seen.append(gc.isenabled())
        return {1: 2}

    assert process.of_all_threads(look) == {1: 2}
    assert gc.isenabled()
    gc.disable()
    try:
        process.of_all_threads(look)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert seen == [sys.version_info >= (3, 12), False]


def test_a_look_at_a_frame_sets_off_no_collection_either() -> None:
    seen: list[bool] = []

    class Frame:
        def __getattr__(self, name: str) -> str:
            seen.append(gc.isenabled())
            return name

    frame: Any = Frame()
    assert (process.locals_of(frame), process.caller_of(frame)) == ("f_locals", "f_back")
    assert gc.isenabled()
    assert seen == 2 * [sys.version_info >= (3, 12)]


def test_who_sleeps_in_the_parent_does_not_sleep_in_the_child() -> None:
    store = Hooked({"a": 0})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.wait_for, lambda now: now["a"] == 1, PATIENCE)
        store.parked.wait_for(1)
        store.source.waiters.bells[1] = "wakes the tasks of a loop that is not in the child"
        process._after_fork_in_child()
        assert store.statistics().waiting == 0
        assert store.source.waiters.bells == {}
        store.set("a", 1)
        # In here it is there still, and woken by nobody.
        for sleeper in list(store.parked.all.values()):
            sleeper.notify()
        assert waiting.result(PATIENCE).version == 1


def test_a_transaction_that_was_open_in_the_parent_is_given_up_in_the_child_for_good() -> None:
    store = Store({"a": 1})
    block = store.transaction()
    tx = Party(block.__enter__).result()
    process._after_fork_in_child()
    assert store.statistics().open_transaction is None
    store.set("a", 2)
    with pytest.raises(ClosedError, match="given up"):
        tx["a"] = 5
    with pytest.raises(ClosedError, match="given up"):
        block.__exit__(None, None, None)
    assert store.snapshot() == {"a": 2}


def test_who_waited_to_write_in_the_parent_does_not_wait_in_the_child() -> None:
    store = Store({"a": 1})
    with store.transaction():
        waiter = Party(lambda: store.set("a", 2))
        await_writers(store, 1)
        process._after_fork_in_child()
        assert (writelock._waits, store._lock._queue) == ({}, {})
        assert store.statistics().open_transaction is not None
    assert waiter.result().version == 1


def test_a_task_that_forks_goes_on_in_its_transaction_and_so_does_its_helper() -> None:
    async def main() -> None:
        store = Store({"a": 1})
        opened, go = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            with store.transaction() as tx:
                tx["a"] = 2
                opened.set()
                await go.wait()
                await asyncio.to_thread(process._after_fork_in_child)
                tx["a"] = 3

        task = asyncio.create_task(hold())
        await opened.wait()
        # The same thread, by another task: the loop goes on in the child, and that task with it.
        process._after_fork_in_child()
        go.set()
        await task
        assert store.snapshot()["a"] == 3

    asyncio.run(main())


@pytest.mark.parametrize("collects", [False, True])
def test_whether_there_are_collections_is_as_before_whatever_comes_of_a_look(
    collects: bool,
) -> None:
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        assert process.without_collection(lambda: 7) == 7
        assert gc.isenabled() is collects
        with pytest.raises(KeyboardInterrupt):
            process.without_collection(interrupted)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


def interrupted() -> None:
    raise KeyboardInterrupt
