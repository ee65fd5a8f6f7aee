"""Who handles an exception beside a transaction has not lost it, whatever its traceback shows.

What an exception did tear is in worlds/test_lock.py, at every instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeAlias

import pytest

from cowstate import LockTimeoutError, Store
from cowstate.committer import Committer
from tests.worlds.staging import Party, setting

Numbers: TypeAlias = Store[str, int]


class FailsError(Exception):
    """What the tests raise."""


def fail(*_: object) -> Any:
    raise FailsError


def others_wait(store: Numbers) -> None:
    """Somebody else waits long enough to look whether the transaction was torn, and it was not."""
    error = Party(partial(store.transact, dict, timeout=0.001)).error()
    assert isinstance(error, LockTimeoutError), error
    assert store.statistics().open_transaction is not None


class FailsToEnter:
    def __enter__(self) -> None:
        raise FailsError

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def fails_to_begin() -> Iterator[None]:
    fail()
    yield


class HasNoExit:
    def __enter__(self) -> None: ...


@pytest.mark.parametrize("wrong", [FailsToEnter, fails_to_begin, HasNoExit])
def test_a_stack_that_could_not_enter_one_more_still_holds_the_transaction(wrong: Any) -> None:
    store: Numbers = Store({"a": 0})
    with ExitStack() as stack:
        tx = stack.enter_context(store.transaction())
        try:
            stack.enter_context(wrong())
        except (FailsError, TypeError):
            others_wait(store)
        tx["a"] = 1
    assert store.snapshot()["a"] == 1


def test_a_stack_that_could_not_hand_over_what_it_holds_still_holds_the_transaction() -> None:
    class Only(ExitStack):
        def __init__(self) -> None:
            if made:
                raise FailsError
            made.append(self)
            super().__init__()

    made: list[ExitStack] = []
    store: Numbers = Store({"a": 0})
    with Only() as stack:
        tx = stack.enter_context(store.transaction())
        try:
            stack.pop_all()
        except FailsError:
            others_wait(store)
        tx["a"] = 1
    assert store.snapshot()["a"] == 1


def test_what_a_stack_calls_before_the_end_of_the_transaction_is_inside_of_it() -> None:
    for raises in (False, True):
        store: Numbers = Store({"a": 0})
        with ExitStack() as stack:
            tx = stack.enter_context(store.transaction())
            stack.push(lambda *_: True)  # nothing of it comes through
            stack.callback(others_wait, store)
            stack.callback(tx.__setitem__, "a", 1)
            stack.push(fail)
            if raises:
                fail()
        assert store.snapshot()["a"] == 1
        assert Party(partial(store.set, "a", 2)).result().version == 2


def test_a_generator_that_handles_what_its_block_raised_goes_on_in_its_transaction() -> None:
    store: Numbers = Store({"a": 0})

    @contextmanager
    def unit() -> Iterator[Any]:
        with store.transaction() as tx:
            try:
                yield tx
            except FailsError:
                others_wait(store)
                tx["a"] = 1

    with unit():
        fail()
    assert store.snapshot()["a"] == 1


def _inside(store: Numbers) -> None:
    with store.transaction() as tx:
        try:
            fail()
        except FailsError:
            others_wait(store)
            tx["a"] = 1


def _around(store: Numbers) -> None:
    try:
        fail()
    except FailsError:
        with store.transaction() as tx:
            others_wait(store)
            tx["a"] = 1


def _of_another_store(store: Numbers) -> None:
    other: Numbers = Store({"a": 0})
    with store.transaction() as tx:
        try:
            with ExitStack() as stack:
                stack.enter_context(other.transaction())["a"] = 1
                fail()
        except FailsError:
            others_wait(store)
            assert Party(partial(other.set, "a", 2)).result().version == 1
        tx["a"] = 1


def _beside_a_stack_of_its_own(store: Numbers) -> None:
    with store.transaction() as tx:
        try:
            with ExitStack() as stack:
                stack.callback(others_wait, store)
                stack.push(fail)
        except FailsError:
            others_wait(store)
        tx["a"] = 1


def _beside_a_stack_that_fails_to_open(store: Numbers) -> None:
    class Opens(ExitStack):
        def __enter__(self) -> Any:
            self.enter_context(nullcontext())
            fail()

    with store.transaction() as tx:
        try:
            with ExitStack() as stack:
                stack.enter_context(Opens())
        except FailsError:
            others_wait(store)
        tx["a"] = 1


def _beside_a_generator_of_its_own(store: Numbers) -> None:
    @contextmanager
    def unit() -> Iterator[None]:
        try:
            yield
        finally:
            fail()

    with store.transaction() as tx:
        try:
            with unit():
                others_wait(store)
        except FailsError:
            others_wait(store)
        tx["a"] = 1


def _beside_a_generator_that_goes_on_and_on(store: Numbers) -> None:
    @contextmanager
    def unit() -> Iterator[None]:
        yield
        try:
            yield
        except GeneratorExit:
            yield

    with store.transaction() as tx:
        try:
            with unit():
                pass
        except RuntimeError:  # out of contextlib
            others_wait(store)
        tx["a"] = 1


def _beside_an_error_of_another_store(store: Numbers) -> None:
    other: Store[Any, Any] = Store({"a": 0})
    with store.transaction() as tx:
        for wrong in (
            lambda: other.set([], 1),
            lambda: other.update("a", fail),
            lambda: other.transaction().__exit__(None, None, None),
            lambda: other.transact(fail),
        ):
            try:
                wrong()
            except Exception:
                others_wait(store)
        tx["a"] = 1


def _by_hand(store: Numbers) -> None:
    def leave(block: object) -> None:
        fail()

    block = store.transaction()
    tx = block.__enter__()
    try:
        leave(block)  # in a frame of the same name as one of ours
    except FailsError:
        others_wait(store)
    tx["a"] = 1
    block.__exit__(None, None, None)


@pytest.mark.parametrize(
    "shape",
    [
        _inside,
        _around,
        _of_another_store,
        _beside_a_stack_of_its_own,
        _beside_a_stack_that_fails_to_open,
        _beside_a_generator_of_its_own,
        _beside_a_generator_that_goes_on_and_on,
        _beside_an_error_of_another_store,
        _by_hand,
    ],
)
def test_an_exception_that_is_handled_beside_it_ends_no_transaction(
    shape: Callable[[Numbers], None],
) -> None:
    store: Numbers = Store({"a": 0})
    shape(store)
    assert store.snapshot()["a"] == 1
    assert Party(partial(store.set, "a", 2)).result().version == 2


def test_exceptions_that_lead_to_each_other_in_a_ring_are_looked_through_once() -> None:
    store: Numbers = Store({"a": 0})
    one, other = FailsError("one"), FailsError("other")
    with store.transaction():
        try:
            try:
                raise one
            except FailsError:
                raise other  # noqa: B904
        except FailsError:
            one.__context__ = other
            others_wait(store)
            one.__context__ = None
    assert Party(partial(store.set, "a", 2)).result().version == 1


def test_a_block_left_by_hand_that_is_struck_as_it_ends_is_over_for_who_waits() -> None:
    store: Numbers = Store({"a": 0})
    block = store.transaction()
    block.__enter__()["a"] = 1
    # At its first instruction, say.
    with setting(Committer, leave=lambda *_, **__: fail()):
        try:
            block.__exit__(None, None, None)
        except FailsError:
            assert Party(partial(store.set, "b", 2)).result().version == 1
    assert store.snapshot() == {"a": 0, "b": 2}


@pytest.mark.parametrize("others", [1, 2, 5])
def test_so_it_is_while_errors_are_handled_that_came_of_that_one(others: int) -> None:
    store: Numbers = Store({"a": 0})
    block = store.transaction()
    block.__enter__()["a"] = 1

    def leave_with_others(left: int) -> None:
        if not left:
            block.__exit__(None, None, None)
        try:
            leave_with_others(left - 1)
        except FailsError:
            fail()

    with setting(Committer, leave=lambda *_, **__: fail()):
        try:
            leave_with_others(others)
        except FailsError:
            assert Party(partial(store.set, "b", 2)).result().version == 1
    assert store.snapshot() == {"a": 0, "b": 2}
