"""When a thread of a store's is there, for how long a writer waits, and what a fork leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from cowstate import Commit, Store, delivery, groups, process, transaction
from cowstate.delivery import BOUND
from cowstate.groups import Group
from cowstate.timeline import BACKLOG
from tests.loops import loop
from tests.parked import PATIENCE


def versions_into(seen: list[int]) -> Callable[[Commit[Any, Any]], object]:
    return lambda commit: seen.append(commit.version)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that stores wanted to start; there is none to be had."""
    wanted: list[int] = []

    def start(_: object, __: object) -> None:
        wanted.append(len(wanted))
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(delivery, "start_new_thread", start)
    return wanted


@pytest.mark.parametrize("without_gil", [False, True])
def test_no_thread_is_started_where_nobody_needs_it(
    started: list[int], without_gil: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "_WITHOUT_GIL", without_gil)
    store: Store[str, int] = Store({"a": 0, "b": 0, "c": 0})
    seen: list[int] = []

    def write() -> None:
        store.update("a", lambda n: n + 1)
        store.transact(lambda tx: tx.update(a=tx["a"] + 1, b=tx["b"] + 1))
        with pytest.raises(KeyError):
            store.delete("z")
        with pytest.raises(ZeroDivisionError):
            store.transact(lambda tx: 1 // 0)

    write()
    subscriptions = [
        store.subscribe(versions_into(seen)),
        store.subscribe(versions_into(seen), keys=["c"], via="thread"),
    ]
    store.set("a", 50)
    store.set("b", 50)
    assert started == []
    subscriptions.pop().close()
    write()
    assert started == []
    for subscription in subscriptions:
        subscription.close()
    write()
    assert started == []
    assert seen == [3, 4, 5, 6]


def test_no_thread_is_started_where_what_was_raised_left_nothing(started: list[int]) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    store: Store[str, int] = Store({"a": 0})
    store.subscribe(interrupted)
    for n in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            store.set("a", n)
    assert started == []


def test_a_thread_that_does_not_come_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Any] = []
    monkeypatch.setattr(delivery, "start_new_thread", lambda *what: alive.append(what))
    store: Store[str, int] = Store({"a": 0})
    store.subscribe(print, via="thread")
    for n in range(20):
        store.set("a", n)
    assert store._delivery._bell.qsize() == 1


def test_the_store_s_thread_goes_on_until_all_is_delivered_that_it_serves() -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go, seen = threading.Event(), threading.Event(), SimpleQueue[Any]()

    def hold(commit: Commit[str, int]) -> None:
        reached.set()
        assert go.wait(PATIENCE)
        seen.put(commit)

    with store.subscribe(str):  # of which there is nothing left to do
        store.subscribe(hold, via="thread")
        last = 4 * BOUND
        store.set("a", 1)
        assert reached.wait(PATIENCE)
        for n in range(1, last):
            store.set("a", -n)
        go.set()
        assert [seen.get(timeout=PATIENCE).version for _ in range(last)] == [*range(1, last + 1)]


def test_no_thread_is_started_for_what_a_loop_serves_whatever_is_raised(
    started: list[int],
) -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    store.subscribe(versions_into(seen), via=serving)
    for n in range(1, 30):
        store.set("a", n)
    with pytest.raises(KeyError):
        store.delete("z")
    with transaction(store, Store({"a": 0})) as (tx, _):
        tx["a"] = 50
    serving.run()
    assert seen == [*range(1, 31)]
    assert started == []


def test_no_thread_is_started_for_what_somebody_is_delivering(started: list[int]) -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go = threading.Event(), threading.Event()
    seen: list[int] = []

    def hold(commit: Commit[str, int]) -> None:
        reached.set()
        assert go.wait(PATIENCE)
        seen.append(commit.version)

    store.subscribe(hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.set, "a", 1)
        assert reached.wait(PATIENCE)
        for n in (2, 3):
            store.set("a", n)
        with pytest.raises(KeyError):
            store.delete("z")
        assert started == []
        go.set()
        first.result(PATIENCE)
    assert seen == [1, 2, 3]
    assert started == []


def test_a_commit_of_several_stores_is_delivered_by_whom_each_of_them_is_served() -> None:
    stores = [Store({"a": 0}) for _ in range(3)]
    seen: SimpleQueue[Any] = SimpleQueue()
    serving, of_loop, of_writer = loop(), list[int](), list[int]()
    stores[0].subscribe(seen.put, via="thread")
    stores[1].subscribe(versions_into(of_loop), via=serving)
    stores[2].subscribe(versions_into(of_writer))
    with transaction(*stores) as txs:
        for tx in txs:
            tx["a"] = 1
    assert of_writer == [1]
    serving.run()
    assert of_loop == [1]
    assert seen.get(timeout=PATIENCE).version == 1


def test_where_no_thread_can_be_had_the_next_write_asks_again(
    started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    for n in (1, 2):
        store.set("a", n)
        assert len(started) == n
    monkeypatch.undo()
    store.set("a", 3)
    assert [seen.get(timeout=PATIENCE).version for _ in range(3)] == [1, 2, 3]
    # And a failed write asks, too.
    assert store.flush(PATIENCE)


def test_a_writer_waits_for_its_turn_only_when_half_of_the_backlog_waits() -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go = threading.Event(), threading.Event()
    waits: dict[int, float] = {}
    real = Group.deliver

    def hold(commit: Commit[str, int]) -> None:
        reached.set()
        assert go.wait(PATIENCE)

    def deliver(self: Group[Any, Any], most: int, seconds: float = 0.0) -> bool:
        assert most == delivery.BOUND + 1
        waits[self.waiting()] = seconds
        return real(self, most, 0.0)

    for n in range(BACKLOG):  # what is long delivered does not count
        store.set("a", -n)
    subscription = store.subscribe(hold)
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        first = pool.submit(store.set, "a", 1)
        assert reached.wait(PATIENCE)
        patch.setattr(Group, "deliver", deliver)
        for n in range(2, BACKLOG // 2 + 10):
            store.set("a", n)
        subscription.close()
        go.set()
        first.result(PATIENCE)
    half = BACKLOG // 2
    assert waits == {n: delivery.PRESSURE if n > half else 0.0 for n in range(2, half + 10)}


def test_a_fork_forgets_what_threads_owe_that_are_not_in_the_child() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    seen: list[int] = []
    other.subscribe(versions_into(seen))
    reached, go = threading.Event(), threading.Event()

    def write(n: int) -> int:
        other.set("a", other.snapshot()["a"] + 1)
        reached.set()
        return n + 1

    def hold(n: int) -> int:
        write(n)
        assert go.wait(PATIENCE)
        return n + 1

    third = Store({"a": 0})
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(third.update, "a", hold)
        assert reached.wait(PATIENCE)

        def fork(n: int) -> int:
            write(n)
            assert len(delivery.debts) == 2
            other._delivery.after_fork_in_child()
            assert set(delivery.debts) == {threading.get_ident()}
            return n + 1

        store.update("a", fork)
        assert seen == [1, 2]
        go.set()
        theirs.result(PATIENCE)
    assert not delivery.debts
    other.set("a", 9)
    assert seen == [1, 2, 3]


def test_flush_delivers_what_was_published_and_tells_when_its_time_is_over() -> None:
    store: Store[str, int] = Store({"a": 0})
    assert store.flush()
    assert store.flush(0)
    seen: list[int] = []
    subscriptions = [
        store.subscribe(versions_into(seen), via="writer"),
        store.subscribe(versions_into(seen), via="thread"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        # Nobody delivers but who flushes.
        patch.setattr(store._delivery, "after", lambda _: None)
        for n in range(20):
            store.set("a", n + 1)
    assert not store.flush(0)
    assert seen == []
    assert store.flush(PATIENCE)
    assert seen == [*range(1, 21)] * 2
    assert [subscription.delivered for subscription in subscriptions] == [20, 20]
    assert store.flush(0)


@pytest.mark.parametrize("ends", ["done", "late", "struck"])
@pytest.mark.parametrize("via", ["writer", "thread"])
def test_what_comes_while_a_flush_delivers_does_not_wait_for_the_next_write(
    via: Any, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who writes meanwhile, and the store's thread, find the turn taken, and leave it to the flush.
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[int] = SimpleQueue()

    def call(commit: Commit[str, int]) -> None:
        seen.put(commit.version)
        if commit.version == BOUND:
            with ThreadPoolExecutor(1) as other, pytest.MonkeyPatch.context() as patch:
                patch.setattr(store._delivery, "wake", lambda: None)  # in vain
                other.submit(store.set, "a", 99).result(PATIENCE)
            if ends == "late":
                monkeypatch.setattr(delivery, "monotonic", lambda: 1e9)
            elif ends == "struck":
                raise KeyboardInterrupt

    store.subscribe(call, via=via)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._delivery, "after", lambda _: None)
        for n in range(BOUND + (ends == "late")):
            store.set("a", n + 1)
    if ends == "struck":
        with pytest.raises(KeyboardInterrupt):
            store.flush(PATIENCE)
    else:
        assert store.flush(PATIENCE) is (ends == "done")
    last = store.snapshot().version
    assert [seen.get(timeout=PATIENCE) for _ in range(last)] == [*range(1, last + 1)]


def test_who_comes_to_a_loop_while_another_comes_to_it_first_is_served_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen, made = loop(), list[int](), delivery._LoopGroup

    def make(*parts: Any) -> Any:
        # By another thread, or a finalizer, between the look for the group and its place.
        monkeypatch.setattr(delivery, "_LoopGroup", made)
        store.subscribe(versions_into(seen), via=serving)
        return made(*parts)

    monkeypatch.setattr(delivery, "_LoopGroup", make)
    store.subscribe(versions_into(seen), via=serving)
    store.set("a", 1)
    serving.run()
    assert seen == [1, 1]


def test_a_flush_that_has_no_time_left_delivers_nothing() -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: list[int] = []
    store.subscribe(versions_into(seen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._delivery, "after", lambda _: None)
        store.set("a", 1)
        patch.setattr(delivery, "monotonic", lambda: 5.0)
        assert not store._delivery.flush(5.0)
        assert seen == []
        assert store._delivery.flush(5.1)
    assert seen == [1]


def test_a_child_has_a_thread_of_its_own_for_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Any] = []  # as in a child: what a thread that is not there holds is never let go
    monkeypatch.setattr(delivery, "start_new_thread", lambda *what: alive.append(what))
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    for n in (1, 2):
        store.set("a", n)
    assert len(alive) == 1
    monkeypatch.undo()
    # Nor is the bell to be touched: whoever was at it may have left it as nobody can use it.
    store._delivery._bell = None  # type: ignore[assignment]
    process._after_fork_in_child()
    store.set("a", 3)
    assert [seen.get(timeout=PATIENCE).version for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("via", ["writer", "thread"])
def test_a_child_delivers_though_somebody_was_delivering_in_the_parent(via: Any) -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go = threading.Event(), threading.Event()
    seen: SimpleQueue[Any] = SimpleQueue()

    def hold(commit: Commit[str, int]) -> None:
        if commit.version == 1:
            reached.set()
            assert go.wait(PATIENCE)

    store.subscribe(hold, via=via)
    store.subscribe(seen.put, via=via)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.set, "a", 1)
        assert reached.wait(PATIENCE)
        process._after_fork_in_child()
        store.set("a", 2)
        assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]
        go.set()
        try:
            first.result(PATIENCE)
        except RuntimeError:  # in a child it is not there; here it finds that its lock is another
            pass
    assert seen.empty()
