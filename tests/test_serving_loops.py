"""Who is served by an event loop: when the loop is told, and what becomes of one that is closed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cowstate import ArgumentValueError, Store
from tests.loops import loop
from tests.standing import versions_into


def write(store: Store[str, int]) -> None:
    """Two versions, of one key and of several, and one that fails."""
    store.set("a", store.snapshot()["a"] + 1)
    store.transact(lambda tx: tx.update(a=tx["a"] + 1, b=0))
    with pytest.raises(KeyError):
        store.delete("z")


def test_a_loop_is_told_nothing_where_nobody_is_to_be_called() -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    subscription = store.subscribe(versions_into(seen), via=serving)
    store.set("a", 1)
    serving.run()
    with pytest.raises(KeyError):
        store.delete("z")
    assert serving.told == []
    with store.subscribe(str):
        subscription.close()
        write(store)
        assert serving.told == []
    assert seen == [1]


def test_a_loop_that_is_inside_a_write_calls_nobody_until_it_is_out_of_it() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})
    serving, seen = loop(), list[int]()
    store.subscribe(versions_into(seen), via=serving)
    store.set("a", 1)
    with other.transaction():  # as a task has, at an await
        serving.run()
        assert (seen, serving.told) == ([], [])
    serving.run()
    assert seen == [1]


def test_a_subscription_of_a_closed_loop_ends_whoever_comes_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store: Store[str, int] = Store({"a": 0})
    first, second, seen = loop(), loop(), list[int]()
    old = store.subscribe(versions_into(seen), via=first)
    first.closed = True
    store.subscribe(versions_into(seen), via=second)
    with caplog.at_level(logging.WARNING, "cowstate"):
        store.set("a", 1)
    assert old.closed
    assert "event loop was closed" in caplog.text
    # The next one to come finds that the group of the closed loop has served its time.
    store.subscribe(versions_into(seen), via=second)
    old.close()
    second.run()
    assert seen == [1]


@pytest.mark.parametrize("via", [5, "loop", None])
def test_what_calls_nobody_is_refused(via: Any) -> None:
    with pytest.raises(ArgumentValueError, match="via must be"):
        Store({"a": 0}).subscribe(print, via=via)
