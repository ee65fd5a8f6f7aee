"""A fork while other threads are in the middle of a write: the child's store works."""

from __future__ import annotations

import os
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cowstate import Aggregate, Index, ReentrantWriteError, Store

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")

PATIENCE = 240


def in_child(fn: Callable[[], object]) -> None:
    """Fork, run *fn* in the child, and fail if it raises there, or hangs."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # From 3.12 on, Python warns of just what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:  # pragma: no cover (measured in the parent only)
        # A child that hangs must end by itself; nothing here can outlive the alarm.
        import signal

        signal.alarm(PATIENCE)
        try:
            fn()
        except BaseException:
            os.write(write, traceback.format_exc().encode()[-4000:])
            os._exit(1)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as told:
        problem = told.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, problem or "the child hung: a lock of the parent's threads came along"


@contextmanager
def held_up(run: Callable[[Callable[[], None]], object]) -> Iterator[None]:
    """Run *run* in a thread; what it is given stops that thread until this block is left."""
    inside, go_on = threading.Event(), threading.Event()

    def stop_here() -> None:
        inside.set()
        assert go_on.wait(3 * PATIENCE)

    thread = threading.Thread(target=run, args=(stop_here,))
    thread.start()
    assert inside.wait(PATIENCE)
    try:
        yield
    finally:
        go_on.set()
        thread.join(PATIENCE)


class SlowToCompare:
    """A key whose hash can be held up, so that who looks it up stands in the middle of that."""

    stop: Callable[[], None] | None = None

    def __hash__(self) -> int:
        if SlowToCompare.stop is not None:
            stop, SlowToCompare.stop = SlowToCompare.stop, None
            stop()
        return 7

    def __eq__(self, other: object) -> bool:
        return self is other


def make_store() -> Store[str, int]:
    return Store(
        {"a": 1, "b": 2},
        indexes={"value": Index(lambda value: value)},
        aggregates={"sum": Aggregate.sum(lambda value: value)},
    )


def reads_and_writes(store: Store[str, int]) -> None:
    version = store.snapshot().version
    assert dict(store.snapshot())["a"] == 1
    store.update("a", lambda value: value + 10)
    with store.transaction() as tx:
        tx["c"] = 5
    draft = store.draft()
    draft["b"] = 7
    draft.commit()
    now = store.snapshot()
    assert now.version == version + 3
    assert dict(now) == {"a": 11, "b": 7, "c": 5}
    assert now.total("sum") == 23
    assert set(now.find_all("value", 7)) == {"b"}


def test_the_child_reads_and_writes_while_a_thread_of_the_parent_is_in_a_transaction() -> None:
    store = make_store()

    def write(stop_here: Callable[[], None]) -> None:
        with store.transaction() as tx:
            tx["a"] = 100
            stop_here()

    with held_up(write):
        in_child(lambda: reads_and_writes(store))
        # The child's writes are the child's.
        assert dict(store.snapshot()) == {"a": 1, "b": 2}
    assert store.snapshot()["a"] == 100


def test_the_child_reads_and_writes_while_a_thread_of_the_parent_is_in_an_update_function() -> None:
    store = make_store()

    def write(stop_here: Callable[[], None]) -> None:
        store.update("a", lambda value: (stop_here(), value + 1)[1])

    with held_up(write):
        in_child(lambda: reads_and_writes(store))


def test_every_living_store_works_in_the_child_and_dead_ones_do_no_harm() -> None:
    stores = [make_store() for _ in range(5)]
    del stores[2]

    def write(stop_here: Callable[[], None]) -> None:
        with stores[0].transaction(), stores[1].transaction(), stores[3].transaction():
            stop_here()

    with held_up(write):
        in_child(lambda: [reads_and_writes(store) for store in stores])


def test_a_grandchild_works_too() -> None:
    store = make_store()

    def write(stop_here: Callable[[], None]) -> None:
        with store.transaction():
            stop_here()

    with held_up(write):
        in_child(lambda: in_child(lambda: reads_and_writes(store)))


def test_a_transaction_in_which_its_own_thread_forks_goes_on_on_both_sides() -> None:
    store = make_store()

    def finish(tx: Any, value: int) -> None:
        tx["a"] = value

    def body(tx: Any) -> None:
        with pytest.raises(ReentrantWriteError):
            store.set("a", 0)
        finish(tx, 50)

    with store.transaction() as tx:
        in_child(lambda: body(tx))
        finish(tx, 60)
    assert store.snapshot()["a"] == 60


def test_a_diff_by_a_scan_works_in_a_child_forked_while_a_thread_is_in_one() -> None:
    store: Store[Any, int] = Store({SlowToCompare(): 1, "a": 1})
    before = store.snapshot()
    for value in range(2, 1100):
        store.set("a", value)

    def scan() -> None:
        assert set(store.snapshot().diff(before)) == {"a"}

    def scan_slowly(stop_here: Callable[[], None]) -> None:
        SlowToCompare.stop = stop_here
        scan()

    with held_up(scan_slowly):
        SlowToCompare.stop = None
        in_child(scan)
        in_child(lambda: store.set("a", 0))
    assert store.statistics().diff_scans == 1


def test_a_feed_can_be_read_in_a_child_forked_while_a_thread_reads_it() -> None:
    store: Store[Any, int] = Store()
    feed = store.feed(keys=[SlowToCompare()])
    store.set(SlowToCompare(), 1)

    def read(stop_here: Callable[[], None]) -> None:
        SlowToCompare.stop = stop_here
        feed.poll()

    with held_up(read):
        in_child(feed.poll)
