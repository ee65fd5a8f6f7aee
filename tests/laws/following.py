"""The operations that look, keep, follow and wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from cowstate import ClosedError, Codec, CodecError, CowstateError, WaitTimeoutError, aio
from tests.laws.hands import Hand, Listener, Sleeper, Slot
from tests.laws.table import add, operation, write
from tests.laws.worlds import AGGREGATES, World
from tests.laws.writing import set_new

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
        snapshot.total(AGGREGATES["quantity"]),
        snapshot.total("least", 2),
        dict(snapshot.total("least")),
        snapshot.range("quantity", 1, 5),
        snapshot.last("quantity"),
        snapshot.floor("quantity", 6),
        snapshot.diff(world.store.at(0)),
    )
    with suppress(CowstateError):
        snapshot["nowhere"]


CODEC: Codec[Any, Any] = Codec(key=str, record=Slot, meta=Any)


@operation("encode and decode")
def _encode(world: World, hand: Hand) -> None:
    snapshot = world.store.snapshot()
    again = CODEC.decode_snapshot(CODEC.encode(snapshot))
    changes = CODEC.decode_changes(CODEC.encode(snapshot.diff(world.store.at(0))))
    hand.seen[0] = again, changes.apply(dict(world.store.at(0)))
    assert again == snapshot == hand.seen[0][1]
    with suppress(CodecError):
        CODEC.decode_snapshot(b'{"version": 0')


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


def _listen(hand: Hand, keyed: bool, choices: dict[str, Any]) -> Listener:
    return hand.listen([hand.a] if keyed else None, initial="initial" in choices)


def _subscribe(world: World, hand: Hand, keyed: bool = False, **choices: Any) -> None:
    listener = _listen(hand, keyed, choices)
    listener.handle = world.store.subscribe(listener.callback, keys=listener.keys, **choices)


def _subscribe_and_close(world: World, hand: Hand, keyed: bool = False, **choices: Any) -> None:
    listener = _listen(hand, keyed, choices)
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
    listener = _listen(hand, keyed, choices)
    with world.store.subscribe(listener.callback, keys=listener.keys, **choices) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))


def _add_subscribing() -> None:
    ways: dict[str, dict[str, Any]] = {
        "": {},
        " via thread": {"via": "thread"},
        " from what is there": {"initial": True},
        " from what is there, via thread": {"initial": True, "via": "thread"},
    }
    for way, choices in ways.items():
        for of, keyed in (("", False), (" to a key", True)):
            how: dict[str, Any] = {"keyed": keyed, **choices}
            subscribe = partial(_subscribe, **how)
            add(f"subscribe{of}{way}", subscribe)
            add(f"subscribe{of} and close{way}", partial(_subscribe_and_close, **how))
            add(f"close a subscription{of}{way}", _close, prepare=subscribe)
            add(f"with subscribe{of}{way}", partial(_hear_one_commit, **how), refusable=True)


_add_subscribing()


@write("block with subscribe from what is there")
def _subscribe_inside_block(world: World, hand: Hand) -> None:
    listener = hand.listen(initial=True)
    with world.store.transaction() as tx:
        tx[hand.a] = hand.slot(2)
        listener.handle = world.store.subscribe(listener.callback, initial=True)
    hand.commits[0] = tx.result


@write("set beside a subscriber that fails")
def _failing_subscriber(world: World, hand: Hand) -> None:
    # A failure in C, handled in C: an exception that comes in the middle of a handler in Python,
    # or in the module logging, would be theirs and not the store's.
    failed: dict[Exception, Any] = {}
    listener = hand.listen(callback=len)
    with world.store.subscribe(listener.callback, on_error=failed.setdefault) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))


@operation("flush", refusable=True)
def _flush(world: World, hand: Hand) -> None:
    hand.seen[0] = world.store.flush(timeout=0)


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


@operation("feed from what is there")
def _from_what_is_there(world: World, hand: Hand) -> None:
    feed = world.store.feed(initial=True)
    hand.feeds[0] = feed
    hand.seen[0] = feed.snapshot, feed.version
    hand.seen[1] = feed.poll()
    assert hand.seen[1].before.version == -1
    hand.seen[2] = hand.seen[1].changes
    assert dict(hand.seen[1].after) == {key: new for key, (_, new) in hand.seen[2].items()}


@operation("feed from what is there, keyed", refusable=True)
def _keyed_from_what_is_there(world: World, hand: Hand) -> None:
    feed = world.store.feed("latest", keys=[hand.a, "nowhere"], initial=True)
    hand.feeds[0] = feed
    hand.seen[0] = feed.get(timeout=0).changes
    assert hand.seen[0].keys() <= {hand.a}


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


add("set that wakes a thread", set_new, prepare=_asleep, refusable=True)
add("set that wakes one by key", set_new, prepare=partial(_asleep, keyed=True), refusable=True)


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
    def enter(main: Callable[[World, Hand], Awaitable[object]]) -> None:
        def act(world: World, hand: Hand) -> None:
            assert hand.loop is not None
            hand.loop.run_until_complete(main(world, hand))

        add(name, act, prepare=_new_loop, on_loop=True, refusable=True, **properties)

    return enter


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
    with suppress(asyncio.CancelledError):
        await waiting


@on_loop("aio: subscribe")
async def _aio_subscribe(world: World, hand: Hand) -> None:
    listener = hand.listen()
    with world.store.subscribe(
        listener.callback, via=asyncio.get_running_loop()
    ) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
        await asyncio.sleep(0)


@on_loop("aio: subscribe from what is there")
async def _aio_subscribe_from_what_is_there(world: World, hand: Hand) -> None:
    listener = hand.listen(initial=True)
    loop = asyncio.get_running_loop()
    with world.store.subscribe(listener.callback, initial=True, via=loop) as listener.handle:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
        await asyncio.sleep(0)


@on_loop("aio: feed from what is there")
async def _aio_feed_from_what_is_there(world: World, hand: Hand) -> None:
    async with aio.feed(world.store, keys=[hand.a], initial=True) as feed:
        hand.seen[0] = await feed.get()
        assert hand.seen[0].before.version == -1
        hand.seen[1] = feed.poll()


@on_loop("aio: feed")
async def _aio_feed(world: World, hand: Hand) -> None:
    async with aio.feed(world.store, keys=[hand.a], since=0) as feed:
        hand.commits[0] = world.store.set(hand.a, hand.slot(2))
        hand.seen[0] = await feed.get()
        hand.seen[1] = feed.poll()
        with suppress(WaitTimeoutError):
            await feed.get(timeout=0)
