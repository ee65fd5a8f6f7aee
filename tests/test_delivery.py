"""Who is at hand to deliver, when one of them is struck: nobody waits for the next write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest

from cowstate import Commit, Store, delivery, transaction
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
    go = threading.Event()

    def hold(commit: Commit[str, int]) -> None:
        # Else the store's thread might be the one that calls, and hear what is raised.
        assert go.wait(PATIENCE)
        seen.put(commit)

    store.subscribe(hold, via="thread")
    store.subscribe(strike)
    with pytest.raises(Struck):
        store.set("a", 1)
    go.set()
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


def test_what_was_put_off_inside_a_write_that_fails_is_delivered_when_that_has_failed() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    seen: list[int] = []
    other.subscribe(versions_into(seen))

    def fails(n: int) -> int:
        other.set("a", 1)
        assert seen == []
        raise Struck

    with pytest.raises(Struck):
        store.update("a", fails)
    assert seen == [1]
    assert not delivery.debts


def test_what_was_put_off_is_delivered_by_who_leaves_the_block_in_another_thread() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    seen: list[int] = []
    other.subscribe(versions_into(seen))
    block = store.transaction()

    def begin() -> None:
        block.__enter__()
        other.set("a", 1)

    in_another_thread(begin)
    assert len(delivery.debts) == 1
    # Who owes nothing pays nothing.
    third = Store({"a": 0})
    third.set("a", 1)
    assert seen == []
    block.__exit__(None, None, None)
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
    store: Store[str, int] = Store({"a": 0}, deferred_refcount=False)
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


def test_what_is_sent_to_the_store_s_thread_ends_it_and_another_one_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sent(timeout: float) -> None:
        raise Struck

    started: list[Any] = []
    monkeypatch.setattr(delivery, "start_new_thread", lambda *what: started.append(what))
    store: Store[str, int] = Store({"a": 0})
    store._delivery._bell = SimpleNamespace(  # type: ignore[assignment]
        empty=lambda: True, put=lambda _: None, get=sent
    )
    store.subscribe(print, via="thread")
    store.set("a", 1)
    ((serve, arguments),) = started
    with pytest.raises(Struck):
        serve(*arguments)
    store.set("a", 2)
    assert len(started) == 2


class Bell:
    """The bell of a store: a commit comes as its thread finds it silent, or has just done so."""

    def __init__(self, commit: Callable[[], object], moment: str) -> None:
        self.rung: SimpleQueue[None] = SimpleQueue()
        self.commit: Callable[[], object] | None = commit
        self.moment = moment
        self.gets = 0
        self.hearer = 0

    def put(self, _: None) -> None:
        self.rung.put(None)

    def get(self, timeout: float) -> None:
        self.hearer = threading.get_ident()
        self.gets += 1
        if self.gets == 2:
            if self.moment == "before":
                self.come()
            raise Empty
        self.rung.get(timeout=PATIENCE)

    def come(self) -> None:
        if self.commit is not None:
            commit, self.commit = self.commit, None
            in_another_thread(commit)

    def empty(self) -> bool:
        silent = self.rung.empty()
        if self.gets == 2 and threading.get_ident() == self.hearer:
            self.come()
        return silent


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_that_comes_as_the_store_s_thread_is_about_to_go_is_delivered(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started = delivery.start_new_thread, list[int]()
    monkeypatch.setattr(delivery, "start_new_thread", lambda *what: started.append(real(*what)))
    store: Store[str, int] = Store({"a": 0})
    bell: Any = Bell(lambda: store.set("a", 2), moment)
    store._delivery._bell = bell
    seen: SimpleQueue[Any] = SimpleQueue()
    store.subscribe(seen.put, via="thread")
    store.set("a", 1)
    assert [seen.get(timeout=PATIENCE).version for _ in range(2)] == [1, 2]
    store.set("a", 3)
    assert seen.get(timeout=PATIENCE).version == 3
    # Who was heard in time has the thread stay; who was not has started another one.
    assert len(started) == (1 if moment == "before" else 2)


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
