"""A transaction belongs to its block: whoever leaves it, drops it or tears it, and wherever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from functools import partial
from types import CodeType
from typing import Any

import pytest

from cowstate import ClosedError, Commit, LockTimeoutError, Store, blocks, scope, workspace
from tests.laws.interrupts import Struck
from tests.standing import Bystander, check_store, check_writable, in_another_thread
from tests.worlds import bugs
from tests.worlds.staging import Party, Scene, await_writers, catches, leave, tear

# Left in another thread


@catches(bugs.a_reservation_belongs_to_its_thread, "nothing was published|is not done", hangs=True)
def test_a_transaction_may_be_left_in_another_thread_than_it_was_entered_in() -> None:
    store = Store({"a": 1, "b": 1})
    block = store.transaction()
    tx = block.__enter__()
    tx["a"] = 2
    waiter = Party(partial(store.set, "b", 2))
    await_writers(store, 1)
    assert store.snapshot()["a"] == 1
    in_another_thread(partial(leave, block))
    assert waiter.result().version == 2
    assert store.at(1)["a"] == 2, "nothing was published"
    assert tx.result.version == 1
    assert store.set("a", 3).version == 3
    check_store(store)


@catches(bugs.a_reservation_belongs_to_its_thread, "is not done", hangs=True)
def test_a_transaction_that_fails_in_another_thread_publishes_nothing_and_lets_others_go_on() -> (
    None
):
    store = Store({"a": 1, "b": 1})
    block = store.transaction()
    block.__enter__()["a"] = 2
    waiter = Party(partial(store.set, "b", 2))
    await_writers(store, 1)
    in_another_thread(partial(leave, block, ValueError("it failed")))
    assert waiter.result().version == 1
    assert store.snapshot()["a"] == 1
    check_store(store)


@catches(bugs.a_transaction_commits_as_often_as_it_is_left, "DID NOT RAISE")
def test_a_transaction_is_left_once_and_in_vain_ever_after() -> None:
    store = Store({"a": 1})
    block = store.transaction()
    block.__enter__()["a"] = 2
    leave(block)
    store.set("a", 3)
    with pytest.raises(ClosedError, match="given up"):
        leave(block)
    in_another_thread(partial(leave, block, ValueError("too late")))
    assert store.snapshot()["a"] == 3
    assert store.snapshot().version == 2
    with pytest.raises(ClosedError, match="entered once"):
        block.__enter__()
    check_store(store)


@catches(bugs.a_reservation_belongs_to_its_thread, "is not done", hangs=True)
def test_any_thread_of_a_pool_may_do_any_step_of_a_transaction() -> None:
    store = Store({"n": 0})
    steps = [Bystander() for _ in range(3)]
    try:
        for n in range(6):
            block = store.transaction()
            tx = steps[n % 3].do(block.__enter__)
            steps[(n + 1) % 3].do(partial(tx.__setitem__, "n", n + 1))
            waiter = Party(partial(store.update, "n", lambda n: n + 100))
            await_writers(store, 1)
            steps[(n + 2) % 3].do(partial(leave, block))
            assert waiter.result().after["n"] == n + 101
    finally:
        for step in steps:
            step.end()
    check_store(store)


# Dropped


@catches(bugs.a_reservation_belongs_to_its_thread, "is not done", hangs=True)
def test_a_generator_dropped_in_another_thread_gives_its_transaction_up() -> None:
    store = Store({"a": 1, "b": 1})

    def unit() -> Generator[None, None, None]:
        with store.transaction() as tx:
            tx["a"] = 9
            yield

    held = [unit()]
    next(held[0])
    waiter = Party(partial(store.set, "b", 2))
    await_writers(store, 1)
    in_another_thread(held.clear)
    assert waiter.result().version == 1
    assert store.snapshot()["a"] == 1
    check_store(store)


class _Forever:
    def __await__(self) -> Generator[None, None, None]:
        while True:
            yield


@catches(bugs.a_reservation_belongs_to_its_thread, "is not done", hangs=True)
def test_a_coroutine_dropped_in_another_thread_gives_its_transaction_up() -> None:
    store = Store({"a": 1, "b": 1})

    async def unit() -> None:
        with store.transaction() as tx:
            tx["a"] = 9
            await _Forever()

    held = [unit()]
    held[0].send(None)
    waiter = Party(partial(store.set, "b", 2))
    await_writers(store, 1)
    in_another_thread(held.clear)
    assert waiter.result().version == 1
    assert store.snapshot()["a"] == 1
    check_store(store)


@catches(bugs.a_reservation_outlives_its_block, "is not done", hangs=True)
def test_a_block_entered_by_hand_and_dropped_is_given_up() -> None:
    store = Store({"a": 1})
    held = [store.transaction()]
    tx = held[0].__enter__()
    tx["a"] = 9
    waiter = Party(partial(store.set, "b", 2))
    await_writers(store, 1)
    held.clear()
    assert waiter.result().version == 1
    with pytest.raises(ClosedError, match="given up"):
        tx["a"] = 10
    check_store(store)


# Torn


def _plain(store: Store[str, int], held: list[Any]) -> None:
    with store.transaction() as tx:
        tx["a"] = 2


def _stack(store: Store[str, int], held: list[Any]) -> None:
    held.append(ExitStack())
    with held[0] as stack:
        tx = stack.enter_context(store.transaction())
        tx["a"] = 2


def _stacked_twice(store: Store[str, int], held: list[Any]) -> None:
    # The inner one is held by the outer one alone: where somebody else holds it, too, it is lost
    # without a trace if the exception comes as contextlib takes it off the outer one.
    held.append(ExitStack())
    with held[0] as outer:
        outer.enter_context(ExitStack()).enter_context(store.transaction())["a"] = 2


def _generator(store: Store[str, int], held: list[Any]) -> None:
    @contextmanager
    def unit() -> Generator[Any, None, None]:
        with store.transaction() as tx:
            yield tx

    held.append(unit())
    with held[0] as tx:
        tx["a"] = 2


def _drive(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run *coroutine*, which waits for nothing, to its end."""
    try:
        coroutine.send(None)
    except StopIteration:
        pass
    finally:
        coroutine.close()


def _async_stack(store: Store[str, int], held: list[Any]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            tx = stack.enter_context(store.transaction())
            # Where it has a name, it is lost without a trace if the exception comes between the
            # making of its `__aexit__` and the first step of that.
            del stack
            tx["a"] = 2

    _drive(main())


def _async_generator(store: Store[str, int], held: list[Any]) -> None:
    @asynccontextmanager
    async def unit() -> Any:
        with store.transaction() as tx:
            yield tx

    async def main() -> None:
        async with unit() as tx:
            tx["a"] = 2

    _drive(main())


def _of_blocks(code: CodeType) -> bool:
    """What stands between the user's ``with`` and the reservation; `tests.laws` tries all."""
    files = {module.__file__ for module in (contextlib, scope, blocks, workspace)}
    return code.co_filename in files


def _tear(shape: Callable[[Store[str, int], list[Any]], None], points: int) -> None:
    """Tear a block of that *shape* at each point, of which there must be more than *points*.

    Others must be able to write before the first ``except`` begins. What stands around the block
    lives on in a list, so nothing dies with the frame.
    """
    writer = Bystander()

    def set_up() -> Scene:
        store, held = Store({"a": 1}), list[Any]()

        def act() -> None:
            try:
                shape(store, held)
            except Struck:
                writer.do(partial(store.set, "b", 1))
                raise

        def check() -> None:
            # By the one who holds a reservation that was torn after the last `except`.
            held.clear()
            now = store.snapshot()
            assert (now["a"], now.version) in {(1, 0), (2, 1), (1, 1), (2, 2)}, dict(now)
            check_writable(store)

        return act, check

    try:
        assert tear(set_up, _of_blocks) > points
    finally:
        writer.end()


@catches(bugs.the_exit_is_ordinary_and_nobody_looks, "a lock was left behind", hangs=True)
def test_a_block_torn_anywhere_is_over_before_the_except_around_it_begins() -> None:
    _tear(_plain, points=80)


@catches(bugs.nobody_looks_for_torn_blocks, "a lock was left behind", hangs=True)
def test_a_block_in_an_exit_stack_torn_anywhere_is_over_for_who_waits() -> None:
    _tear(_stack, points=80)
    _tear(_stacked_twice, points=80)


@catches(bugs.nobody_looks_for_torn_blocks, "a lock was left behind", hangs=True)
def test_a_block_in_a_generator_for_a_with_torn_anywhere_is_over_for_who_waits() -> None:
    _tear(_generator, points=80)


@catches(bugs.nobody_looks_for_torn_blocks, "a lock was left behind", hangs=True)
def test_a_block_in_an_asynchronous_exit_stack_torn_anywhere_is_over_for_who_waits() -> None:
    _tear(_async_stack, points=80)
    _tear(_async_generator, points=80)


@catches(bugs.the_exit_is_an_ordinary_method, "is kept by a future", hangs=True)
def test_an_exception_that_is_kept_keeps_no_transaction_open() -> None:
    # In a list, as a test runner keeps them, and in a future, as an executor does.
    def set_up() -> Scene:
        store, kept, future = Store({"a": 1}), list[BaseException](), Future[None]()

        def act() -> None:
            try:
                _plain(store, kept)
            except Struck as error:
                kept.append(error)
                future.set_exception(error)
                raise

        def check() -> None:
            try:
                in_another_thread(partial(store.set, "b", 1))
            except AssertionError as error:
                raise AssertionError("what is kept by a future holds the store") from error
            kept.clear()
            held = [future]
            in_another_thread(held.clear)
            check_writable(store)

        return act, check

    assert tear(set_up, _of_blocks) > 80


# Who is inside


@catches(bugs.inside_is_who_has_the_thread, "writers should wait|already writing", hangs=True)
def test_two_requests_that_share_a_thread_wait_for_each_other() -> None:
    store = Store({"a": 1})
    worker = Bystander()
    one, other = copy_context(), copy_context()
    block = store.transaction()
    tx = worker.do(partial(one.run, block.__enter__))
    # The same thread, the context of another request.
    second = Party(
        partial(worker.do, partial(other.run, store.update, "a", lambda n: n + 1)), "second"
    )
    await_writers(store, 1)
    tx["a"] = 10
    leave(block)
    assert second.result().after["a"] == 11
    worker.end()
    check_store(store)


# It is refused at once, and may be seen to wait just before.
@catches(bugs.inside_is_who_has_the_context, "writers should wait|already writing", hangs=True)
def test_a_thread_that_inherited_the_context_of_a_transaction_waits_for_it() -> None:
    # As every thread does on a free-threaded build, where contexts are inherited.
    store = Store({"a": 1})
    with store.transaction() as tx:
        tx["a"] = 10
        inherited = copy_context()
        other = Party(partial(inherited.run, store.update, "a", lambda n: n + 1))
        await_writers(store, 1)
    assert other.result().after["a"] == 11
    check_store(store)


@catches(bugs.inside_is_who_has_the_thread, "already writing|still open")
def test_a_thread_is_not_inside_what_another_one_of_its_number_left_open() -> None:
    # As in a pool whose threads come and go: an operating system gives the number out again.
    store, other, calls = Store({"n": 0}), Store({"n": 0}), list[Commit[str, int]]()
    other.subscribe(calls.append)
    block = store.transaction()
    first = Party(block.__enter__)
    first.result()["n"] = 1

    def write() -> None:
        other.update("n", lambda n: n + 1)
        assert len(calls) == other.snapshot().version, "what it owes was put off"
        assert other.flush(0)
        with pytest.raises(LockTimeoutError):
            store.transact(dict, timeout=0)

    def write_in_a_loop() -> None:
        async def main() -> None:
            write()

        asyncio.run(main())

    namesakes = 0
    for _ in range(20):
        for act in (write, write_in_a_loop):
            party = Party(act)
            namesakes += party.ident == first.ident
            party.result()
    leave(block)
    assert store.snapshot()["n"] == 1
    check_store(store)
    if not namesakes:
        pytest.skip("no number was given out again")
