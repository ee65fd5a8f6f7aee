"""Threads that wait for each other in a ring: the one that came last gives up, and nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import pytest

from cowstate import DeadlockError, LockTimeoutError, Store, writelock
from cowstate.writelock import WriteLock
from tests.standing import eventually
from tests.worlds.staging import Party, await_writers, setting

Numbers: TypeAlias = Store[str, int]


@pytest.fixture(autouse=True)
def _in_haste() -> Iterator[None]:
    """Whoever waits looks often; and nobody waits from before, by the number of a thread."""
    with setting(writelock, PATIENCE=0.001, _waits={}):
        yield


@contextmanager
def looking(as_: Callable[[Callable[[], object]], object]) -> Iterator[None]:
    """Have *as_* called with each look for a ring, in its place."""
    look: Any = WriteLock._look_for_a_ring
    with setting(WriteLock, _look_for_a_ring=lambda *at: as_(partial(look, *at))):
        yield


def held(mine: Numbers, wanted: Numbers) -> None:
    """Write to one store in the middle of a transaction of another one."""
    with mine.transaction() as tx:
        tx["n"] = wanted.set("n", threading.get_ident()).version


def test_each_is_named_who_is_waited_for() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    with one.transaction():
        party = Party(partial(held, other, one))
        await_writers(one, 1)
        with pytest.raises(DeadlockError) as caught:
            other.set("n", 5)
    party.result()
    said = str(caught.value)
    first, second = said.split(", which waits for ")
    assert "it waits for the transaction opened at" in first
    assert "thread 'party'" in first
    assert second.startswith("the transaction opened at")
    assert f"thread {threading.current_thread().name!r}" in second


def test_who_waited_before_goes_on_waiting() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    me, looks = threading.get_ident(), list[int]()

    def let_others_look(look: Callable[[], object]) -> None:
        if threading.get_ident() == me:
            before = len(looks)
            eventually(lambda: len(looks) > before + 2 or party.done, "the other one should look")
        look()
        looks.append(0)

    with one.transaction():
        party = Party(partial(held, other, one))
        await_writers(one, 1)
        with looking(let_others_look), pytest.raises(DeadlockError):
            other.set("n", 5)
    party.result()
    assert one.snapshot().version == other.snapshot().version == 1


def test_who_waits_for_a_ring_that_it_is_not_in_waits_as_long_as_it_may() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    me = threading.get_ident()
    start = threading.Barrier(2)

    def hold(mine: Numbers, wanted: Numbers) -> None:
        with mine.transaction():
            start.wait()
            wanted.set("n", 1)

    # The two in it have not noticed yet.
    with looking(lambda look: threading.get_ident() == me and look()):
        ring = [Party(partial(hold, one, other)), Party(partial(hold, other, one))]
        for store in (one, other):
            await_writers(store, 1)
        with pytest.raises(LockTimeoutError):
            one.transact(dict, timeout=0)
    outcomes = [party.outcome()[1] for party in ring]
    assert sorted(type(error) for error in outcomes if error) == [DeadlockError]
