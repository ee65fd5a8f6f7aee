"""To wait, to flush and to exit: each comes to its end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from functools import partial
from threading import Event
from typing import Any

import pytest

from cowstate import (
    ReentrantWriteError,
    Store,
    WaitTimeoutError,
)
from tests.standing import check_store, eventually
from tests.worlds import bugs_of_delivery as bugs
from tests.worlds.staging import (
    Held,
    Party,
    arrive,
    catches,
)

# To wait


@catches(bugs.who_waits_waits_for_the_block_too, "is not done", hangs=True)
@catches(bugs.who_waits_passes_the_lock_first, "is not done", hangs=True)
def test_who_waits_with_a_timeout_keeps_it_beside_a_block_and_a_long_transact() -> None:
    store, entered, go = Store({"n": 0}), Event(), Event()

    def never(snapshot: Any) -> bool:
        return bool(snapshot["n"] == 7)

    def wait_in_vain() -> None:
        for ask in (
            partial(store.wait_for, never, 0.01),
            partial(store.wait_for, never, 0.0),
            partial(store.wait_for, never, 0.01, keys=["n"]),
            partial(store.feed().get, 0.01),
        ):
            assert isinstance(Party(ask).error(), WaitTimeoutError)

    with store.transaction() as tx:
        tx["n"] = 1
        wait_in_vain()
        waiter = Party(partial(store.wait_for, lambda now: now["n"] == 1))
        eventually(lambda: store.statistics().waiting == 1, "one should sleep")
    assert waiter.result().version == 1

    long = Party(partial(store.transact, lambda tx: (entered.set(), arrive(go), tx.update(n=2))))
    arrive(entered)
    try:
        wait_in_vain()
    finally:
        go.set()
    long.result()
    assert store.snapshot()["n"] == 2
    check_store(store)


# To flush, and to exit


@catches(bugs.flush_returns_at_once, "not delivered")
@catches(bugs.the_position_moves_before_the_call, "not delivered")
def test_flush_returns_when_all_has_been_delivered_or_its_time_is_over() -> None:
    store, held = Store({"n": 0}), Held()
    store.subscribe(held)
    first = Party(partial(store.set, "n", 1))
    arrive(held.reached)
    assert store.flush(0) is False, "it is not delivered"
    store.set("n", 2)
    assert store.flush(0.001) is False
    patient = Party(store.flush)
    held.go.set()
    assert patient.result() is True
    assert held.versions == [1, 2], "not delivered"
    first.result()
    assert store.flush(0) is True
    check_store(store, subscriptions=1)


@catches(bugs.flush_waits_inside_too, "DID NOT RAISE|assert", hangs=True)
def test_flush_where_nothing_can_be_delivered_is_refused() -> None:
    store, other, told = Store({"n": 0}), Store({"n": 0}), list[str]()

    def flush(*_: object) -> None:
        with pytest.raises(ReentrantWriteError, match="flush") as caught:
            store.flush(0)
        told.append(str(caught.value))

    with store.transaction():
        flush()
    other.transact(flush)
    with other.transaction():
        flush()
    store.subscribe(flush, on_error=lambda error, commit: told.clear())
    Party(partial(store.set, "n", 1)).result()
    assert len(told) == 4, "inside a callback"


SCRIPT = """
    import sys
    import threading
    import pytest
    from cowstate import Store, delivery
    from cowstate.readstore import ReadStore
    from tests.worlds import bugs_of_delivery as bugs

    thread, bug = sys.argv[1:]
    patch = pytest.MonkeyPatch()
    if bug != "none":
        getattr(bugs, bug)(patch)
    if thread == "none":
        def refuse(*_): raise RuntimeError("can't start new thread")
        patch.setattr(delivery, "start_new_thread", refuse)
    entered, ending = threading.Event(), threading.Event()

    def call(commit):
        entered.set()
        if thread == "busy" and commit.version == 1:
            ending.wait()
            for _ in range(10**6): pass
        print(commit.version)

    def end_waits(self, real=ReadStore._end_waits):
        ending.set()
        real(self)

    if thread == "busy":
        # It is in the middle of a call for longer than anybody is patient.
        patch.setattr(delivery, "PATIENCE", 1e-6)
        patch.setattr(ReadStore, "_end_waits", end_waits)
    store = Store({"n": 0})
    store.subscribe(call, via="thread")
    for n in range(1, 101):
        store.set("n", n)
    if thread == "busy":
        entered.wait()
"""


def versions_at_exit(thread: str, bug: str = "none") -> list[int]:
    """What a program prints that ends with a backlog for the store's thread."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), thread, bug],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("thread", ["some", "none", "busy"])
def test_what_is_left_to_the_store_s_thread_is_delivered_at_the_exit(thread: str) -> None:
    assert versions_at_exit(thread) == list(range(1, 101))


def test_a_seeded_bug_shows_at_the_exit() -> None:
    assert versions_at_exit("none", "the_exit_leaves_a_backlog") == []
