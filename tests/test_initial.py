"""What is there first, then what comes: subscribers with `initial=True`."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cowstate import MISSING, ArgumentTypeError, ArgumentValueError, Commit, Store, delivery
from cowstate.writelock import is_writing
from tests.standing import added, began

AnyCommit = Commit[Any, Any]


def test_a_subscriber_is_given_what_is_there_and_then_what_comes() -> None:
    store = Store({"a": 1, "b": 2}, meta="now")
    store.set("a", 3)
    there = store.snapshot()
    seen: list[AnyCommit] = []
    subscription = store.subscribe(seen.append, initial=True)
    (first,) = seen
    assert first.after is there
    assert (first.version, first.changes) == (1, added(there))
    assert (subscription.since, subscription.delivered) == (1, 1)
    second = store.set("b", 5)
    assert seen == [first, second]
    assert second.before is first.after


def test_it_comes_also_where_there_is_nothing() -> None:
    store: Store[str, int] = Store()
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, initial=True)
    store.subscribe(seen.append, initial=True, keys=["a"])
    assert [(commit.version, dict(commit.changes)) for commit in seen] == [(0, {}), (0, {})]
    assert [began(commit) for commit in seen] == [True, True]


def test_with_keys_it_holds_these_keys_alone() -> None:
    store = Store({"a": 1, "b": 2, "c": 3})
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, initial=True, keys=["a", "c", "z"])
    store.set("b", 9)
    with store.transaction() as tx:
        tx["z"], tx["b"] = 4, 4
    assert [dict(commit.changes) for commit in seen] == [
        {"a": (MISSING, 1), "c": (MISSING, 3)},
        {"z": (MISSING, 4)},
    ]
    # The snapshots are whole.
    assert dict(seen[0].after) == {"a": 1, "b": 2, "c": 3}
    assert (seen[1].before, seen[1].after) == (tx.result.before, tx.result.after)


@pytest.mark.parametrize("way", ["block", "torn block", "transact", "update", "other store"])
def test_inside_a_write_it_comes_when_that_has_ended(way: str) -> None:
    store, other = Store({"a": 1}), Store({"a": 1})
    seen: list[AnyCommit] = []
    inside: list[bool] = []

    def note(commit: AnyCommit) -> None:
        inside.append(is_writing())
        seen.append(commit)

    def subscribe() -> int:
        handle = store.subscribe(note, initial=True)
        assert (seen, handle.delivered, store.statistics().undelivered) == ([], -1, 1)
        assert handle.since == 0
        return 2

    if way == "block":
        with store.transaction() as tx:
            tx["a"] = subscribe()
    elif way == "torn block":
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx["a"] = subscribe() // 0
    elif way == "transact":
        store.transact(lambda tx: tx.update(a=subscribe()))
    elif way == "update":
        store.update("a", lambda n: subscribe())
    else:
        with other.transaction():
            subscribe()
            store.set("a", 2)
    (first,) = seen
    assert inside == [False]
    assert first.after is store.snapshot()
    assert (first.version, began(first)) == (0 if way == "torn block" else 1, True)
    assert seen == [first]
    assert seen[-1].version + 1 == store.set("a", 3).version == seen[-1].version
    assert store.statistics().undelivered == 0


def test_inside_a_callback_it_comes_after_the_current_commit_and_before_the_next() -> None:
    store = Store({"a": 0})
    heard: list[tuple[str, int]] = []

    def late(commit: AnyCommit) -> None:
        heard.append(("began" if began(commit) else "late", commit.version))

    def first(commit: AnyCommit) -> None:
        heard.append(("first", commit.version))
        if commit.version == 1:
            handle = store.subscribe(late, initial=True)
            assert handle.delivered == -1
            store.set("a", 2)

    store.subscribe(first)
    store.subscribe(lambda commit: heard.append(("second", commit.version)))
    store.set("a", 1)
    assert heard == [
        *[("first", 1), ("second", 1)],
        ("began", 2),  # with what the callback wrote after it subscribed
        *[("first", 2), ("second", 2)],
    ]


def test_who_subscribes_inside_its_own_first_call_begins_after_it() -> None:
    store = Store({"a": 0})
    heard: list[str] = []

    def outer(commit: AnyCommit) -> None:
        if began(commit):
            store.subscribe(lambda commit: heard.append(f"inner {commit.version}"), initial=True)
            store.set("a", 1)
        heard.append(f"outer {commit.version}")

    store.subscribe(outer, initial=True)
    assert heard == ["outer 0", "inner 1", "outer 1"]


@pytest.mark.parametrize("on_error", ["log", "stop", "handler"])
def test_what_it_raises_goes_the_way_of_on_error(on_error: Any) -> None:
    store = Store({"a": 0, "b": 0})
    seen: list[AnyCommit] = []
    handled: list[tuple[Exception, AnyCommit]] = []

    def broken(commit: AnyCommit) -> None:
        seen.append(commit)
        raise ValueError("not today")

    choice = (lambda *both: handled.append(both)) if on_error == "handler" else on_error
    logging.disable(logging.ERROR)
    try:
        handle = store.subscribe(broken, initial=True, keys=["a"], on_error=choice)
        store.set("a", 1)
    finally:
        logging.disable(logging.NOTSET)
    assert [commit.version for commit in seen] == ([0] if on_error == "stop" else [0, 1])
    assert handle.closed == (on_error == "stop")
    # The handler is given what the callback was: the changes of its keys.
    assert [commit for _, commit in handled] == (seen if on_error == "handler" else [])


def test_what_is_no_exception_comes_out_of_subscribe_and_leaves_nothing_behind() -> None:
    store = Store({"a": 0})
    called: list[int] = []

    def struck(commit: AnyCommit) -> None:
        called.append(commit.version)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.subscribe(struck, initial=True)
    figures = store.statistics()
    assert (figures.subscriptions, figures.undelivered) == (0, 0)
    store.set("a", 1)
    assert called == [0]


def test_a_key_that_cannot_be_compared_is_the_subscriber_s_own_trouble() -> None:
    class Rude:
        def __hash__(self) -> int:
            return hash("a")

        def __eq__(self, other: object) -> bool:
            if other is not self:
                raise ValueError("rude")
            return True

    store: Store[Any, int] = Store({"a": 0})
    errors: list[tuple[str, AnyCommit]] = []
    calls: list[AnyCommit] = []
    handle = store.subscribe(
        calls.append,
        initial=True,
        keys=[Rude()],
        on_error=lambda error, commit: errors.append((str(error), commit)),
    )
    ((error, commit),) = errors
    assert (error, commit.after, began(commit)) == ("rude", store.snapshot(), True)
    assert (calls, handle.delivered) == ([], 0)


def test_who_is_closed_before_it_came_is_never_called() -> None:
    store = Store({"a": 0})
    seen: list[AnyCommit] = []
    with store.transaction():
        closed = store.subscribe(seen.append, initial=True)
        with store.subscribe(seen.append, initial=True):
            pass
        closed.close()
        assert store.statistics().undelivered == 0
    store.set("a", 1)
    assert seen == []


def test_a_write_of_another_key_calls_again_for_who_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    monkeypatch.setattr(delivery, "start_new_thread", lambda *_: started.append(1))
    store = Store({"a": 0, "b": 0})
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, initial=True, keys=["a"], via="thread")
    assert len(started) == 1
    store.set("b", 1)  # that thread is gone: it never ran
    assert len(started) == 2
    store._delivery.drain(8)
    store.set("b", 2)
    assert len(started) == 2
    assert [commit.version for commit in seen] == [1]


def test_what_is_no_choice_is_refused() -> None:
    store = Store({"a": 0})
    with pytest.raises(ArgumentValueError, match="one of the two"):
        store.feed(initial=True, since=0)
    for wrong in (None, 1, store.snapshot(), {}):
        with pytest.raises(ArgumentTypeError, match="True or False"):
            store.feed(initial=wrong)  # type: ignore[arg-type]
        with pytest.raises(ArgumentTypeError, match="True or False"):
            store.subscribe(print, initial=wrong)  # type: ignore[arg-type]
    assert store.statistics().subscriptions == 0
