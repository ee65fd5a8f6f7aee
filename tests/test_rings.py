"""Threads that wait for each other in a ring: the one that came last gives up, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from threading import Event
from typing import Any, TypeAlias

import pytest

from cowstate import DeadlockError, LockTimeoutError, Store, writelock
from cowstate.writelock import WriteLock
from tests.standing import eventually
from tests.worlds.staging import Party, arrive, await_writers, leave, setting

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


@pytest.mark.parametrize("whose", ["inherited", "entered elsewhere"])
def test_it_is_no_ring_where_a_third_one_ends_the_transaction(whose: str) -> None:
    # Who is in a copy of a context is not inside for that; and who entered a block in one, as a
    # pool of threads has it done, may be somebody else than who leaves it.
    one, other = Store({"n": 0}), Store({"n": 0})
    block, opened, go = one.transaction(), list[Any](), Event()
    looks: list[int] = []

    def enter() -> None:
        opened.append(block.__enter__())

    def wait() -> None:
        if whose != "inherited":
            copy_context().run(enter)
        arrive(go)
        other.set("n", 7)

    if whose == "inherited":
        enter()

    def note(look: Callable[[], object]) -> None:
        look()
        looks.append(threading.get_ident())

    with looking(note):
        waiter = Party(partial(copy_context().run, wait))
        eventually(lambda: opened, "it should be opened")
        holder = Party(partial(held, other, one))
        await_writers(one, 1)
        go.set()
        await_writers(other, 1)
        parties = (waiter, holder)
        eventually(
            lambda: (
                any(party.done for party in parties)
                or all(looks.count(party.ident or 0) > 2 for party in parties)
            ),
            "both should look",
        )
        opened[0]["n"] = 5
        leave(block)
        holder.result()
        waiter.result()
    assert (one.snapshot().version, other.snapshot()["n"]) == (2, 7)


def test_what_a_helper_of_a_task_waits_for_the_task_waits_for() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})

    async def main() -> None:
        with one.transaction() as tx:
            # In a context of its own: one that it has from here is inside, as a helper's is.
            party = Party(partial(Context().run, held, other, one))
            await_writers(one, 1)
            with pytest.raises(DeadlockError):
                await asyncio.to_thread(other.transact, dict, timeout=5)
            tx["n"] = 5
        party.result()

    asyncio.run(main())
