"""What a transaction in the way is called, and who is inside of it."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from functools import partial
from itertools import count
from types import CodeType
from typing import Any

import pytest

from cowstate import (
    ClosedError,
    LockTimeoutError,
    ReentrantWriteError,
    Store,
    reservation,
    transaction,
)
from cowstate.reservation import inside, place_of, thread_named
from cowstate.writelock import WriteLock
from tests.laws.calls import call_inside
from tests.laws.points import in_package
from tests.steps import steps_of
from tests.worlds.staging import Party, leave, line, setting

NAME = re.compile(
    r"the transaction opened at (?P<at>.*?:\d+) by thread (?P<thread>.*?), (?P<ago>[-\d.e]+) s ago"
)


def name_of(store: Store[Any, Any]) -> dict[str, str]:
    told = store.statistics().open_transaction
    assert told is not None
    found = NAME.fullmatch(told)
    assert found is not None, told
    return found.groupdict()


def test_a_transaction_is_called_by_its_place_its_thread_and_its_age() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    at = line(+1)
    with store.transaction():
        name = name_of(store)
        assert (name["at"], name["thread"]) == (at, "'MainThread'")
        assert 0 <= float(name["ago"]) < 60
    at = line(+1)
    with transaction(store, other):
        assert name_of(store)["at"] == name_of(other)["at"] == at
    with ExitStack() as stack:
        at = line(+1)
        stack.enter_context(store.transaction())
        assert name_of(store)["at"] == at

    @contextmanager
    def unit() -> Iterator[None]:
        with store.transaction():
            yield

    with unit():
        assert name_of(store)["at"].startswith(__file__)
    block = other.transaction()
    at = line(+1)
    block.__enter__()
    for _ in range(3):  # however much later somebody asks
        assert name_of(other)["at"] == at
    leave(block)


def test_its_place_is_the_line_of_the_call_however_many_lines_that_takes() -> None:
    store = Store({"a": 0})
    block = store.transaction()
    at = line(+1)
    block.__enter__(
        *(),
    )
    assert name_of(store)["at"] == at
    leave(block)
    at = line(+1)
    with store.transaction(
        timeout=1,
    ):
        assert name_of(store)["at"] == at


def test_its_age_is_that_of_now() -> None:
    store = Store({"a": 0})
    now = 100.0
    with setting(sys.modules["cowstate.reservation"], monotonic=lambda: now), store.transaction():
        now = 103.25
        assert name_of(store)["ago"] == "3.25"


def test_a_thread_that_has_ended_has_a_number_and_no_name() -> None:
    store = Store({"a": 0})
    block = store.transaction()
    party = Party(block.__enter__, "the opener")
    party.result()
    assert name_of(store)["thread"] == str(party.ident)
    with pytest.raises(LockTimeoutError, match=f"thread {party.ident}"):
        store.transact(dict, timeout=0)
    leave(block)
    assert thread_named(0) == "thread 0"
    assert Party(lambda: thread_named(party.ident or 0), "x").result() in (
        f"thread {party.ident}",
        "thread 'x'",  # its number has been given out again
    )


def test_a_place_is_the_first_one_outside_of_the_package() -> None:
    frame = sys._getframe()
    assert place_of(frame, "/nowhere") == f"{__file__}:{frame.f_lineno}"
    assert place_of(None, "/nowhere") == "an unknown place"
    assert place_of(frame, "") == "an unknown place"
    assert place_of(frame, __file__) != place_of(frame, "/nowhere")


def test_a_task_is_inside_of_what_it_opened_and_so_are_its_helpers() -> None:
    async def main() -> None:
        store = Store({"a": 0})
        with store.transaction() as tx:
            for write in (partial(store.set, "a", 5), partial(store.transact, dict)):
                with pytest.raises(ReentrantWriteError):
                    write()
                with pytest.raises(ReentrantWriteError):
                    await asyncio.to_thread(write)
            tx["a"] = 1
        await asyncio.to_thread(store.set, "a", 2)
        assert store.snapshot().version == 2

    asyncio.run(main())


def test_another_task_is_told_at_once_that_it_would_stop_the_loop() -> None:
    async def main() -> None:
        store = Store({"a": 0})
        opened, go = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            with store.transaction() as tx:
                opened.set()
                await go.wait()
                tx["a"] = 1

        task = asyncio.create_task(hold(), context=copy_context())
        await opened.wait()
        with pytest.raises(ReentrantWriteError, match="await"):
            store.set("a", 5)
        go.set()
        await task
        assert store.set("a", 2).version == 2

    asyncio.run(main())


def test_who_is_given_a_context_is_not_inside_for_that() -> None:
    store = Store({"a": 0})
    with store.transaction():
        inherited = copy_context()
        error = Party(partial(inherited.run, partial(store.transact, dict, timeout=0))).error()
        assert isinstance(error, LockTimeoutError)
        with pytest.raises(ReentrantWriteError):
            inherited.run(store.set, "a", 5)


def test_a_transaction_that_was_given_up_says_so_and_one_that_is_over_too() -> None:
    store = Store({"a": 0})
    block = store.transaction()
    exit_ = [block.__exit__]
    tx = block.__enter__()
    exit_.clear()
    store.set("a", 1)
    with pytest.raises(ClosedError, match="given up"):
        tx["a"] = 2
    with store.transaction() as tx:
        tx["a"] = 3
    store.set("a", 4)
    with pytest.raises(ClosedError, match="is over"):
        tx["a"] = 5
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        raise ZeroDivisionError
    store.set("a", 6)
    with pytest.raises(ClosedError, match="is over"):
        tx["a"] = 7
    assert store.snapshot() == {"a": 6}


@pytest.mark.parametrize("stays", [False, True])
def test_a_call_inside_the_opening_of_a_block_may_open_another(stays: bool) -> None:
    def where(code: CodeType) -> bool:
        # In there nothing comes up between the look and the change: rule 2 of `cowstate.locks`.
        return in_package(code) and not (stays and code.co_name == "_replace")

    points = 0
    while True:
        store, other = Store({"a": 0}), Store({"a": 0})
        block, inner = store.transaction(), other.transaction()

        def open_it(inner: Any = inner) -> None:
            inner.__enter__()
            if not stays:
                leave(inner)

        points += 1
        found = call_inside(block.__enter__, points, open_it, where)
        # Who does not know that this stands inside of the block waits for it, that is, for itself.
        for each in (store, other) if stays and isinstance(found, str) else (store,):
            with pytest.raises(ReentrantWriteError):
                each.transact(dict, timeout=0)
        leave(block)
        if isinstance(found, int):
            break
        if stays:
            leave(inner)
    assert points > 100


def test_a_block_that_could_not_be_opened_is_not_noted_any_more() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    holder = store.transaction()
    Party(holder.__enter__).result()
    refused = store.transaction(timeout=0)
    with pytest.raises(LockTimeoutError):
        refused.__enter__()
    with other.transaction():
        assert len(inside.get()) == 1
    leave(holder)


def test_a_block_that_was_torn_is_not_noted_any_more_though_somebody_holds_it() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    block = store.transaction()
    exit_ = [block.__exit__]
    block.__enter__()
    exit_.clear()
    with other.transaction():
        assert len(inside.get()) == 1


@pytest.mark.parametrize("ends", ["raised", "dropped"])
def test_after_a_transaction_that_came_to_nothing_a_write_costs_what_it_did(ends: str) -> None:
    store: Store[str, int] = Store({"a": 0})
    numbers = count(1)

    def write() -> None:
        store.set("a", next(numbers))

    write()
    before = steps_of(write)
    block = store.transaction()
    block.__enter__()
    if ends == "raised":
        leave(block, ZeroDivisionError())
    del block
    gc.collect()
    write()  # who comes first clears up
    assert steps_of(write) == before


@pytest.mark.parametrize("imported", [True, False])
def test_in_another_context_of_its_thread_a_write_waits_where_no_loop_runs(
    imported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not imported:
        monkeypatch.delitem(sys.modules, "asyncio")
    store: Store[str, int] = Store({"a": 0})
    block = store.transaction()
    copy_context().run(block.__enter__)
    with pytest.raises(LockTimeoutError):
        store.transact(dict, timeout=0)
    leave(block)
    assert store.set("a", 1).version == 1


def test_a_block_that_was_struck_as_it_let_go_is_over() -> None:
    def struck(*_: object) -> None:
        raise KeyboardInterrupt

    store: Store[str, int] = Store({"a": 0})
    block = store.transaction()
    tx = block.__enter__()
    with setting(WriteLock, cancel=struck), pytest.raises(KeyboardInterrupt):
        leave(block, ZeroDivisionError())
    store.set("a", 1)
    with pytest.raises(ClosedError, match="is over"):
        tx["a"] = 2


class Full:
    """A context variable for which there is no memory."""

    def get(self) -> Any:
        return inside.get()

    def set(self, _: object) -> None:
        raise MemoryError


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("collects", [False, True])
def test_whether_there_are_collections_is_as_before_however_a_block_is_opened(
    collects: bool, fails: bool
) -> None:
    store: Store[str, int] = Store({"a": 0})
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        if fails:
            with setting(reservation, inside=Full()), pytest.raises(MemoryError):
                store.transaction().__enter__()
        else:
            with store.transaction() as tx:
                tx["a"] = 1
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
    assert store.set("a", 2).version == (1 if fails else 2)
