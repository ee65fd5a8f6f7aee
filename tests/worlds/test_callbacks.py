"""Callbacks: never inside a write, and harmless whatever they do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

import pytest

import cowstate
from cowstate import (
    Index,
    InvariantError,
    Store,
    Subscription,
)
from tests.standing import check_store, in_another_thread
from tests.worlds import bugs_of_delivery as bugs
from tests.worlds.staging import (
    AnyCommit,
    AnyStore,
    Party,
    arrive,
    catches,
    leave,
)

# Never inside a write


class Mirror:
    """Two stores; each commit of the one is written to the other by a callback."""

    def __init__(self) -> None:
        self.armed = False
        self.source = Store({"n": 0})
        self.target: AnyStore = Store(
            {"n": 0, "m": 0},
            indexes={"i": Index(self._index)},
            invariants={"i": self._invariant},
        )
        self.other = Store({"n": 0})
        self.copied: list[int] = []
        self.inside = 0
        self.source.subscribe(self._copy, on_error=self._failed)
        self.errors: list[Exception] = []

    def _failed(self, error: Exception, commit: AnyCommit) -> None:
        self.errors.append(error)

    def _copy(self, commit: AnyCommit) -> None:
        self.copied.append(self.inside)
        self.target.set("m", commit.after["n"])

    def write(self) -> None:
        """Write to the source, inside something."""
        self.inside += 1
        self.source.update("n", lambda n: n + 1)
        assert not any(self.copied), "a callback ran inside a write"
        self.inside -= 1

    def _index(self, n: int) -> int:
        if n == 50 and self.armed:
            self.write()
        return n

    def _invariant(self, snapshot: Any, changes: Any) -> bool:
        if snapshot["n"] == 51 and self.armed:
            self.write()
            return False
        return True


def _block(mirror: Mirror) -> None:
    with mirror.target.transaction() as tx:
        mirror.write()
        tx["n"] += 1
        mirror.write()


def _failing_block(mirror: Mirror) -> None:
    with contextlib.suppress(ZeroDivisionError), mirror.target.transaction():
        mirror.write()
        1 // 0


def _nested_blocks(mirror: Mirror) -> None:
    with mirror.other.transaction(), mirror.target.transaction():
        mirror.write()


def _joint_block(mirror: Mirror) -> None:
    with cowstate.transaction(mirror.target, mirror.other) as (tx, _):
        mirror.write()
        tx["n"] += 1


def _update(mirror: Mirror) -> None:
    mirror.target.update("n", lambda n: (mirror.write(), n + 1)[1])


def _failing_update(mirror: Mirror) -> None:
    with pytest.raises(TypeError):
        mirror.target.update("n", lambda n: (mirror.write(), n + None)[1])  # type: ignore[operator]


def _transact(mirror: Mirror) -> None:
    mirror.target.transact(lambda tx: mirror.write())


def _last_attempt(mirror: Mirror) -> None:
    mirror.target.retry(lambda draft: mirror.write(), attempts=1)


def _index_function(mirror: Mirror) -> None:
    mirror.target.set("n", 50)


def _veto(mirror: Mirror) -> None:
    with pytest.raises(InvariantError):
        mirror.target.set("n", 51)


def _unrelated(mirror: Mirror) -> None:
    mirror.other.update("n", lambda n: (mirror.write(), n)[1])


def _left_elsewhere(mirror: Mirror) -> None:
    block = mirror.target.transaction()
    block.__enter__()
    mirror.write()
    in_another_thread(partial(leave, block))


def _dropped(mirror: Mirror) -> None:
    def unit() -> Any:
        with mirror.target.transaction():
            yield

    generator = unit()
    next(generator)
    mirror.write()
    del generator


OUTER: list[Callable[[Mirror], None]] = [
    _block,
    _failing_block,
    _nested_blocks,
    _joint_block,
    _update,
    _failing_update,
    _transact,
    _last_attempt,
    _index_function,
    _veto,
    _unrelated,
    _left_elsewhere,
    _dropped,
]


@catches(bugs.callbacks_run_inside_writes, "inside a write")
@catches(bugs.only_locks_count_as_writes, "inside a write")
@catches(bugs.what_was_put_off_is_forgotten, "was not mirrored")
@catches(bugs.who_leaves_a_block_pays_only_for_itself, "was not mirrored")
def test_no_callback_runs_while_its_thread_is_inside_a_write_to_any_store() -> None:
    for outer in OUTER:
        mirror = Mirror()
        mirror.armed = True
        outer(mirror)
        assert not mirror.inside
        written = mirror.source.snapshot()["n"]
        assert written, outer.__name__
        # Delivered by now, and it could write.
        assert mirror.copied == [0] * written, f"{outer.__name__} was not mirrored"
        assert not mirror.errors, mirror.errors
        assert mirror.target.snapshot()["m"] == written, f"{outer.__name__} was not mirrored"
        check_store(mirror.source, subscriptions=1)
        check_store(mirror.target)


@catches(bugs.callbacks_run_inside_writes, "inside a write|was not delivered")
def test_a_thread_that_is_in_no_write_delivers_beside_one_that_is() -> None:
    mirror = Mirror()
    entered, go = Event(), Event()

    def hold() -> None:
        with mirror.other.transaction():
            entered.set()
            arrive(go)
            mirror.write()

    holder = Party(hold)
    arrive(entered)
    mirror.source.set("n", 5)
    assert mirror.target.snapshot()["m"] == 5, "it was not delivered"
    go.set()
    holder.result()
    assert mirror.target.snapshot()["m"] == 6
    assert not mirror.errors


# Whatever they do


@catches(bugs.what_is_no_exception_leaves_at_once, "its siblings")
@catches(bugs.what_is_no_exception_is_swallowed, "DID NOT RAISE")
def test_what_is_no_exception_reaches_the_writer_when_its_siblings_have_had_the_commit() -> None:
    store, seen = Store({"n": 0}), list[tuple[str, int]]()

    def note(name: str, error: type[BaseException] | None, commit: AnyCommit) -> None:
        seen.append((name, commit.version))
        if error is not None and commit.version == 1:
            raise error

    store.subscribe(partial(note, "a", None))
    store.subscribe(partial(note, "b", KeyboardInterrupt))
    store.subscribe(partial(note, "c", ValueError), on_error=lambda error, commit: None)
    store.subscribe(partial(note, "d", SystemExit))
    store.subscribe(partial(note, "e", None), keys=["n"])
    with pytest.raises(KeyboardInterrupt):
        store.set("n", 1)
    assert seen == [(name, 1) for name in "abcde"], "its siblings have not had the commit"
    store.set("n", 2)
    assert seen[5:] == [(name, 2) for name in "abcde"]
    check_store(store, subscriptions=5)


@catches(bugs.those_who_have_left_are_still_called, "was called")
@catches(bugs.newcomers_begin_before_they_are_made, "it has not begun|was called")
def test_a_callback_may_end_itself_and_others_and_begin_new_ones() -> None:
    store, calls = Store({"n": 0}), list[tuple[str, int]]()
    handles: dict[str, Subscription[str, int]] = {}

    def note(name: str, commit: AnyCommit) -> None:
        calls.append((name, commit.version))

    def busy(commit: AnyCommit) -> None:
        note("busy", commit)
        if commit.version == 1:
            handles["before"].close()
            handles["busy"].close()
            handles["after"].close()
            handles["new"] = store.subscribe(partial(note, "new"))

    for name, callback in (("before", None), ("busy", busy), ("after", None), ("last", None)):
        handles[name] = store.subscribe(callback or partial(note, name))
    store.set("n", 1)
    store.set("n", 2)
    assert calls == [
        ("before", 1),
        ("busy", 1),
        ("last", 1),
        ("last", 2),
        ("new", 2),
    ], f"one that had ended, or had not begun, was called: {calls}"
    assert handles["new"].since == 1, "it has not begun where it was made"
    for name in ("last", "new"):
        handles[name].close()
    check_store(store)
