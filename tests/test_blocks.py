"""What is used in a ``with`` ends with it, however it ends and whoever still holds it."""

from __future__ import annotations

import gc
import threading
import weakref
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeAlias

import pytest

from cowstate import (
    ClosedError,
    CompactedError,
    Feed,
    History,
    Pin,
    ReentrantWriteError,
    Snapshot,
    Store,
    Subscription,
    Transaction,
    reservation,
    transaction,
)
from cowstate.scope import Scoped
from tests.standing import eventually
from tests.worlds.staging import Party

PATIENCE = 300  # seconds; only a test that fails waits for so long

Numbers: TypeAlias = Store[str, int]
Handle: TypeAlias = Subscription[str, int] | Feed[str, int] | Pin[str, int]


@pytest.fixture
def store() -> Numbers:
    return Store({"a": 0}, history=History(versions=1))


@pytest.fixture
def seen() -> list[int]:
    return []


@pytest.fixture(params=["subscription", "feed", "pin"])
def handle(request: pytest.FixtureRequest, store: Numbers, seen: list[int]) -> Handle:
    makers: dict[str, Callable[[], Handle]] = {
        "subscription": lambda: store.subscribe(lambda commit: seen.append(commit.version)),
        "feed": store.feed,
        "pin": lambda: store.pin(why="test"),
    }
    return makers[request.param]()


def is_alive(handle: Handle, store: Numbers, seen: list[int]) -> bool:
    """Whether it still does what it is there for."""
    if isinstance(handle, Subscription):
        before = len(seen)
        store.set("a", store.snapshot().version + 1)
        assert handle.closed is (store.statistics().subscriptions == 0)
        return len(seen) > before
    if isinstance(handle, Feed):
        store.set("a", store.snapshot().version + 1)
        item = handle.poll()
        assert handle.closed is (item is None)
        return item is not None
    for _ in range(3):
        store.set("a", store.snapshot().version + 1)
    pinned = bool(store.statistics().pinned)
    try:
        store.at(handle.version)
    except CompactedError:
        assert not pinned
        return False
    assert pinned
    return True


def test_a_handle_gives_itself_lives_in_the_block_and_ends_with_it(
    handle: Handle, store: Numbers, seen: list[int]
) -> None:
    with handle as given:
        assert given is handle
        assert is_alive(handle, store, seen)
    assert not is_alive(handle, store, seen)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_a_handle_ends_when_the_block_raises_though_somebody_still_holds_it(
    handle: Handle, store: Numbers, seen: list[int], error: type[BaseException]
) -> None:
    with pytest.raises(error), handle:
        raise error
    assert not is_alive(handle, store, seen)


def test_a_handle_that_was_closed_in_the_block_ends_well(
    handle: Handle, store: Numbers, seen: list[int]
) -> None:
    with handle:
        handle.close()
        assert not is_alive(handle, store, seen)
    assert not is_alive(handle, store, seen)


def ensure_free(store: Numbers) -> None:
    """Write in this thread and in another one."""
    version = store.snapshot().version
    assert store.set("b", version).version == version + 1
    other = threading.Thread(target=store.set, args=("b", version + 1), daemon=True)
    other.start()
    other.join(PATIENCE)
    assert store.snapshot().version == version + 2


def test_a_transaction_s_block_gives_the_transaction_and_ends_with_a_commit(store: Numbers) -> None:
    block = store.transaction()
    with block as tx:
        assert isinstance(tx, Transaction)
        tx["a"] = 1
        assert store.snapshot().version == 0
    assert store.snapshot() is tx.result.after
    assert store.snapshot() == {"a": 1}
    ensure_free(store)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_a_transaction_s_block_that_raises_leaves_the_store_free_though_somebody_still_holds_it(
    store: Numbers, error: type[BaseException]
) -> None:
    block = store.transaction()
    with pytest.raises(error), block as tx:
        tx["a"] = 1
        raise error
    assert store.snapshot() == {"a": 0}
    ensure_free(store)
    assert block is not None


def test_a_transaction_that_is_refused_at_its_end_leaves_the_store_free_too() -> None:
    store: Numbers = Store({"a": 0}, invariants={"small": lambda now, _: now["a"] < 5})
    block = store.transaction()
    with pytest.raises(ValueError, match="small"), block as tx:
        tx["a"] = 5
    assert store.snapshot().version == 0
    ensure_free(store)
    assert block is not None


# A ``with`` keeps what it found under `__exit__` and nothing else. When it is torn, by an exception
# before the first instruction of the exit, that is dropped and nobody is told. By hand it is so:


def test_a_handle_whose_with_is_lost_has_ended_though_its_exit_was_never_called(
    handle: Handle, store: Numbers, seen: list[int]
) -> None:
    leave = handle.__exit__
    handle.__enter__()
    assert is_alive(handle, store, seen)
    assert not handle.closed
    del leave
    assert handle.closed
    assert not is_alive(handle, store, seen)
    for figure in (store.statistics().pinned, store.statistics().subscriptions):
        assert not figure


def test_a_handle_that_is_no_block_s_does_not_end_with_what_was_looked_at(
    handle: Handle, store: Numbers, seen: list[int]
) -> None:
    # A look at the exit that nobody keeps is no `with`; nor is one after the block was entered.
    assert handle.__exit__ is not None
    assert is_alive(handle, store, seen)
    handle.__enter__()
    assert handle.__exit__ is not None
    assert is_alive(handle, store, seen)
    with ExitStack() as stack:
        stack.enter_context(handle)
        assert is_alive(handle, store, seen)
        kept = stack.pop_all()
    assert is_alive(handle, store, seen)
    kept.close()
    assert not is_alive(handle, store, seen)


def test_a_transaction_whose_with_is_lost_is_given_up_and_the_store_is_free(
    store: Numbers,
) -> None:
    block = store.transaction()
    leave = block.__exit__
    tx = block.__enter__()
    tx["a"] = 1
    del leave
    assert store.statistics().open_transaction is None
    with pytest.raises(ClosedError, match="given up"):
        block.__exit__(None, None, None)
    ensure_free(store)
    assert store.snapshot()["a"] == 0
    with pytest.raises(ClosedError):
        tx["a"] = 2
    with pytest.raises(ClosedError):
        tx.result


@pytest.mark.parametrize("several", [False, True], ids=["one store", "two stores"])
def test_a_transaction_does_not_end_with_a_look_at_its_exit(store: Numbers, several: bool) -> None:
    block: Any = transaction(store, Store()) if several else store.transaction()
    assert block.__exit__ is not None  # and nobody keeps it
    given = block.__enter__()
    assert block.__exit__ is not None
    assert store.statistics().open_transaction is not None
    (given[0] if several else given)["a"] = 1
    block.__exit__(None, None, None)
    assert store.snapshot()["a"] == 1
    ensure_free(store)


def test_transactions_over_several_stores_whose_with_is_lost_are_given_up(store: Numbers) -> None:
    other: Numbers = Store({"a": 0})
    block = transaction(store, other)
    leave = block.__exit__
    for tx in block.__enter__():
        tx["a"] = 1
    del leave
    with pytest.raises(ClosedError, match="given up"):
        block.__exit__(None, None, None)
    for each in (store, other):
        ensure_free(each)
        assert each.snapshot()["a"] == 0


@pytest.mark.parametrize("several", [False, True], ids=["one store", "two stores"])
def test_a_block_is_entered_before_it_is_left_and_once(store: Numbers, several: bool) -> None:
    def make() -> AbstractContextManager[object, None]:
        return transaction(store, Store()) if several else store.transaction()

    block = make()
    with pytest.raises(ClosedError, match="never entered"):
        block.__exit__(None, None, None)
    with block, pytest.raises(ClosedError, match="entered once"):
        block.__enter__()
    with pytest.raises(ClosedError, match="entered once"):
        block.__enter__()
    ensure_free(store)


def test_a_context_knows_what_it_is_inside_of_and_soon_forgets_what_is_over(store: Numbers) -> None:
    def ensure_inside(expected: int) -> None:
        within = reservation.inside.get()
        still = [found for known in within if (found := known()) and not found.over()]
        assert len(still) == expected
        assert len(within) <= expected + 2, "what is over goes when the next block is opened"

    for _ in range(5):
        block = store.transaction()
        leave = block.__exit__
        block.__enter__()
        ensure_inside(1)
        del leave
    with store.transaction():
        ensure_inside(1)
        with pytest.raises(ReentrantWriteError), store.transaction():
            pass
        ensure_inside(1)
        with Store().transaction():
            ensure_inside(2)
        ensure_inside(1)
    ensure_inside(0)
    with transaction(store, Store()):
        ensure_inside(2)
    ensure_inside(0)


def test_a_block_that_was_not_let_in_is_no_transaction_of_anybody_s() -> None:
    first: Numbers = Store({"a": 0})
    store: Numbers = Store({"a": 0})
    with store.transaction() as tx:
        for block in (store.transaction(), transaction(first, store)):
            with pytest.raises(ReentrantWriteError):
                block.__enter__()
            ensure_free(first)
            with pytest.raises((ClosedError, ReentrantWriteError)):
                block.__exit__(None, None, None)
        tx["a"] = 7
    assert store.snapshot() == {"a": 7}
    ensure_free(store)


def test_a_block_that_is_struck_as_it_was_let_in_holds_nobody_up_though_somebody_holds_it(
    store: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: object) -> Transaction[str, int]:
        raise KeyboardInterrupt

    for block in (store.transaction(), transaction(Store(), store)):
        with monkeypatch.context() as patch:
            patch.setattr("cowstate.committer.Transaction", strike)
            with pytest.raises(KeyboardInterrupt):
                block.__enter__()
        assert store.statistics().open_transaction is None
        ensure_free(store)
        assert block is not None


class Stop(BaseException):
    """No `Exception`, as little as KeyboardInterrupt is."""


@pytest.mark.parametrize("who", [0, 1, 2])
def test_what_a_callback_raises_at_the_end_of_several_comes_out_the_first_of_them(who: int) -> None:
    stores: list[Numbers] = [Store({"a": 0}) for _ in range(3)]
    called: list[int] = []

    def call(number: int) -> None:
        called.append(number)
        if number >= who:
            raise Stop(number)

    for number, each in enumerate(stores):
        each.subscribe(lambda _, number=number: call(number))  # type: ignore[misc]
    with pytest.raises(Stop, match=str(who)), transaction(*reversed(stores)) as txs:
        for tx in txs:
            tx["a"] = 1
    assert called == [0, 1, 2]
    for each in stores:
        assert each.snapshot().version == 1
        assert each.statistics().undelivered == 0


def test_what_a_callback_raised_at_the_end_of_several_is_freed_when_nobody_has_it_any_more(
    store: Numbers,
) -> None:
    def fail(_: object) -> None:
        raise Stop

    store.subscribe(fail)
    gone: list[weakref.ref[Stop]] = []
    gc.disable()
    try:
        try:
            with transaction(Store(), store) as (_, tx):
                tx["a"] = 1
        except Stop as stopped:
            gone.append(weakref.ref(stopped))
        assert gone[0]() is None
    finally:
        gc.enable()


def test_a_block_that_contextlib_enters_first_of_all_in_a_thread_is_entered(store: Numbers) -> None:
    with ExitStack() as stack:
        # Nobody's function is around it, as one of `threading` would be.
        start_new_thread(stack.enter_context, (store.transaction(),))
        eventually(lambda: store.statistics().open_transaction, "the transaction should be open")
        assert "contextlib" in str(store.statistics().open_transaction)
    ensure_free(store)


@pytest.mark.parametrize("several", [False, True], ids=["one store", "two stores"])
def test_who_gives_a_transaction_up_as_it_commits_comes_after_it(several: bool) -> None:
    parties: list[Party[Any]] = []

    def give_up(now: Snapshot[str, int], _: object) -> None:
        if now.version != 1 or parties:
            return
        # As one who waits does, who finds the block torn.
        held = store._lock.reserved
        assert held is not None
        held.end("given up")
        parties.append(Party(lambda: store.update("a", lambda n: n + 100)))
        eventually(
            lambda: parties[0].done or len(store._lock._queue) == 1, "somebody waits to write"
        )

    store: Numbers = Store({"a": 0}, invariants={"gives up": give_up})
    with transaction(Store(), store) if several else store.transaction() as tx:
        (tx[1] if isinstance(tx, tuple) else tx)["a"] = 1
    assert parties[0].result().version == 2
    assert store.snapshot()["a"] == 101


def test_what_does_not_say_how_it_ends_cannot_be_left() -> None:
    with pytest.raises(NotImplementedError), Scoped():
        pass
