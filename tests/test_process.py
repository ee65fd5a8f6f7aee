"""What a fork and the end of the process do to living stores; in this very process.

The real thing is in faults/test_fork.py, test_exit.py and test_shutdown.py.
"""

from __future__ import annotations

import gc
import threading

import pytest

from cowstate import ClosedError, ReentrantWriteError, Store, process


def test_what_another_thread_had_reserved_is_free_in_the_child() -> None:
    store = Store({"a": 1})
    inside, go_on = threading.Event(), threading.Event()

    def write() -> None:
        # There is no such thread in a child. In here it is told that its transaction is over.
        with pytest.raises(ClosedError, match="given up"), store.transaction() as tx:
            inside.set()
            assert go_on.wait(30)
            tx["b"] = 2

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(30)
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
        assert go_on.wait(30)
        return n

    def write() -> None:
        # There is no such thread in a child. In here it finds that the lock is another one.
        with pytest.raises(RuntimeError):
            store.update("a", update)

    thread = threading.Thread(target=write)
    thread.start()
    assert inside.wait(30)
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
