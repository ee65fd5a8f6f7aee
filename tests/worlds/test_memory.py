"""What nobody holds is freed at once, without the collector; and waiting leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import get_ident
from typing import Any
from weakref import ref

import pytest

import cowstate
from cowstate import (
    Aggregate,
    ClosedError,
    ConflictError,
    Index,
    LockTimeoutError,
    Meter,
    Store,
    WaitTimeoutError,
    aio,
    delivery,
)
from cowstate.bench.collector import collector_off
from tests.standing import HungError, check_store, eventually
from tests.worlds import bugs_of_cost as bugs
from tests.worlds.staging import AnyStore, Held, Party, arrive, catches, leave, setting

# What a store may be told to do otherwise.
OPTIONS: list[dict[str, Any]] = [
    {},
    {"same": "equality", "immutability": "deep", "allow_none": True},
    {"immutability": "trusted", "lock_timeout": 10},
    {"meter": Meter()},
]


def make(**options: Any) -> AnyStore:
    store = Store(
        {n: n for n in range(100)},
        # What is deferred is freed by the collector: tests/test_deferral.py.
        deferred_refcount=False,
        **options,
        indexes={"i": Index(lambda n: n % 7)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
        invariants={"fine": lambda snapshot, changes: True},
    )
    for n in range(20):
        store.set(n, n + 1)
    return store


def is_freed(use: Callable[[AnyStore], Any]) -> Any:
    """Drop a store, when it was used, at once and wholly; return what *use* did, and keeps."""
    for options in OPTIONS:
        with collector_off():
            store = make(**options)
            kept = use(store)
            store.set(0, 1000)
            watched: dict[str, ref[Any]] = {
                "the store": ref(store),
                "its newest version": ref(store.snapshot()),
            }
            del store
            if use is _subscriptions:
                _wait_for_its_thread(watched)
            alive = _alive(watched)
            assert not alive, f"{' and '.join(alive)} lives on after {use.__name__}"
    return kept


def _wait_for_its_thread(watched: dict[str, ref[Any]]) -> None:
    """Return when the store's own thread has its last commit in its hands no more."""
    with suppress(HungError):
        eventually(lambda: not _alive(watched), "it lives on", patience=5)


def _alive(watched: dict[str, ref[Any]]) -> list[str]:
    return [name for name, reference in watched.items() if reference() is not None]


def _nothing(store: AnyStore) -> None:
    pass


def _subscriptions(store: AnyStore) -> Any:
    return [
        store.subscribe(lambda commit: None),
        store.subscribe(lambda commit: None, keys=[1, 2]),
        store.subscribe(lambda commit: None, via="thread"),
    ]


def _pins(store: AnyStore) -> Any:
    return [store.pin(5, why="held"), store.pin()]


def _a_closed_transaction(store: AnyStore) -> Any:
    with store.transaction() as tx:
        tx[1] = 5
    with suppress(ZeroDivisionError), store.transaction() as failed:
        failed[1] = 6 // 0
    with cowstate.transaction(store, Store()) as (joint, _):
        joint[1] = 7
    held: list[Any] = []
    store.transact(held.append)
    return [tx, failed, joint, *held]


def _snapshots(store: AnyStore) -> Any:
    return [store.snapshot(), store.at(3), store.set(1, 50)]


def _committed_drafts(store: AnyStore) -> None:
    draft, other = store.draft(), store.draft()
    draft[1] = other[1] = 5
    draft.commit()
    with pytest.raises(ConflictError):
        other.commit()
    store.retry(lambda draft: draft.update({2: 7}))


def _feeds(store: AnyStore) -> None:
    feed = store.feed(since=0)
    latest = store.feed("latest", keys=[1])
    assert feed.poll() is not None
    latest.poll()


def _an_observation(store: AnyStore) -> None:
    with store.observe() as window:
        store.set(3, 33)
    assert len(window.stable) == 99


USES: list[Callable[[AnyStore], Any]] = [
    _nothing,
    _subscriptions,
    _pins,
    _a_closed_transaction,
    _snapshots,
    _committed_drafts,
    _feeds,
    _an_observation,
]


@catches(bugs.subscriptions_hold_their_store, "lives on")
@catches(bugs.pins_hold_their_store, "lives on")
def test_a_store_that_nobody_holds_is_freed_at_once_whatever_was_made_of_it() -> None:
    for use in USES:
        kept = is_freed(use)
        # What is left can be closed, and is what it was.
        for thing in kept or []:
            if hasattr(thing, "close") and hasattr(thing, "closed"):
                thing.close()
                assert thing.closed


def test_a_subscription_of_a_store_that_is_gone_says_so() -> None:
    (handle, *_) = is_freed(_subscriptions)
    with pytest.raises(ClosedError, match="gone"):
        handle.snapshot
    assert handle.delivered >= handle.since


def test_a_feed_keeps_the_versions_that_it_reads_and_not_the_store() -> None:
    with collector_off():
        store = make()
        feed = store.feed(since=0)
        reference, newest = ref(store), ref(store.snapshot())
        version = store.snapshot().version
        del store
        assert reference() is None, "the store lives on"
        items = 0
        while feed.poll() is not None:
            items += 1
        assert items == version
        del feed
        assert newest() is None, "the versions live on"


def leave_a_backlog(store: AnyStore) -> None:
    """Have the store's thread deliver, and return when it is at that, or done."""
    held = Held()
    handle = store.subscribe(held)
    first = Party(partial(store.set, "n", 1))
    arrive(held.reached)
    for n in range(2, 31):
        store.set("n", n)
    held.go.set()
    first.result()
    eventually(lambda: len(held.calls) == 30, "the store's thread should deliver")
    handle.close()
    assert first.ident in held.threads
    assert len(held.threads) == 2


@contextmanager
def threads_of_stores() -> Iterator[tuple[list[int], list[int]]]:
    """Note which threads are started for stores, and which of them have ended."""
    started, ended, start = list[int](), list[int](), delivery.start_new_thread

    def run(serve: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        serve(*arguments)
        del arguments
        ended.append(get_ident())

    def note(serve: Callable[..., object], arguments: tuple[Any, ...]) -> int:
        started.append(start(run, (serve, arguments)))
        return started[-1]

    with setting(delivery, start_new_thread=note):
        yield started, ended


@catches(bugs.the_thread_holds_its_store, "lives on", hangs=True)
def test_the_store_s_thread_keeps_no_store_while_it_has_nothing_to_do() -> None:
    with (
        collector_off(),
        setting(delivery, LINGER=3600.0),
        threads_of_stores() as (started, ended),
    ):
        store = Store({"n": 0}, deferred_refcount=False)
        leave_a_backlog(store)
        bell = store._delivery._bell
        reference, newest = ref(store), ref(store.snapshot())
        del store
        assert reference() is None, "the store lives on"
        # As soon as the thread is done with what it does at this moment.
        eventually(lambda: newest() is None, "its newest version lives on")
        assert len(started) == 1
        assert not ended
        bell.put(None)
        eventually(lambda: ended, "who is woken for nobody should go")


@catches(bugs.the_thread_stays, "should go", hangs=True)
def test_the_store_s_thread_goes_when_it_has_nothing_to_do_and_another_one_comes() -> None:
    store = Store({"n": 0})
    with setting(delivery, LINGER=0.001), threads_of_stores() as (started, ended):
        for n in range(1, 4):
            leave_a_backlog(store)
            eventually(lambda: len(started) == len(ended), "the thread should go")
            assert len(started) >= n
            store.set("n", 0)
    check_store(store)


def _a_block_that_is_dropped(store: AnyStore) -> None:
    block = store.transaction()
    block.__enter__()[1] = 9


def _a_block_that_is_left_elsewhere(store: AnyStore) -> None:
    block = store.transaction()
    block.__enter__()[1] = 9
    thread = threading.Thread(target=leave, args=[block])
    thread.start()
    thread.join()


@catches(bugs.contexts_hold_their_store, "lives on")
def test_a_context_keeps_no_store_of_which_a_block_was_entered_in_it_and_not_left() -> None:
    for use in (_a_block_that_is_dropped, _a_block_that_is_left_elsewhere):
        is_freed(use)


# To wait for nothing


def population() -> Counter[str]:
    """How many objects of the package there are, and how much their dicts and sets hold."""
    gc.collect()
    found: Counter[str] = Counter()
    for thing in gc.get_objects():
        # Where Cython's types are loaded, some say of their module what their instances would.
        if str(type(thing).__module__).startswith("cowstate."):
            found[type(thing).__qualname__] += 1
            for part in gc.get_referents(thing):
                if type(part) in {dict, set, list}:
                    found[f"in {type(thing).__qualname__}"] += len(part)
    for module in (cowstate.writelock, cowstate.delivery, cowstate.reservation, cowstate.process):
        for name, part in vars(module).items():
            if name.startswith("_") and not name.startswith("__") and isinstance(part, dict):
                found[f"{module.__name__}.{name}"] += len(part)
    found["debts"] = len(delivery.debts)
    return found


def wait_for_nothing(store: AnyStore) -> None:
    """All the ways to wait in vain, to be refused and to be cancelled."""
    for keys in (None, [1], ["unknown", 1]):
        with pytest.raises(WaitTimeoutError):
            store.wait_for(lambda now: False, 0, keys=keys)
        with pytest.raises(WaitTimeoutError), store.feed(keys=keys) as feed:
            feed.get(0)
    with pytest.raises(ZeroDivisionError):
        store.wait_for(lambda now: 1 // 0, 0)

    async def cancelled() -> None:
        tasks = [
            asyncio.create_task(aio.wait_for(store, lambda now: False, keys=keys))
            for keys in (None, [1], ["unknown"])
        ]
        while store.statistics().waiting < len(tasks):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(cancelled())
    with store.transaction():
        for ask in (
            partial(store.transact, dict, timeout=0),
            lambda: store.transaction(timeout=0).__enter__(),
            lambda: cowstate.transaction(store, timeout=0).__enter__(),
        ):
            assert isinstance(Party(ask).error(), LockTimeoutError)
    for keys in (None, [1], ["unknown"]):
        with store.subscribe(lambda commit: None, keys=keys), store.pin(), store.feed(keys=keys):
            store.set(0, 0)
            store.set(0, 1)


@catches(bugs.who_has_waited_stays_parked, "left behind")
@catches(bugs.who_left_stays_in_the_index, "left behind")
def test_waiting_for_nothing_leaves_nothing_behind() -> None:
    store = Store({0: 0, 1: 1}, history=cowstate.History(versions=1))
    for _ in range(30):  # until the ring has been filled as far as it will be
        wait_for_nothing(store)
    before = population()
    for _ in range(10):
        wait_for_nothing(store)
    left = population() - before
    assert not left, f"left behind: {left}"
    assert store.statistics().waiting == 0
