"""Every public operation of a store, each a small function of a `World` and of a `Hand` in it.

Two hands never write the same key, so neither operation of a pair is the reason why the other
fails, unless the table says so. What a call returns is bound in one straight line after it, and
a call that yields an item of a feed is either a plain call or a ``for``: between ``next`` and a
name somebody else's exception may come, and would take the item.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import cowstate
from cowstate import (
    MISSING,
    ClosedError,
    ConflictError,
    CowstateError,
    RecordNotFoundError,
    ReentrantWriteError,
    Store,
    WaitTimeoutError,
    aio,
)
from tests.laws.worlds import Hand, Sleeper, World

Act = Callable[[World, Hand], object]


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Attributes:
        act: the operation.
        prepare: what must have been done before, undisturbed.
        refusable: whether it may be refused inside a write: it writes, or it waits.
        relies_on_all: whether any write of another key may be a conflict for it.
        disturbs: whether it writes keys that are not its own.
        on_loop: whether it runs an event loop, of which a thread can run one at a time.
        asked_for: whether an exception may leave its transaction open until somebody who waits
            for it asks: where a Python function of contextlib stands between the block and the
            ``with``, an exception at its first instruction leaves nobody to tell the store.
    """

    name: str
    act: Act
    prepare: Act = lambda world, hand: None
    refusable: bool = False
    relies_on_all: bool = False
    disturbs: bool = False
    on_loop: bool = False
    asked_for: bool = False

    def __str__(self) -> str:
        return self.name


OPERATIONS: dict[str, Operation] = {}


def _add(name: str, act: Act, **properties: Any) -> None:
    assert name not in OPERATIONS
    OPERATIONS[name] = Operation(name, act, **properties)


def operation(name: str, **properties: Any) -> Callable[[Act], Act]:
    def add(act: Act) -> Act:
        _add(name, act, **properties)
        return act

    return add


write = partial(operation, refusable=True)


def in_today(*names: str) -> bool:
    """Whether the store has these methods."""
    return all(hasattr(Store, name) for name in names)


# Writing


@write("set a new key")
def _set_new(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.new, hand.slot(3))


@write("set a known key")
def _set_known(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.a, hand.slot(4))


@write("set the same")
def _set_same(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.b, world.base[hand.b])


@write("set what is refused")
def _set_refused(world: World, hand: Hand) -> None:
    with suppress(CowstateError):
        world.store.set(hand.a, [])
    with suppress(CowstateError):
        world.store.set(hand.a, world.base[hand.b])
    with suppress(CowstateError):
        world.store.set(hand.a, hand.slot(-1000))
    with suppress(CowstateError):
        world.store.delete("nowhere")


@write("update")
def _update(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.update(hand.b, lambda slot: slot.replace(quantity=6))


@write("delete")
def _delete(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.delete(hand.c)


@write("compare and set")
def _compare_and_set(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.compare_and_set(hand.b, world.base[hand.b], hand.slot(2))
    hand.commits[1] = world.store.compare_and_set(hand.c, world.base[hand.c], MISSING)
    hand.commits[2] = world.store.compare_and_set(hand.a, world.base[hand.b], hand.slot(2))


@write("transaction")
def _transaction(world: World, hand: Hand) -> None:
    with world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        del tx[hand.c]
        tx[hand.new] = tx[hand.b].replace(order_id=None)
    hand.commits[0] = tx.result


class FailingError(Exception):
    """What a block of ours raises."""


@write("transaction that fails")
def _failing_transaction(world: World, hand: Hand) -> None:
    with suppress(FailingError), world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        raise FailingError


@write("transaction that is vetoed")
def _vetoed_transaction(world: World, hand: Hand) -> None:
    with suppress(cowstate.InvariantError), world.store.transaction() as tx:
        tx[hand.a] = hand.slot(-1000)


@write("transaction inside one of another store")
def _nested_transaction(world: World, hand: Hand) -> None:
    with world.other.transaction() as there:
        there[hand.new] = 1
        with world.store.transaction() as here:
            here[hand.a] = hand.slot(2)
        hand.commits[0] = here.result
    hand.elsewhere[0] = there.result


@write("write inside a transaction of another store")
def _write_in_another(world: World, hand: Hand) -> None:
    with world.other.transaction() as there:
        there[hand.new] = 1
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
    hand.elsewhere[0] = there.result


@write("write that is refused inside a transaction")
def _reentrant(world: World, hand: Hand) -> None:
    with world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        with suppress(ReentrantWriteError):
            world.store.set(hand.b, hand.slot(2))
    hand.commits[0] = tx.result


@write("transaction by ExitStack", asked_for=True)
def _exit_stack(world: World, hand: Hand) -> None:
    with ExitStack() as stack:
        tx = stack.enter_context(world.store.transaction())
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


def _steps(store: Store[Any, Any]) -> Iterator[Any]:
    with store.transaction() as tx:
        yield tx


@write("generator that holds a transaction")
def _generator(world: World, hand: Hand) -> None:
    for tx in _steps(world.store):
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


@write("generator dropped in its transaction")
def _dropped_generator(world: World, hand: Hand) -> None:
    # Held by the loop alone: in a variable it would live on in the traceback, and rightly hold
    # its transaction.
    for tx in _steps(world.store):
        tx[hand.a] = hand.slot(2)
        break


unit_of_work = contextmanager(_steps)


@write("contextmanager that holds a transaction")
def _unit_of_work(world: World, hand: Hand) -> None:
    with unit_of_work(world.store) as tx:
        tx[hand.a] = hand.slot(2)
    hand.commits[0] = tx.result


if in_today("transact"):

    @write("transact")
    def _transact(world: World, hand: Hand) -> None:
        def work(tx: Any) -> Any:
            tx[hand.a] = hand.slot(2)
            del tx[hand.c]
            return tx

        hand.commits[0] = world.store.transact(work).result

    @write("transact that fails")
    def _failing_transact(world: World, hand: Hand) -> None:
        def work(tx: Any) -> Any:
            tx[hand.a] = hand.slot(2)
            raise FailingError

        with suppress(FailingError):
            world.store.transact(work)


if callable(getattr(cowstate, "transaction", None)):

    @write("transaction over two stores")
    def _two_stores(world: World, hand: Hand) -> None:
        with cowstate.transaction(world.store, world.other) as (here, there):
            here[hand.a] = hand.slot(2)
            there[hand.new] = 1
        hand.commits[0] = here.result
        hand.elsewhere[0] = there.result


@write("draft")
def _draft(world: World, hand: Hand) -> None:
    work = world.store.draft()
    work[hand.a] = hand.slot(2)
    del work[hand.b]
    work[hand.new] = work[hand.c].replace(quantity=4)
    hand.commits[0] = work.commit()


@write("draft that read everything", relies_on_all=True)
def _wide_draft(world: World, hand: Hand) -> None:
    work = world.store.draft()
    list(work)
    work.total("quantity")
    work.find_all("order_id", 2)
    work[hand.a] = hand.slot(2)
    hand.commits[0] = work.commit(expected_version=work.base.version)


@write("draft over the past")
def _old_draft(world: World, hand: Hand) -> None:
    work = world.store.draft(world.base)
    hand.commits[0] = world.store.set(hand.new, hand.slot(3))
    work[hand.a] = hand.slot(2)
    hand.commits[1] = work.commit()


@write("draft that conflicts")
def _conflict(world: World, hand: Hand) -> None:
    work = world.store.draft()
    work[hand.a] = hand.slot(2)
    hand.commits[0] = world.store.set(hand.a, hand.slot(3))
    with suppress(ConflictError):
        hand.commits[1] = work.commit()


@write("retry")
def _retry(world: World, hand: Hand) -> None:
    def fn(work: Any) -> None:
        work[hand.a] = hand.slot(2)
        if not hand.commits:
            hand.commits[0] = world.store.set(hand.a, hand.slot(3))

    hand.commits[1] = world.store.retry(fn, attempts=3)


@write("retry under the lock")
def _retry_once(world: World, hand: Hand) -> None:
    def fn(work: Any) -> None:
        work[hand.a] = hand.slot(2)

    hand.commits[0] = world.store.retry(fn, attempts=1)


@write("observe")
def _observe(world: World, hand: Hand) -> None:
    with world.store.observe() as window:
        hand.commits[0] = world.store.set(hand.new, hand.slot(3))
    hand.seen[0] = window.changes, window.stable
    draft = window.draft()
    draft[hand.a] = hand.slot(2)
    hand.commits[1] = draft.commit()


@write("undo")
def _undo(world: World, hand: Hand) -> None:
    done = world.store.set(hand.a, hand.slot(2))
    hand.commits[0] = done
    hand.commits[1] = world.store.undo(done)


@write("revert", disturbs=True, relies_on_all=True)
def _revert(world: World, hand: Hand) -> None:
    hand.commits[0] = world.store.set(hand.a, hand.slot(2))
    hand.commits[1] = world.store.revert(world.base)


# Looking


@operation("statistics")
def _statistics(world: World, hand: Hand) -> None:
    hand.seen[0] = world.store.statistics()


@operation("read a snapshot")
def _read(world: World, hand: Hand) -> None:
    snapshot = world.store.snapshot()
    hand.seen[0] = (
        snapshot[hand.a],
        snapshot.get("nowhere"),
        hand.b in snapshot,
        list(snapshot),
        dict(snapshot.items()),
        snapshot.find("order_id", 2),
        snapshot.find_all("order_id", 2),
        snapshot.total("quantity"),
        snapshot.diff(world.store.at(0)),
    )
    with suppress(CowstateError):
        snapshot["nowhere"]


@operation("at")
def _at(world: World, hand: Hand) -> None:
    hand.seen[0] = world.store.at(0)
    with suppress(CowstateError):
        world.store.at(10_000)


# Keeping


@operation("pin")
def _pin(world: World, hand: Hand) -> None:
    kept = hand.keep(f"by {hand.a}")
    kept.pin = world.store.pin(1, why=kept.why)


@operation("pin and unpin")
def _unpin(world: World, hand: Hand) -> None:
    kept = hand.keep(f"by {hand.a}")
    kept.pin = world.store.pin(why=kept.why)
    kept.ending = True
    world.store.unpin(kept.pin)
    kept.ended = True


@write("with pin")
def _with_pin(world: World, hand: Hand) -> None:
    kept = hand.keep(f"by {hand.a}")
    kept.ending = True  # as soon as it is there, for the block ends it whatever comes up
    with world.store.pin(why=kept.why) as kept.pin:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
    kept.ended = True


# Following by a callback


def _subscribe(world: World, hand: Hand, keyed: bool = False, **choices: Any) -> None:
    listener = hand.listen([hand.a] if keyed else None)
    listener.handle = world.store.subscribe(listener.callback, keys=listener.keys, **choices)


def _subscribe_and_close(world: World, hand: Hand, keyed: bool = False, **choices: Any) -> None:
    listener = hand.listen([hand.a] if keyed else None)
    handle = world.store.subscribe(listener.callback, keys=listener.keys, **choices)
    listener.handle = handle
    handle.close()
    hand.closed[0] = handle


def _close(world: World, hand: Hand) -> None:
    handle = hand.listeners[0].handle
    assert handle is not None
    handle.close()
    hand.closed[0] = handle


def _hear_one_commit(world: World, hand: Hand, keyed: bool = False, **choices: Any) -> None:
    listener = hand.listen([hand.a] if keyed else None)
    with world.store.subscribe(listener.callback, keys=listener.keys, **choices) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))


def _add_subscribing() -> None:
    ways: dict[str, dict[str, Any]] = {"": {}}
    if "via" in inspect.signature(Store.subscribe).parameters:
        ways[" via thread"] = {"via": "thread"}
    for way, choices in ways.items():
        for of, keyed in (("", False), (" to a key", True)):
            how: dict[str, Any] = {"keyed": keyed, **choices}
            subscribe = partial(_subscribe, **how)
            _add(f"subscribe{of}{way}", subscribe)
            _add(f"subscribe{of} and close{way}", partial(_subscribe_and_close, **how))
            _add(f"close a subscription{of}{way}", _close, prepare=subscribe)
            _add(f"with subscribe{of}{way}", partial(_hear_one_commit, **how), refusable=True)


_add_subscribing()


@write("set beside a subscriber that fails")
def _failing_subscriber(world: World, hand: Hand) -> None:
    # A failure in C, handled in C: an exception that comes in the middle of a handler in Python,
    # or in the module logging, would be theirs and not the store's.
    failed: dict[Exception, Any] = {}
    listener = hand.listen(callback=len)
    with world.store.subscribe(listener.callback, on_error=failed.setdefault) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))


# Following by a feed


@operation("feed poll")
def _poll(world: World, hand: Hand) -> None:
    hand.items[0] = world.feed.poll()


@operation("feed poll, keyed")
def _keyed_poll(world: World, hand: Hand) -> None:
    hand.keyed_items[0] = world.keyed_feed.poll()


@operation("feed get", refusable=True)
def _get(world: World, hand: Hand) -> None:
    hand.items[0] = world.feed.get(timeout=0)


@operation("feed next", refusable=True)
def _next(world: World, hand: Hand) -> None:
    for hand.items[0] in world.feed:
        break


@operation("feed get of what is not there", refusable=True)
def _get_nothing(world: World, hand: Hand) -> None:
    with suppress(WaitTimeoutError):
        world.store.feed(keys=["nowhere"]).get(timeout=0)


@operation("feed of the latest")
def _latest(world: World, hand: Hand) -> None:
    feed = world.store.feed("latest", since=0)
    hand.feeds[0] = feed
    hand.seen[0] = feed.poll()
    assert hand.seen[0] is not None
    hand.seen[1] = feed.snapshot, feed.version, feed.closed


@operation("feed closed")
def _close_feed(world: World, hand: Hand) -> None:
    feed = world.store.feed()
    hand.feeds[0] = feed
    feed.close()
    hand.closed[0] = feed
    with suppress(ClosedError):
        feed.get()


@write("with feed")
def _with_feed(world: World, hand: Hand) -> None:
    with world.store.feed(keys=[hand.a]) as feed:
        hand.feeds[0] = feed
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
        hand.seen[0] = feed.poll()
    hand.closed[0] = feed


# Waiting


@operation("wait for what is true", refusable=True)
def _wait(world: World, hand: Hand) -> None:
    hand.seen[0] = world.store.wait_for(lambda snapshot: hand.a in snapshot)


@operation("wait in vain", refusable=True)
def _wait_in_vain(world: World, hand: Hand) -> None:
    with suppress(WaitTimeoutError):
        world.store.wait_for(lambda snapshot: False, timeout=0)


@operation("wait for a key in vain", refusable=True)
def _wait_for_key(world: World, hand: Hand) -> None:
    with suppress(WaitTimeoutError):
        world.store.wait_for(lambda snapshot: False, timeout=0, keys=[hand.a])


def _asleep(world: World, hand: Hand, keyed: bool = False) -> None:
    """Another thread sleeps until *hand*'s new key is there."""
    wait = partial(
        world.store.wait_for,
        lambda snapshot: hand.new in snapshot,
        keys=[hand.new] if keyed else None,
    )
    hand.sleepers.append(Sleeper(world.store, wait))
    hand.more = lambda: world.made.append(world.store.set(hand.new, hand.slot(1)))


_add("set that wakes a thread", _set_new, prepare=_asleep, refusable=True)
_add("set that wakes one by key", _set_new, prepare=partial(_asleep, keyed=True), refusable=True)


def _asleep_on_feed(world: World, hand: Hand) -> None:
    feed = world.store.feed(keys=[hand.new])
    hand.feeds[0] = feed
    hand.sleepers.append(Sleeper(world.store, feed.get))
    hand.more = lambda: world.made.append(world.store.set(hand.new, hand.slot(1)))


@operation("close of a feed that somebody sleeps on", prepare=_asleep_on_feed)
def _close_under_sleeper(world: World, hand: Hand) -> None:
    feed = hand.feeds[0]
    feed.close()
    hand.closed[0] = feed


# On an event loop


def _new_loop(world: World, hand: Hand) -> None:
    hand.loop = asyncio.new_event_loop()
    # A task that was struck may have nobody who asks what became of it.
    hand.loop.set_exception_handler(lambda loop, context: None)


def on_loop(
    name: str, **properties: Any
) -> Callable[[Callable[[World, Hand], Awaitable[object]]], None]:
    def add(main: Callable[[World, Hand], Awaitable[object]]) -> None:
        def act(world: World, hand: Hand) -> None:
            assert hand.loop is not None
            hand.loop.run_until_complete(main(world, hand))

        _add(name, act, prepare=_new_loop, on_loop=True, refusable=True, **properties)

    return add


@on_loop("aio: wait for what is true")
async def _aio_wait(world: World, hand: Hand) -> None:
    hand.seen[0] = await aio.wait_for(world.store, lambda snapshot: hand.a in snapshot)


@on_loop("aio: wait in vain")
async def _aio_wait_in_vain(world: World, hand: Hand) -> None:
    with suppress(WaitTimeoutError):
        await aio.wait_for(world.store, lambda snapshot: False, timeout=0)


@on_loop("aio: a task is woken")
async def _aio_woken(world: World, hand: Hand) -> None:
    # For any next version, which nobody can take back, whoever else writes.
    seen = world.store.snapshot().version
    waiting = asyncio.ensure_future(
        aio.wait_for(world.store, lambda snapshot: snapshot.version > seen)
    )
    await asyncio.sleep(0)
    hand.commits[0] = world.store.set(hand.new, hand.slot(2))
    await waiting


@on_loop("aio: a task that waits is cancelled")
async def _aio_cancelled(world: World, hand: Hand) -> None:
    waiting = asyncio.ensure_future(aio.wait_for(world.store, lambda snapshot: False))
    await asyncio.sleep(0)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


@on_loop("aio: feed")
async def _aio_feed(world: World, hand: Hand) -> None:
    async with aio.feed(world.store, keys=[hand.a], since=0) as feed:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
        hand.seen[0] = await feed.get()
        hand.seen[1] = feed.poll()
        with suppress(WaitTimeoutError):
            await feed.get(timeout=0)


SEMANTIC_ERRORS = (ConflictError, RecordNotFoundError)
"""What an operation may end with because the other one wrote something that it relies on."""
