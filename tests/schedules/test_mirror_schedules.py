"""A mirror's thread beside other writers and who closes it: every order, within a bound.

And the bugs that this would catch: a mirror that writes what it worked out whatever was written
since, one that publishes a list key by key, and one that says too early that it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cowstate import MISSING, Store
from cowstate.errors import ScheduleError
from cowstate.mirror import Changes, Listed, Mirror, threads
from cowstate.mirror.publisher import Publisher
from cowstate.testing.schedules import Exploration, Program, explore

MODULES = [f"cowstate.mirror.{name}" for name in ("threads", "publisher", "gate")]


class Told:
    """A source whose watch tells these changes, and then closes its mirror or ends."""

    def __init__(self, listed: Any, changes: Any = ()) -> None:
        self.listed = listed
        self.changes = list(changes)
        self.mirror: Any = None

    def list(self) -> Any:
        return Listed(self.listed, 0)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        yield from self.changes
        self.mirror.close()


def mirror_of(store: Any, source: Told, kind: Any) -> Mirror[Any, Any]:
    mirror: Mirror[str, int] = Mirror(store, source, backoff=lambda failures: 0.0)
    mirror._publisher = kind(store, None)
    source.mirror = mirror
    return mirror


def search(program: Program, preemptions: int) -> Exploration:
    # A write of the store's is one step: what is within it is explored beside this file.
    return explore(program, modules=MODULES, preemptions=preemptions, reduction=False)


def list_and_writer(kind: Any) -> Program:
    """What is listed comes as one version that has all of it, and no change that is none."""

    def program() -> Any:
        store = Store({"a": 0.0, "b": 0.0, "own": 0.0})
        seen: list[Any] = []
        store.subscribe(seen.append)
        listed = {"a": float("1"), "b": float("1")}
        mirror = mirror_of(store, Told(listed), kind)

        def writer() -> None:
            store.set("a", float("1"))  # equal to what is listed, and another object

        def check() -> Any:
            (commit,) = [commit for commit in seen if "own" in commit.changes]
            assert dict(commit.after) == listed
            assert len(seen) == 2  # and the writer's
            for old, new in commit.changes.values():
                assert new is MISSING or old != new
            return len(commit.changes)

        return [mirror.run, writer], check

    return program


def changes_and_closer(kind: Any) -> Program:
    """After close has said so, nothing is published."""

    def program() -> Any:
        store: Store[str, int] = Store()
        source = Told({"a": 1}, [Changes({"a": 2}), Changes({"a": 3})])
        mirror = mirror_of(store, source, kind)
        left: list[Any] = []

        def closer() -> None:
            if mirror.close():
                left.append(store.snapshot())

        def run() -> None:
            try:
                mirror.run()
            except RuntimeError:  # it was closed before it began
                pass

        def check() -> Any:
            now = store.snapshot()
            if left:
                assert now is left[0]
            assert now.get("a", MISSING) in (MISSING, 1, 2, 3)
            return now.version

        return [run, closer], check

    return program


class Blind(Publisher[str, Any]):
    """It writes what it worked out, whatever was written since."""

    def _write(self, base: Any, writes: Any, told: Any) -> Any:
        with self._store.transaction() as tx:
            for key, record in writes.items():
                if record is MISSING:
                    del tx[key]
                else:
                    tx[key] = record
        return tx.result


class KeyByKey(Publisher[str, Any]):
    """It publishes a list one key after the other."""

    def _write(self, base: Any, writes: Any, told: Any) -> Any:
        commit = None
        for key, record in writes.items():
            commit = self._store.delete(key) if record is MISSING else self._store.set(key, record)
        return commit


def test_a_list_is_whole_in_every_order() -> None:
    result = search(list_and_writer(Publisher), 2)
    assert result.complete
    assert set(result.outcomes) == {2, 3}


@pytest.mark.parametrize("twin", [Blind, KeyByKey])
def test_the_bug_of_each_twin_is_found(twin: Any) -> None:
    with pytest.raises(ScheduleError):
        search(list_and_writer(twin), 2)


def test_when_it_is_closed_nothing_comes_in_every_order() -> None:
    result = search(changes_and_closer(Publisher), 1)
    assert result.complete
    assert {0, 3} <= set(result.outcomes)


def test_who_says_that_it_has_ended_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = threads.Mirror.close

    def early(mirror: Any, timeout: float | None = None) -> bool:
        plain(mirror, timeout)
        return True

    monkeypatch.setattr(threads.Mirror, "close", early)
    with pytest.raises(ScheduleError):
        search(changes_and_closer(Publisher), 1)
