"""`check_store` finds whatever is wrong with a store, and nothing in one that is well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event, Lock, Thread
from typing import Any

import pytest

from cowstate import Aggregate, History, Index, Snapshot, Statistics, Store
from tests import standing
from tests.standing import HungError, check_store, eventually, in_another_thread, receive

INDEXES: dict[str, Index[int]] = {
    "odd": Index(lambda n: n % 2 == 1),
    "self": Index(lambda n: n, unique=True),
}
AGGREGATES: dict[str, Aggregate[int, Any]] = {"sum": Aggregate.sum(lambda n: n)}


def written(make: Callable[..., Any] = Store, **choices: Any) -> Any:
    """A store with a past."""
    store = make({"a": 1, "b": 2}, indexes=INDEXES, aggregates=AGGREGATES, **choices)
    store.set("a", 3)
    store.delete("b")
    store.set("c", 4)
    return store


def test_a_store_that_is_well_passes_and_only_gains_two_versions() -> None:
    store = written()
    before = store.snapshot()
    check_store(store, indexes=INDEXES, aggregates=AGGREGATES)
    after = store.snapshot()
    assert after.version == before.version + 2
    assert after == before
    assert after.meta is before.meta


def test_an_empty_store_and_one_that_has_forgotten_its_past_pass() -> None:
    check_store(Store())
    check_store(written(history=History(versions=1)), indexes=INDEXES, aggregates=AGGREGATES)


def test_it_may_be_asked_any_number_of_times() -> None:
    store = written()
    for _ in range(3):
        check_store(store)


def test_what_the_caller_knows_of_is_expected() -> None:
    store = written()
    with (
        store.subscribe(lambda commit: None),
        store.subscribe(lambda commit: None, keys=["a"]),
        store.pin(why="a reason") as pin,
    ):
        check_store(store, subscriptions=2, pinned=[(pin.version, "a reason")])
        check_store(store, subscriptions=range(1, 3), pinned=None)
        with pytest.raises(AssertionError, match="2 subscriptions, not 0"):
            check_store(store, pinned=None)
        with pytest.raises(AssertionError, match="pinned"):
            check_store(store, subscriptions=None)
    check_store(store)


def test_a_thread_that_sleeps_is_expected_or_found() -> None:
    store = written()
    thread = Thread(target=store.wait_for, args=(lambda snapshot: "d" in snapshot,), daemon=True)
    thread.start()
    eventually(lambda: store.statistics().waiting == 1, "it does not lie down")
    with pytest.raises(AssertionError, match="1 wait, not 0"):
        check_store(store)
    store.set("d", 5)
    thread.join()
    check_store(store, subscriptions=None)


class Stand:
    """A store with one bug, which stands before a real one."""

    def __init__(self, *args: Any, **choices: Any) -> None:
        self.real: Store[str, int] = Store(*args, **choices)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Forgets(Stand):
    """One version is another one."""

    def at(self, version: int) -> Snapshot[str, int]:
        return self.real.at(2 if version == 1 else version)


class KeepsWhatIsClosed(Stand):
    subscribed = 0

    def subscribe(self, *args: Any, **choices: Any) -> Any:
        self.subscribed += 1
        return self.real.subscribe(*args, **choices)

    def statistics(self) -> Statistics:
        return self.real.statistics().replace(subscriptions=self.subscribed)


class HandsOverTwice(Stand):
    def subscribe(self, callback: Callable[[Any], object], **choices: Any) -> Any:
        return self.real.subscribe(lambda commit: (callback(commit), callback(commit)), **choices)


class HandsOverNothing(Stand):
    def subscribe(self, callback: Callable[[Any], object], **choices: Any) -> Any:
        return self.real.subscribe(lambda commit: None, **choices)


class PassesOver(Stand):
    """A feed that leaves out one version."""

    def feed(self, *args: Any, **choices: Any) -> Any:
        feed = self.real.feed(*args, **choices)
        feed.poll()
        return feed


class HasAnother(Stand):
    """Statistics of an index that are out of date."""

    def statistics(self) -> Statistics:
        return self.real.statistics().replace(index_entries=(("odd", 7), ("self", 2)))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Forgets, "at\\(1\\) is"),
        (PassesOver, "not gapless|passed over"),
        (HasAnother, "'odd' has 7 values, not 2"),
        (HandsOverTwice, "was given"),
        (HandsOverNothing, "was given \\[\\]"),
        (KeepsWhatIsClosed, "is still held"),
    ],
)
def test_each_thing_that_is_wrong_is_found(
    broken: type[Stand], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken is HandsOverNothing:  # what never comes need not be waited for
        monkeypatch.setattr(standing, "receive", lambda calls, last, _: receive(calls, last, 0.1))
    with pytest.raises(AssertionError, match=said):
        check_store(written(broken), indexes=INDEXES, aggregates=AGGREGATES)


def test_wrong_derived_values_are_found() -> None:
    store = written()
    with pytest.raises(AssertionError, match="index 'odd'"):
        check_store(store, indexes={"odd": Index(lambda n: n % 2 == 0)})
    with pytest.raises(AssertionError, match="total 'sum'"):
        check_store(store, aggregates={"sum": Aggregate.sum(lambda n: n + 1)})


def test_a_lock_that_is_held_is_found_with_the_stacks_of_all_threads() -> None:
    store = written()
    entered, leave = Event(), Event()

    def hold() -> None:
        with store.transaction():
            entered.set()
            leave.wait()

    thread = Thread(target=hold, name="who holds it")
    thread.start()
    entered.wait()
    with pytest.raises(AssertionError, match=r"(?s)transaction is open|left behind.*who holds it"):
        check_store(store, patience=0.1)
    leave.set()
    thread.join()
    check_store(store, subscriptions=None)


def test_what_another_thread_raises_is_raised_here_and_what_it_returns_returned() -> None:
    assert in_another_thread(lambda: 5) == 5
    with pytest.raises(ValueError):
        in_another_thread(partial(int, "no number"))
    lock = Lock()
    with lock, pytest.raises(HungError, match="left behind"):
        in_another_thread(lock.acquire, patience=0.05)
