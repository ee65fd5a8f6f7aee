"""Transactions over several stores: all or none, and no deadlock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

import pytest

import cowstate
from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Index,
    InvariantError,
    Store,
    UniqueViolationError,
    blocks,
    committer,
)
from tests.standing import check_store, check_writable, eventually, in_another_thread
from tests.worlds import bugs
from tests.worlds.staging import (
    AnyCommit,
    Party,
    Scene,
    await_writers,
    catches,
    leave,
    setting,
    tear,
    versions_of,
)


def refuses(snapshot: Any, changes: Any) -> bool:
    return snapshot["n"] < 100


def make_pair() -> tuple[Store[str, int], Store[str, int]]:
    def make() -> Store[str, int]:
        return Store(
            {"n": 0, "m": -1},
            invariants={"small": refuses},
            indexes={"value": Index(lambda value: value, unique=True)},
        )

    return make(), make()


@catches(bugs.stores_commit_one_after_the_other, "one without the other")
def test_what_one_store_refuses_no_store_publishes() -> None:
    pair = make_pair()
    names = {"one": pair[0], "other": pair[1]}
    for refusing in (0, 1):
        for given in (pair, pair[::-1]):
            for record, error in ((100, InvariantError), (-1, UniqueViolationError)):
                with (
                    pytest.raises(error),
                    cowstate.transaction(*given) as opened,
                ):
                    for store, tx in zip(given, opened, strict=True):
                        tx["n"] = record if store is pair[refusing] else 50
                versions = versions_of(names)
                assert set(versions.values()) == {0}, f"one without the other: {versions}"
    with cowstate.transaction(*pair) as (one, other):
        one["n"] = other["n"] = 50
    assert versions_of(names) == {"one": 1, "other": 1}
    for store in pair:
        check_store(store)


@catches(bugs.stores_commit_one_after_the_other, "one without the other")
def test_an_exception_in_the_block_publishes_nothing_and_none_publishes_all() -> None:
    pair = make_pair()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), cowstate.transaction(*pair) as (one, other):
            one["n"] = 5
            other["n"] = 5 // 0
    # The second one is refused when the first one would be published already.
    with pytest.raises(InvariantError), cowstate.transaction(*pair) as (one, other):
        one["n"], other["n"] = 5, 500
    assert [store.snapshot().version for store in pair] == [0, 0], "one without the other"
    with cowstate.transaction(*pair) as (one, other):
        one["n"] = 5
    assert [store.snapshot().version for store in pair] == [1, 0], "what has not changed stays"
    assert (one.result.version, other.result.version) == (1, 0)
    with cowstate.transaction() as nothing:
        assert nothing == ()


@catches(bugs.stores_publish_one_after_the_other, "one without the other")
def test_an_exception_at_any_point_publishes_all_or_nothing_and_leaves_no_lock() -> None:
    def set_up() -> Scene:
        pair = Store({"n": 0}), Store({"n": 0})
        calls: list[AnyCommit] = []
        pair[1].subscribe(calls.append)  # C code: called, or not called

        def act() -> None:
            with cowstate.transaction(*pair) as (one, other):
                one["n"] = other["n"] = 1

        def check() -> None:
            versions = [store.snapshot().version for store in pair]
            assert versions[0] == versions[1], f"one without the other: {versions}"
            for store in pair:
                check_writable(store)
            seen = [commit.version for commit in calls]
            assert seen == list(range(1, pair[1].snapshot().version + 1)), seen

        return act, check

    def where(code: CodeType) -> bool:
        return code.co_filename in {blocks.__file__, committer.__file__, bugs.__file__}

    assert tear(set_up, where) > 300


@catches(bugs.a_reservation_belongs_to_its_thread, "is not done|one without", hangs=True)
def test_a_transaction_over_several_stores_may_be_left_in_another_thread_too() -> None:
    pair = make_pair()
    block = cowstate.transaction(*pair)
    one, other = block.__enter__()
    one["n"] = other["n"] = 5
    waiters = [Party(partial(store.set, "k", 7)) for store in pair]
    for store in pair:
        await_writers(store, 1)
    in_another_thread(partial(leave, block))
    assert [waiter.result().version for waiter in waiters] == [2, 2], "one without the other"
    for store in pair:
        check_store(store)


def both_orders(between: Callable[[Any, Any], None]) -> None:
    """Two threads open the same two stores in both orders; *between* is called as one opens them.

    It is called with both stores, once the first thread has opened one of them and not the other.
    """
    pair = make_pair()
    real, opened = committer.Committer.open, list[Any]()
    second: list[Party[None]] = []

    def go(*stores: Any) -> None:
        with cowstate.transaction(*stores) as (one, other):
            one["n"] += 1
            other["n"] += 1

    def open_one(self: Any, reservation: Any, timeout: Any) -> Any:
        transaction = real(self, reservation, timeout)
        opened.append(self)
        if len(opened) == 1:
            second.append(Party(partial(go, *pair[::-1])))
            between(*pair)
        return transaction

    with setting(committer.Committer, open=open_one):
        Party(partial(go, *pair)).result()
        second[0].result()
    assert [store.snapshot()["n"] for store in pair] == [2, 2]
    for store in pair:
        check_store(store)


def in_any_order() -> None:
    """Some threads, each of which opens the same stores in an order of its own."""
    stores = [Store({"n": 0}) for _ in range(3)]
    orders = [(0, 1, 2), (2, 1, 0), (1, 2, 0)]

    def go(order: tuple[int, ...]) -> None:
        for _ in range(60):
            with cowstate.transaction(*[stores[n] for n in order]) as opened:
                for tx in opened:
                    tx["n"] += 1

    for party in [Party(partial(go, order)) for order in orders]:
        party.result()
    assert [store.snapshot()["n"] for store in stores] == [180] * 3


@catches(bugs.stores_are_locked_in_the_order_given, "DeadlockError|waits for itself")
def test_who_opens_the_same_stores_in_another_order_waits_and_is_no_deadlock() -> None:
    def waits_for_either(one: Any, other: Any) -> None:
        eventually(lambda: one._lock._queue or other._lock._queue, "the other one should wait")

    both_orders(waits_for_either)
    in_any_order()


def test_a_store_is_given_once_and_is_a_store() -> None:
    one, other = make_pair()
    with pytest.raises(ArgumentValueError, match="same store twice"):
        cowstate.transaction(one, other, one)
    with pytest.raises(ArgumentTypeError, match="opens stores"):
        cowstate.transaction(one, {})  # type: ignore[arg-type]
    check_store(one)
