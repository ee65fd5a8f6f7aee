"""Who is at hand to deliver, when one of them is struck: nobody waits for the next write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from weakref import ref

import pytest

from cowstate import Commit, Store, delivery, process, transaction
from cowstate.subscribers import Group
from cowstate.timeline import BACKLOG
from tests.loops import loop
from tests.parked import PATIENCE
from tests.standing import eventually, in_another_thread


class Struck(BaseException):
    """No `Exception`, as little as KeyboardInterrupt is."""


def strike(_: object) -> None:
    raise Struck


def versions_into(seen: list[int]) -> Callable[[Commit[Any, Any]], object]:
    return lambda commit: seen.append(commit.version)


def test_a_thread_that_is_struck_before_its_first_instruction_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real: Callable[..., Any] = delivery.start_new_thread
    started: list[int] = []

    def start(fn: Any, arguments: Any) -> int:
        started.append(len(started))
        return 0 if len(started) == 1 else real(fn, arguments)

    monkeypatch.setattr(delivery, "start_new_thread", start)
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    store.set("a", 1)
    store.set("a", 2)
    assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]
    assert len(started) == 2


def test_what_a_callback_raises_keeps_the_commit_from_nobody_who_is_served_elsewhere() -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    store.subscribe(strike)
    with pytest.raises(Struck):
        store.set("a", 1)
    assert seen.get(timeout=PATIENCE).version == 1


def test_what_a_callback_raises_leaves_nothing_waiting_that_others_wrote_meanwhile() -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go = threading.Event(), threading.Event()
    seen: SimpleQueue[Any] = SimpleQueue()

    def hold(commit: Commit[str, int]) -> None:
        seen.put(commit)
        if commit.version == 1:
            reached.set()
            assert go.wait(PATIENCE)
            raise Struck

    store.subscribe(hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.set, "a", 1)
        assert reached.wait(PATIENCE)
        store.set("a", 2)
        go.set()
        with pytest.raises(Struck):
            first.result(PATIENCE)
    assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]


def test_what_a_callback_raises_in_the_store_s_thread_leaves_nothing_waiting() -> None:
    store: Store[str, int] = Store({"a": 0})
    reached, go = threading.Event(), threading.Event()
    seen: SimpleQueue[Any] = SimpleQueue()
    last = 3 * delivery.BOUND

    def hold(commit: Commit[str, int]) -> None:
        if commit.version == 1:
            reached.set()
            assert go.wait(PATIENCE)
        seen.put(commit)
        if commit.version in (delivery.BOUND + 3, last - 2):
            raise Struck

    store.subscribe(hold)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.set, "a", 1)
        assert reached.wait(PATIENCE)
        for n in range(2, last + 1):
            store.set("a", n)
        go.set()
        first.result(PATIENCE)
    assert [seen.get(timeout=PATIENCE).version for _ in range(last)] == [*range(1, last + 1)]


def test_what_a_callback_of_one_store_raises_keeps_the_commit_of_another_from_nobody() -> None:
    one, other = Store({"a": 0}), Store({"a": 0})
    seen: list[int] = []
    one.subscribe(strike)
    other.subscribe(lambda commit: seen.append(commit.version))
    with pytest.raises(Struck), transaction(one, other) as (tx, ty):
        tx["a"] = ty["a"] = 1
    assert seen == [1]


def test_what_a_callback_that_was_put_off_raises_keeps_no_commit_of_several_stores() -> None:
    one, other, third = Store({"a": 0}), Store({"a": 0}), Store({"a": 0})
    seen: list[int] = []
    one.subscribe(lambda commit: seen.append(commit.version))
    other.subscribe(lambda commit: seen.append(commit.version))
    third.subscribe(strike)
    with pytest.raises(Struck), transaction(one, other) as (tx, ty):
        tx["a"] = ty["a"] = 1
        third.set("a", 1)  # not to be delivered in here
    assert seen == [1, 1]
    for store in (one, other):
        assert store.statistics().undelivered == 0
        assert in_another_thread(partial(store.set, "b", 1)).version == 2


def test_what_a_callback_that_was_put_off_raises_keeps_no_other_one_that_was_put_off() -> None:
    for several in (False, True):
        stores = [Store({"a": 0}) for _ in range(4)]
        seen: list[int] = []
        stores[2].subscribe(strike)
        stores[3].subscribe(versions_into(seen))
        with pytest.raises(Struck), transaction(*stores[: 1 + several]):
            for store in stores[2:]:
                store.set("a", 1)
            assert seen == []
        assert seen == [1]
        assert not delivery.debts


def test_a_callback_that_a_loop_calls_and_that_is_cancelled_holds_up_no_later_commit() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        store: Store[str, int] = Store({"a": 0})
        seen: list[int] = []
        done = asyncio.Event()

        def call(commit: Any) -> None:
            seen.append(commit.version)
            if commit.version == 3:
                done.set()
            if commit.version == 1:
                raise asyncio.CancelledError

        store.subscribe(call, via=loop)
        for n in (1, 2, 3):
            store.set("a", n)
        await asyncio.wait_for(done.wait(), PATIENCE)
        return seen

    assert asyncio.run(main()) == [1, 2, 3]


def test_the_store_s_thread_ends_when_it_has_been_idle_and_another_one_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def start(fn: Any, arguments: Any) -> None:
        # Of the module threading, so that one can wait for its end.
        threads.append(threading.Thread(target=fn, args=arguments))
        threads[-1].start()

    monkeypatch.setattr(delivery, "start_new_thread", start)
    monkeypatch.setattr(delivery, "LINGER", 0.001)
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    for n in (1, 2):
        store.set("a", n)
        assert seen.get(timeout=PATIENCE).version == n
        threads[-1].join(PATIENCE)
        assert not threads[-1].is_alive()
    assert len(threads) == 2


def test_the_store_s_thread_outlives_what_a_callback_raises_and_ends_with_its_store(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    threads: list[threading.Thread] = []

    def start(fn: Any, arguments: Any) -> None:
        threads.append(threading.Thread(target=fn, args=arguments))
        threads[-1].start()

    monkeypatch.setattr(delivery, "start_new_thread", start)
    monkeypatch.setattr(delivery, "LINGER", 3600.0)
    store: Store[str, int] = Store({"a": 0})
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(strike, via="thread")
    store.subscribe(seen.put, via="thread")
    store.set("a", 1)
    store.set("a", 2)
    assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]
    bell = store._delivery._bell
    eventually(lambda: caplog.text.count("a subscriber raised") == 2, "each is logged")
    for record in caplog.records:
        record.exc_info = None  # the traceback holds the frames, and they the store
    reference = ref(store._delivery)
    del store
    # Without the GIL what another thread let go dies when the thread that made it goes on.
    eventually(lambda: reference() is None, "the store lives on")
    bell.put(None)
    threads[0].join(PATIENCE)
    assert not threads[0].is_alive()
    assert len(threads) == 1


class Bell:
    """The bell of a store, around which a commit comes as its thread has just found it silent."""

    def __init__(self, commit: Callable[[], object]) -> None:
        self.rung: SimpleQueue[None] = SimpleQueue()
        self.commit: Callable[[], object] | None = commit
        self.gets = 0
        self.hearer = 0

    def put(self, _: None) -> None:
        self.rung.put(None)

    def get(self, timeout: float) -> None:
        self.hearer = threading.get_ident()
        self.gets += 1
        if self.gets == 2:
            raise Empty
        self.rung.get(timeout=PATIENCE)

    def empty(self) -> bool:
        silent = self.rung.empty()
        if self.gets == 2 and threading.get_ident() == self.hearer and self.commit is not None:
            commit, self.commit = self.commit, None
            in_another_thread(commit)
        return silent


def test_a_commit_that_comes_as_the_store_s_thread_is_about_to_go_is_delivered() -> None:
    store: Store[str, int] = Store({"a": 0})
    bell: Any = Bell(lambda: store.set("a", 2))
    store._delivery._bell = bell
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    store.set("a", 1)
    assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]
    store.set("a", 3)
    assert seen.get(timeout=PATIENCE).version == 3


class HeldUp(str):
    """A key; whoever compares it runs what stands here, once."""

    meanwhile: Callable[[], object] | None = None

    def __hash__(self) -> int:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return str.__hash__(self)


def test_a_writer_that_is_held_up_as_it_passes_over_a_commit_tells_nobody_of_a_gap() -> None:
    key = HeldUp("a")
    store: Store[str, int] = Store({key: 0, "c": 0})
    told: list[Any] = []
    store.subscribe(told.append, keys=["b"], on_lagged=told.append)
    looks = 0

    def at_the_last_look() -> None:
        # Hashed by the write itself as well; only then does the writer ask whom it concerns.
        nonlocal looks
        looks += 1
        if store.snapshot().version == 0:
            key.meanwhile = at_the_last_look
            return
        for n in range(1, 1100):
            store.set("c", n)

    key.meanwhile = at_the_last_look
    store.set(key, 1)
    assert looks > 1
    store.set("b", 1)
    assert store.flush()
    assert [type(item) for item in told] == [Commit]
    assert told[0].version == store.snapshot().version


# Threads


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that stores wanted to start; there is none to be had."""
    wanted: list[int] = []

    def start(_: object, __: object) -> None:
        wanted.append(len(wanted))
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(delivery, "start_new_thread", start)
    return wanted


def test_no_thread_is_started_where_nobody_needs_it(started: list[int]) -> None:
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
    for subscription in subscriptions:
        subscription.close()
    write()
    assert started == []
    assert seen == [3, 4]


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
