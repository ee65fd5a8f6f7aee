"""Pins: what they keep within reach, for how long, and when they are lost."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest

from cowstate import (
    ClosedError,
    CompactedError,
    History,
    Store,
)


def test_a_pin_keeps_its_version_and_no_other() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    with store.pin(why="report") as pin, store.pin(0) as twin:
        for n in range(1, 10):
            store.set("a", n)
        assert pin.version == twin.version == 0
        assert store.at(0) is pin.snapshot
        assert store.statistics().pinned == ((0, "report"), (0, ""))
        assert repr(pin) == "<Pin of version 0, report>"
        assert repr(twin) == "<Pin of version 0>"
        with pytest.raises(CompactedError) as caught:
            store.at(1)
        assert caught.value.oldest == 7
        twin.close()
        twin.close()
        assert store.at(0)["a"] == 0
        with pytest.raises(ClosedError):
            store.unpin(twin)
    with pytest.raises(CompactedError):
        store.at(0)
    with pytest.raises(CompactedError):
        store.pin(0)


def test_a_pin_may_outlive_the_ring_by_the_snapshot_itself() -> None:
    store = Store({"a": 0}, history=History(versions=1))
    start = store.snapshot()
    for n in range(1, 5):
        store.set("a", n)
    pin = store.pin(start)
    assert store.at(0) is start
    store.unpin(pin)
    with pytest.raises(CompactedError):
        store.at(0)


def test_a_pin_that_is_let_go_lets_go_of_its_version_at_once() -> None:
    store = Store({"a": 0}, history=History(versions=1))
    for let_go in (store.unpin, lambda pin: pin.close()):
        pin = store.pin()
        version = weakref.ref(pin.snapshot)
        for n in range(3):
            store.set("a", n)
        gc.collect()
        assert version() is not None
        let_go(pin)
        assert pin.closed
        del pin
        gc.collect()
        assert version() is None


def test_a_pin_outlives_its_store_and_may_be_closed_after_it() -> None:
    store = Store({"a": 0})
    pin = store.pin()
    del store
    gc.collect()
    pin.close()
    assert (pin.closed, pin.version, pin.snapshot["a"]) == (True, 0, 0)


def test_a_pin_whose_with_was_lost_cannot_be_let_go_again() -> None:
    store = Store({"a": 0})
    pin = store.pin()
    leave = pin.__exit__
    pin.__enter__()
    del leave
    with pytest.raises(ClosedError, match="closed before"):
        store.unpin(pin)


def missing(store: Store[str, int], version: int) -> None:
    with pytest.raises(CompactedError):
        store.at(version)


def test_a_pin_whose_with_was_lost_is_let_go_by_whoever_looks_at_the_pins() -> None:
    looks: list[Callable[[Store[str, int]], object]] = [
        Store.statistics,
        Store.pin,
        lambda store: store.at(2) and missing(store, 1),
    ]
    for look in looks:
        store = Store({"a": 0}, history=History(versions=1))
        version = weakref.ref(store.snapshot())
        pin = store.pin()
        leave = pin.__exit__
        pin.__enter__()
        for n in range(1, 4):
            store.set("a", n)
        assert store.at(0) is version()
        del leave, pin
        look(store)
        gc.collect()
        assert version() is None
