"""Subscriptions: every commit once and in order, whoever writes and whatever is raised."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Commit,
    CompactedError,
    History,
    Snapshot,
    Store,
    audience,
)
from cowstate.audience import Audience, Bell, Subscription

PATIENCE = 30


def versions_into(seen: list[int]) -> Callable[[Commit[Any, Any]], object]:
    return lambda commit: seen.append(commit.version)


def test_a_slow_callback_holds_up_no_other_writer_and_order_stays() -> None:
    store = Store({"a": 0})
    entered, go_on = threading.Event(), threading.Event()
    seen: list[tuple[int, int]] = []

    def slow(commit: Commit[str, int]) -> None:
        entered.set()
        assert go_on.wait(PATIENCE)
        seen.append((commit.version, threading.get_ident()))

    store.subscribe(slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: (store.set("a", 1), threading.get_ident())[1])
        assert entered.wait(PATIENCE)
        for n in (2, 3):
            store.set("a", n)
        assert store.statistics().undelivered == 3
        go_on.set()
        writer = first.result(PATIENCE)
    assert seen == [(1, writer), (2, writer), (3, writer)]


class ByLuck(Audience[Any, Any]):
    """The seeded bug: each writer hands over the commit that it finds last, its own as a rule."""

    def deliver(self) -> None:
        while self.undelivered:
            commit = self.undelivered.pop()
            for subscription in self.subscriptions:
                subscription._callback(commit)


@pytest.mark.parametrize(("kind", "expected"), [(Audience, [1, 2]), (ByLuck, [2, 1])])
def test_a_writer_overtaken_before_it_delivers(kind: Any, expected: list[int]) -> None:
    store = Store({"a": 0})
    store._audience = members = kind(store.snapshot)
    store._undelivered = members.undelivered
    seen: list[int] = []
    store.subscribe(versions_into(seen))
    deliver = members.deliver
    with ThreadPoolExecutor(1) as pool:

        def overtaken() -> None:
            members.deliver = deliver
            pool.submit(store.set, "a", 2).result(PATIENCE)
            deliver()

        members.deliver = overtaken
        store.set("a", 1)
    assert seen == expected


class Hooked(Store[str, int]):
    """A store in which another thread writes, if it can, just before a subscriber is noted."""

    def join(self, member: Bell | Subscription[str, int]) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self.write_if_free).result(PATIENCE)
        super().join(member)

    def write_if_free(self) -> None:
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self.set("a", 1)


def subscribe_with_a_gap(store: Hooked, callback: Any) -> Subscription[str, int]:
    """The seeded bug: the position is read in one step, and the subscriber noted in another."""
    subscription: Subscription[str, int] = Subscription(
        store.snapshot().version, callback, None, "log", store.at, store.leave
    )
    store.join(subscription)
    return subscription


@pytest.mark.parametrize(
    ("subscribe", "missed"), [(Store.subscribe, []), (subscribe_with_a_gap, [1])]
)
def test_nothing_comes_between_the_snapshot_and_the_first_commit(
    subscribe: Any, missed: list[int]
) -> None:
    store = Hooked({"a": 0})
    seen: list[int] = []
    subscription = subscribe(store, versions_into(seen))
    commit = store.set("a", 2)
    expected = list(range(subscription.since + 1, commit.version + 1))
    assert [version for version in expected if version not in seen] == missed


def test_a_commit_made_by_a_callback_comes_after_the_current_one_for_everybody() -> None:
    store = Store({"a": 0})
    log: list[tuple[str, int]] = []

    def answer(commit: Commit[str, int]) -> None:
        log.append(("answer", commit.version))
        if commit.version < 3:
            store.set("a", commit.version)
            assert log[-1] == ("answer", commit.version)

    store.subscribe(answer)
    store.subscribe(lambda commit: log.append(("after", commit.version)))
    store.set("b", 0)
    assert log == [(who, version) for version in (1, 2, 3) for who in ("answer", "after")]


def test_a_subscription_can_close_itself_and_its_siblings() -> None:
    store = Store({"a": 0})
    seen: list[int] = []

    def once(commit: Commit[str, int]) -> None:
        seen.append(commit.version)
        first.close()
        second.close()

    first = store.subscribe(once)
    second = store.subscribe(versions_into(seen))
    for n in (1, 2):
        store.set("a", n)
    assert seen == [1]
    assert first.closed
    assert second.closed
    assert repr(first).endswith("closed>")
    assert store.statistics().subscriptions == 0
    assert not store._heard


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


class Prickly(str):
    """A key that cannot be compared with its like."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compare me not")


def test_keys_that_raise_when_compared_harm_only_their_subscriber() -> None:
    store: Store[str, int] = Store()
    errors: list[str] = []
    seen: list[int] = []
    store.subscribe(
        versions_into([]), keys=[Prickly("a")], on_error=lambda e, _: errors.append(str(e))
    )
    store.subscribe(versions_into(seen))
    store.set(Prickly("a"), 1)
    store.set("b", 1)
    assert errors == ["compare me not"]
    assert seen == [1, 2]


def test_an_interrupted_delivery_is_made_good_by_the_next_write() -> None:
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
    assert (seen["late"], store.snapshot()["a"]) == ([], 1)
    store.set("a", 2)
    assert seen == {"early": [1, 2], "hit": [1, 2], "late": [1, 2]}


def test_a_commit_that_was_announced_and_never_published_is_never_delivered() -> None:
    now: list[Any] = [1.0]
    store = Store({"a": 0}, history=History(seconds=1, clock=lambda: 1.0 * now[0]))
    seen: list[Any] = []
    store.subscribe(lambda commit: seen.append(dict(commit.after)))
    for late_failure in (None, "no number", None, "no number", "no number", None):
        now[0] = 1.0 if late_failure is None else late_failure
        try:
            store.set("a", len(seen) + (100 if late_failure else 1))
        except TypeError:
            assert late_failure is not None
        # It changes nothing, but delivers what it finds.
        store.update("a", lambda record: record)
    assert seen == [{"a": 1}, {"a": 2}, {"a": 3}]


class Emptied(deque[Any]):
    """A deque whose last item is taken, by whoever delivers, right after it was seen."""

    def __bool__(self) -> bool:
        seen = len(self) > 0
        self.clear()
        return seen


def test_a_delivery_that_overtakes_the_announcement_does_not_harm_the_writer() -> None:
    store = Store({"a": 0})
    seen: list[int] = []
    store.subscribe(versions_into(seen))
    commit = store.set("a", 1)
    store._audience.undelivered = Emptied([commit])
    store._audience.announce(Commit(commit.after, commit.after, {}))
    assert len(store._audience.undelivered) == 1


def test_a_subscriber_noted_inside_a_transaction_gets_its_commit() -> None:
    store = Store({"a": 0})
    seen: list[int] = []
    with store.transaction() as tx:
        subscription = store.subscribe(versions_into(seen))
        tx["a"] = 1
    assert (subscription.since, seen, subscription.delivered) == (0, [1], 1)
    assert subscription.snapshot["a"] == 0


def test_the_snapshot_before_the_first_commit_is_kept_as_long_as_the_history() -> None:
    store = Store({"a": 0}, history=History(versions=1))
    subscription = store.subscribe(versions_into([]))
    store.set("a", 1)
    assert isinstance(subscription.snapshot, Snapshot)
    store.set("a", 2)
    with pytest.raises(CompactedError):
        subscription.snapshot


def test_what_is_no_subscriber_is_refused() -> None:
    store = Store({"a": 0})
    with pytest.raises(ArgumentTypeError, match="function of a commit"):
        store.subscribe(None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="on_error"):
        store.subscribe(print, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="collection"):
        store.subscribe(print, keys="a")
    with pytest.raises(ArgumentTypeError, match="hashable"):
        store.subscribe(print, keys=[[]])  # type: ignore[list-item]
    assert store.statistics().subscriptions == 0


def lines_of_a_write(fail_at: int) -> tuple[int, list[list[int]], int]:
    """Write with three subscribers and raise at line *fail_at* of the audience, then write on.

    Return how many lines ran, what each subscriber has seen, and the version reached.
    """
    store = Store({"a": 0})
    seen: list[list[int]] = [[], [], []]
    store.subscribe(versions_into(seen[0]))
    store.subscribe(lambda commit: (seen[1].append(commit.version), 1 // 0), on_error="log")
    store.subscribe(versions_into(seen[2]), keys=["a"])
    lines = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != audience.__file__:
            return None
        if event == "line":
            lines += 1
            if lines == fail_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        store.set("a", 1)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(store.set, "a", 2).result(PATIENCE)
    return lines, seen, commit.version


@pytest.mark.filterwarnings("ignore")
def test_an_exception_at_any_line_of_a_delivery_loses_and_doubles_nothing() -> None:
    logging.disable(logging.ERROR)
    try:
        lines, _, _ = lines_of_a_write(0)
        assert lines > 30
        for fail_at in range(1, lines + 1):
            _, seen, version = lines_of_a_write(fail_at)
            assert seen == [list(range(1, version + 1))] * 3, f"at line {fail_at}"
    finally:
        logging.disable(logging.NOTSET)
