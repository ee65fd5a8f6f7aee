"""A lock that knows its owner: who has it, who is told that it is busy, how it is given back."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from cowstate.locks import BUSY, OwnedLock
from tests.standing import in_another_thread
from tests.worlds.staging import Party, arrive


def free(lock: OwnedLock) -> bool:
    """Whether another thread can have it, and this one."""
    theirs = in_another_thread(lambda: lock.attempt(0, lambda _, __: "theirs"))
    return theirs == "theirs" and lock.attempt(0, lambda _, __: "ours") == "ours"


def test_what_is_done_while_it_is_held_gets_its_arguments_and_returns_its_result() -> None:
    lock = OwnedLock()

    def work(a: Any, b: Any) -> Any:
        assert lock.owned()
        assert not in_another_thread(lock.owned)
        assert in_another_thread(lambda: lock.attempt(0, work)) is BUSY
        # In the middle of its own work, too, as a finalizer may be.
        assert lock.attempt(0, work) is lock.attempt(5, work) is BUSY
        assert lock.owned()
        return (a, b)

    assert lock.attempt(0, work, 1, 2) == (1, 2)
    assert lock.attempt(5, work) == (None, None)
    assert not lock.owned()
    assert free(lock)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, RuntimeError])
def test_it_is_given_back_whatever_is_raised(error: type[BaseException]) -> None:
    lock = OwnedLock()

    def work(_: None, __: None) -> None:
        raise error

    for _ in range(3):
        with pytest.raises(error):
            lock.attempt(0, work)
        assert not lock.owned()
        assert free(lock)


def test_it_can_be_given_back_by_an_iterator_as_often_as_it_was_taken() -> None:
    lock = OwnedLock()
    for _ in range(3):
        assert lock.acquire(False)
        for _ in lock.unlock:
            break
        assert free(lock)
        with pytest.raises(RuntimeError):
            next(lock.unlock)


def test_who_gives_back_what_is_not_its_own_takes_it_from_nobody() -> None:
    lock = OwnedLock()
    reached, go = Event(), Event()

    def hold(_: None, __: None) -> str:
        reached.set()
        arrive(go)
        return "held"

    holder = Party(lambda: lock.attempt(0, hold))
    arrive(reached)
    assert lock.attempt(0, hold) is BUSY
    with pytest.raises(RuntimeError):
        next(lock.unlock)
    with pytest.raises(TypeError):
        lock.attempt("soon", hold)  # type: ignore[arg-type]
    waiter = Party(lambda: lock.attempt(3600, lambda _, __: "had it"))
    go.set()
    assert holder.result() == "held"
    assert waiter.result() == "had it"
    assert free(lock)


def test_in_the_child_of_a_fork_it_is_free_unless_this_thread_holds_it() -> None:
    lock = OwnedLock()

    def hold(_: None, __: None) -> None:
        lock.after_fork_in_child()
        assert lock.owned()
        assert in_another_thread(lambda: lock.attempt(0, hold)) is BUSY

    lock.attempt(0, hold)
    assert free(lock)
    in_another_thread(lambda: lock.acquire(False))
    assert lock.attempt(0, hold) is BUSY
    lock.after_fork_in_child()
    assert free(lock)
    lock.attempt(0, hold)
    assert lock.acquire(False)
    assert next(lock.unlock) is None
    assert free(lock)
