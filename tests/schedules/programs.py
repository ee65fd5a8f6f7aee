"""Small concurrent programs, each with what must hold of it, for anything that acts as a store.

Each is a function of what makes the store, and returns a program for `explore`. Its check
returns the outcome, or fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from cowstate.errors import ConflictError
from cowstate.testing.schedules import Program

Make: TypeAlias = Callable[[dict[str, int]], Any]


def bump(n: int) -> int:
    return n + 1


def two_writers(make: Make) -> Program:
    """No update is lost, and versions have no gap."""

    def program() -> Any:
        store = make({"n": 0})

        def writer() -> None:
            store.update("n", bump)

        def check() -> Any:
            now = store.snapshot()
            assert (now["n"], now.version) == (2, 2)
            return now["n"]

        return [writer, writer], check

    return program


def writer_and_reader(make: Make) -> Program:
    """Map, index, total and version of a snapshot are of one moment."""

    def program() -> Any:
        store = make({"a": 0, "b": 10})
        seen: list[tuple[int, int, int, int]] = []

        def writer() -> None:
            store.set("a", 1)
            store.set("a", 2)

        def reader() -> None:
            for _ in range(2):
                now = store.snapshot()
                by_value = now.find_all("value", now["a"])
                assert by_value == {"a": now["a"]}, (now["a"], by_value)
                assert now.total("sum") == now["a"] + now["b"]
                assert now.version == now["a"]
                seen.append(now.version)

        def check() -> Any:
            assert seen == sorted(seen)
            return tuple(seen)

        return [writer, reader], check

    return program


def writers_and_subscriber(make: Make) -> Program:
    """Every commit is delivered once, in version order, whichever thread wrote it."""

    def program() -> Any:
        store = make({"n": 0})
        seen: list[int] = []
        store.subscribe(lambda commit: seen.append(commit.version))

        def writer() -> None:
            store.update("n", bump)

        def check() -> Any:
            store.served()
            assert seen == [1, 2]
            return tuple(seen)

        return [writer, writer], check

    return program


def subscriber_that_writes(make: Make) -> Program:
    """A commit made by a callback comes after the current one, for every subscriber."""

    def program() -> Any:
        store = make({"n": 0, "echo": 0})
        first: list[int] = []
        second: list[int] = []

        def echo(commit: Any) -> None:
            first.append(commit.version)
            if "n" in commit.changes:
                store.update("echo", bump)

        store.subscribe(echo)
        store.subscribe(lambda commit: second.append(commit.version))

        def writer() -> None:
            store.update("n", bump)

        def check() -> Any:
            store.served()
            assert first == second == [1, 2, 3, 4]
            assert dict(store.snapshot()) == {"n": 2, "echo": 2}
            return tuple(first)

        return [writer, writer], check

    return program


def subscribe_and_write(make: Make) -> Program:
    """What comes after the version at which one subscribes is delivered, all of it, once."""

    def program() -> Any:
        store = make({"n": 0})
        seen: list[int] = []
        since: list[int] = []

        def subscriber() -> None:
            since.append(store.subscribe(lambda commit: seen.append(commit.version)).since)

        def writer() -> None:
            store.update("n", bump)
            store.update("n", bump)

        def check() -> Any:
            store.served()
            assert seen == list(range(since[0] + 1, 3))
            return since[0]

        return [subscriber, writer], check

    return program


def wait_and_write(make: Make) -> Program:
    """Who waits for what comes is woken."""

    def program() -> Any:
        store = make({"n": 0})
        seen: list[int] = []

        def waiter() -> None:
            seen.append(store.wait_for(lambda now: now["n"] == 1).version)

        def writer() -> None:
            store.update("n", bump)

        return [waiter, writer], lambda: tuple(seen)

    return program


def drafting(store: Any, conflicts: list[ConflictError]) -> Callable[[], None]:
    def drafter() -> None:
        draft = store.draft()
        draft["n"] = draft["n"] + 1
        try:
            draft.commit()
        except ConflictError as error:
            conflicts.append(error)

    return drafter


def draft_and_writer(make: Make) -> Program:
    """A draft commits over what it saw, or conflicts; no update is lost."""

    def program() -> Any:
        store = make({"n": 0})
        conflicts: list[ConflictError] = []

        def writer() -> None:
            store.update("n", bump)

        def check() -> Any:
            assert store.snapshot()["n"] + len(conflicts) == 2
            return len(conflicts)

        return [drafting(store, conflicts), writer], check

    return program


def two_drafts(make: Make) -> Program:
    """Of two drafts over one version that touch one key, one commits and one conflicts."""

    def program() -> Any:
        store = make({"n": 0})
        conflicts: list[ConflictError] = []

        def check() -> Any:
            assert store.snapshot()["n"] + len(conflicts) == 2
            return len(conflicts)

        return [drafting(store, conflicts), drafting(store, conflicts)], check

    return program


def feed_and_writer(make: Make) -> Program:
    """A feed yields every change once, in order, and none is missed in silence."""
    return _feed_and_writers(make, 1)


def feed_and_writers(make: Make) -> Program:
    """The same, with several writers."""
    return _feed_and_writers(make, 2)


def _feed_and_writers(make: Make, writers: int) -> Program:
    def program() -> Any:
        store = make({"n": 0})
        feed = store.feed()
        seen: list[tuple[int, int]] = []

        def poll() -> bool:
            commit = feed.poll()
            if commit is None:
                return False
            seen.append(tuple(commit.changes["n"]))
            return True

        def reader() -> None:
            poll()
            poll()

        def writer() -> None:
            for _ in range(2 // writers):
                store.update("n", bump)

        def check() -> Any:
            looked = len(seen)
            while poll():
                pass
            assert seen == [(0, 1), (1, 2)]
            return looked

        return [reader, *[writer] * writers], check

    return program


def transaction_and_reader(make: Make) -> Program:
    """What a transaction changes together is seen together."""

    def program() -> Any:
        store = make({"a": 5, "b": 0})
        seen: list[tuple[int, int]] = []

        def mover() -> None:
            with store.transaction() as tx:
                tx["a"] -= 3
                tx["b"] += 3

        def reader() -> None:
            for _ in range(2):
                now = store.snapshot()
                assert now["a"] + now["b"] == 5
                seen.append((now["a"], now.version))

        return [mover, reader], lambda: tuple(seen)

    return program


def two_stores_that_follow_each_other(make: Make) -> Program:
    """A callback may write to another store, whose callback writes back, without a deadlock."""

    def program() -> Any:
        left, right = make({"n": 0, "echo": 0}), make({"n": 0, "echo": 0})

        def to_right(commit: Any) -> None:
            if "n" in commit.changes:
                right.update("echo", bump)

        def to_left(commit: Any) -> None:
            if "n" in commit.changes:
                left.update("echo", bump)

        left.subscribe(to_right)
        right.subscribe(to_left)

        def write_left() -> None:
            left.update("n", bump)

        def write_right() -> None:
            right.update("n", bump)

        def check() -> Any:
            left.served()
            right.served()
            assert dict(left.snapshot()) == dict(right.snapshot()) == {"n": 1, "echo": 1}

        return [write_left, write_right], check

    return program
