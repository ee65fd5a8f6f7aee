"""What is refused inside a write, what is put off until its end, and who is inside of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TypeAlias

import pytest

from cowstate import ReentrantWriteError, Store, transaction
from tests.worlds.staging import Party, arrive, leave, line

Numbers: TypeAlias = Store[str, int]


def test_a_write_inside_another_one_to_the_same_store_is_refused_in_every_form() -> None:
    store, other = Store({"n": 0}), Store({"n": 0})
    forms: list[Callable[[], object]] = [
        lambda: store.set("n", 5),
        lambda: store.transact(dict),
        lambda: store.transact(dict, timeout=0),
        lambda: store.transaction().__enter__(),
        lambda: store.transaction(timeout=5).__enter__(),
        lambda: store.draft().commit(),
    ]

    def nest(n: int) -> int:
        for form in forms:
            with pytest.raises(ReentrantWriteError):
                form()
        other.set("n", 7)
        return n + 1

    assert store.update("n", nest).after["n"] == 1
    with store.transaction() as tx:
        tx["n"] = nest(tx["n"])
    assert (store.snapshot()["n"], store.snapshot().version) == (2, 2)
    assert Party(partial(store.set, "n", 3)).result().version == 3


def test_a_write_inside_another_one_is_told_in_which_line_that_was_called() -> None:
    store, told = Store({"n": 0}), list[str | None]()

    def nest(n: int) -> int:
        with pytest.raises(ReentrantWriteError) as caught:
            store.set("n", 5)
        told.append(caught.value.opened)
        return n + 1

    first = line(1)
    store.update("n", nest)
    second = line(1)
    store.transact(lambda tx: tx.update(n=nest(tx["n"])))
    assert told == [f"in a write called at {place}" for place in (first, second)]


def test_a_write_inside_the_commit_of_several_stores_is_told_where_that_began() -> None:
    errors: list[str] = []

    def write(_: object, __: object) -> None:
        if stores:
            with pytest.raises(ReentrantWriteError) as caught:
                stores[0].set("n", 5)
            errors.append(str(caught.value))

    stores: list[Numbers] = []
    stores += [Store({"n": 0}, invariants={"writes": write}), Store({"n": 0})]
    with transaction(*stores) as (tx, ty):
        tx["n"] = ty["n"] = 1
    assert len(errors) == 1
    assert __file__ in errors[0]


def test_what_a_task_has_open_at_an_await_is_in_the_way_of_callbacks_in_its_loop() -> None:
    async def main() -> None:
        one, other = Store({"n": 0}), Store({"n": 0})
        seen: list[int] = []
        other.subscribe(lambda commit: seen.append(commit.version))
        opened, go = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            with one.transaction() as tx:
                tx["n"] = 1
                opened.set()
                await go.wait()

        task = asyncio.create_task(hold())
        await opened.wait()
        other.set("n", 1)
        assert seen == []
        with pytest.raises(ReentrantWriteError):
            other.flush(0)
        go.set()
        await task
        assert seen == [1]
        other.set("n", 2)
        assert seen == [1, 2]
        assert other.flush(0)

    asyncio.run(main())


def test_what_another_thread_has_open_is_in_nobody_s_way() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    seen: list[int] = []
    other.subscribe(lambda commit: seen.append(commit.version))
    block = one.transaction()
    Party(block.__enter__).result()
    other.set("n", 1)
    assert seen == [1]
    assert other.flush(0)
    leave(block)


def test_what_a_task_of_another_loop_has_open_is_in_nobody_s_way() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    seen: list[int] = []
    other.subscribe(lambda commit: seen.append(commit.version))
    opened, go = Event(), Event()

    async def hold() -> None:
        with one.transaction() as tx:
            tx["n"] = 1
            opened.set()
            await asyncio.to_thread(arrive, go)

    party = Party(lambda: asyncio.run(hold()))
    arrive(opened)
    try:
        other.set("n", 1)
        assert seen == [1]
        assert other.flush(0)
    finally:
        go.set()
    party.result()


def test_who_gave_its_transaction_up_is_inside_no_write_any_more() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    seen: list[int] = []
    other.subscribe(lambda commit: seen.append(commit.version))
    exit_of_one, block = [], one.transaction()
    exit_of_one.append(block.__exit__)
    block.__enter__()
    other.set("n", 1)
    assert seen == []
    exit_of_one.clear()
    other.set("n", 2)
    assert seen == [1, 2]
    assert one.set("n", 5).version == 1


def test_what_comes_due_inside_a_function_of_a_write_is_delivered_after_it() -> None:
    one, other = Store({"n": 0}), Store({"n": 0})
    seen: list[int] = []
    other.subscribe(lambda commit: seen.append(commit.version))

    def write(n: int) -> int:
        other.set("n", other.snapshot()["n"] + 1)
        assert seen == list(range(1, n + 1))
        with pytest.raises(ReentrantWriteError):
            other.flush(0)
        return n + 1

    one.update("n", write)
    assert seen == [1]
    one.transact(lambda tx: tx.update(n=write(tx["n"])))
    assert seen == [1, 2]
    assert other.flush(0)
