"""Subscribers that raise, or whose keys or handlers do: it is nobody else's trouble."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import CodeType
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    Commit,
    Store,
    delivery,
    groups,
    members,
    subscribers,
)
from tests.faults.injection import interrupt_at_opcode
from tests.parked import PATIENCE
from tests.standing import versions_into


def test_an_error_is_logged_with_its_commit_and_reaches_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store({"a": 0})
    seen: list[int] = []
    store.subscribe(lambda commit: 1 // 0)
    store.subscribe(lambda commit: 1 // 0, on_error="stop")
    store.subscribe(versions_into(seen))
    with caplog.at_level(logging.ERROR, "cowstate"):
        for n in (1, 2):
            store.set("a", n)
    assert seen == [1, 2]
    assert len(caplog.records) == 3
    assert "<Commit version=1" in caplog.messages[0]
    assert caplog.records[0].exc_info
    assert store.statistics().subscriptions == 2


def test_a_handler_gets_the_error_and_may_fail_too(caplog: pytest.LogCaptureFixture) -> None:
    store = Store({"a": 0})
    handled: list[tuple[type, int]] = []

    def handler(error: Exception, commit: Commit[str, int]) -> None:
        handled.append((type(error), commit.version))
        raise ValueError

    with store.subscribe(lambda commit: 1 // 0, on_error=handler), caplog.at_level(logging.ERROR):
        store.set("a", 1)
    assert handled == [(ZeroDivisionError, 1)]
    assert "error handler" in caplog.text


def test_a_coroutine_that_nobody_will_await_is_an_error_of_its_subscriber() -> None:
    async def later() -> None:
        """Nothing."""

    store = Store({"a": 0})
    errors: list[type] = []
    store.subscribe(lambda _: later(), on_error=lambda error, _: errors.append(type(error)))
    store.set("a", 1)
    assert errors == [ArgumentTypeError]


class Prickly(str):
    """A key that cannot be compared with its like."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")


def test_keys_that_raise_when_compared_harm_nobody_but_their_subscriber() -> None:
    store: Store[str, int] = Store()
    errors: list[str] = []
    pricked: list[int] = []
    seen: list[int] = []
    of_b: list[int] = []
    store.subscribe(
        versions_into(pricked), keys=[Prickly("a")], on_error=lambda e, _: errors.append(str(e))
    )
    store.subscribe(versions_into(seen))
    store.subscribe(versions_into(of_b), keys=["b"])
    store.set(Prickly("a"), 1)
    store.set("b", 1)
    assert (seen, of_b) == ([1, 2], [2])
    assert 2 not in pricked
    assert pricked == [1] or errors == ["compare me not"]


@pytest.mark.parametrize("keys", [None, [Prickly("a")]], ids=["callback", "key"])
def test_a_handler_is_told_of_an_error_once_even_if_it_is_interrupted(keys: Any) -> None:
    store: Store[str, int] = Store()
    told: list[tuple[type, int]] = []
    seen: list[int] = []

    def interrupted(error: Exception, commit: Commit[str, int]) -> None:
        told.append((type(error), commit.version))
        if len(told) == 1:
            raise KeyboardInterrupt

    store.subscribe(divide_by_zero, keys=keys, on_error=interrupted)
    store.subscribe(versions_into(seen))
    with pytest.raises(KeyboardInterrupt):
        store.set(Prickly("a"), 1)
    error = ZeroDivisionError if keys is None else RuntimeError
    assert told == [(error, 1)]
    # What was interrupted is done again from where it was.
    store.set("b", 1)
    assert seen == [1, 2]
    assert told == [(error, version) for version in ([1, 2] if keys is None else [1])]


def test_what_is_no_exception_reaches_the_writer_when_the_others_have_had_the_commit() -> None:
    store = Store({"a": 0})
    seen: dict[str, list[int]] = {"early": [], "hit": [], "late": []}

    def interrupted(commit: Commit[str, int]) -> None:
        seen["hit"].append(commit.version)
        if commit.version == 1:
            raise KeyboardInterrupt

    store.subscribe(versions_into(seen["early"]))
    store.subscribe(interrupted)
    store.subscribe(versions_into(seen["late"]))
    with pytest.raises(KeyboardInterrupt):
        store.set("a", 1)
    assert (seen["late"], store.snapshot()["a"]) == ([1], 1)
    store.set("a", 2)
    assert seen == {"early": [1, 2], "hit": [1, 2], "late": [1, 2]}


DELIVERS = {module.__file__ for module in (delivery, groups, members, subscribers)}


def in_delivery(code: CodeType) -> bool:
    return code.co_filename in DELIVERS


def divide_by_zero(_: object) -> None:
    1 // 0


@pytest.fixture
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("_quiet")
def test_an_interruption_anywhere_in_a_delivery_loses_and_doubles_nothing() -> None:
    # Of a callback in Python, which can be interrupted before its first line, nobody could say
    # whether it was given the commit; of one in C, one can.
    number, place = 0, None
    while True:
        number += 1
        before, store = place, Store({"a": 0})
        seen: list[list[Commit[str, int]]] = [[], [], []]
        store.subscribe(seen[0].append)
        failing = store.subscribe(divide_by_zero, on_error="stop")
        store.subscribe(seen[1].append)
        store.subscribe(seen[2].append, keys=["a"])
        place = interrupt_at_opcode(partial(store.set, "a", 1), number, where=in_delivery)
        if place == before:
            continue
        with ThreadPoolExecutor(1) as pool:
            version = pool.submit(store.set, "a", 2).result(PATIENCE).version
        assert store.flush(PATIENCE)
        for commits in seen:
            told = [commit.version for commit in commits]
            assert told == list(range(1, version + 1)), f"at opcode {number}"
        assert store.statistics().undelivered == 0
        if place is None:
            break
    assert failing.closed
    assert number > 30
