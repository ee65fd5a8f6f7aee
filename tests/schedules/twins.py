"""A small store that is right, and its twins, each of which has one bug.

They are what the programs must catch: a program that passes with the twin made for it shows
nothing of the real store. `Right` does as little as the programs ask for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition, Lock, RLock
from types import SimpleNamespace
from typing import Any

from cowstate.errors import ConflictError

Records = dict[str, int]


def index_of(records: Records) -> dict[int, Records]:
    index: dict[int, Records] = {}
    for key, value in records.items():
        index.setdefault(value, {})[key] = value
    return index


class View(Mapping[str, int]):
    """One version."""

    def __init__(self, version: int, records: Records, index: dict[int, Records]) -> None:
        self.version, self.records, self.index = version, records, index

    def __getitem__(self, key: str) -> int:
        return self.records[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def find_all(self, _: str, value: int) -> Records:
        return self.index.get(value, {})

    def total(self, _: str) -> int:
        return sum(self.records.values())


def commit_of(before: View, after: View) -> Any:
    keys = [key for key in after if after[key] is not before.get(key)]
    changes = {key: (before.get(key), after[key]) for key in keys}
    return SimpleNamespace(version=after.version, before=before, after=after, changes=changes)


class Right:
    """The store without a bug."""

    def __init__(self, records: Records) -> None:
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._current = View(0, records, index_of(records))
        self._log: dict[int, Any] = {}
        self._callbacks: tuple[Callable[[Any], None], ...] = ()
        self._undelivered: deque[Any] = deque()
        self._turn = Lock()

    def snapshot(self) -> View:
        return self._current

    def update(self, key: str, fn: Callable[[int], int]) -> None:
        with self._lock:
            self._publish({key: fn(self._current[key])})
        self._deliver()

    def set(self, key: str, value: int) -> None:
        self.update(key, lambda _: value)

    @contextmanager
    def transaction(self) -> Iterator[Records]:
        with self._lock:
            work = dict(self._current)
            yield work
            self._publish(work)
        self._deliver()

    def _publish(self, changes: Records) -> None:
        before = self._current
        records = {**before.records, **changes}
        after = View(before.version + 1, records, index_of(records))
        commit = commit_of(before, after)
        if self._callbacks:
            self._undelivered.append(commit)
        self._show(after, commit)
        self._changed.notify_all()

    def _show(self, after: View, commit: Any) -> None:
        self._log[after.version] = commit
        self._current = after

    def _deliver(self) -> None:
        while self._undelivered:
            if not self._turn.acquire(blocking=False):
                return
            while self._undelivered:
                commit = self._undelivered[0]
                for callback in self._callbacks:
                    callback(commit)
                self._undelivered.popleft()
            self._turn.release()

    def served(self) -> None:
        """All is delivered by the writers: there is no other thread."""

    def subscribe(self, callback: Callable[[Any], None]) -> Any:
        with self._lock:
            since = self._current.version
            self._join(callback, since)
        return SimpleNamespace(since=since)

    def _join(self, callback: Callable[[Any], None], since: int) -> None:
        def follow(commit: Any) -> None:
            if commit.version > since:
                callback(commit)

        self._callbacks = (*self._callbacks, follow)

    def wait_for(self, predicate: Callable[[View], object]) -> View:
        with self._changed:
            self._changed.wait_for(lambda: predicate(self._current))
            return self._current

    def draft(self) -> Draft:
        return Draft(self)

    def commit_draft(self, draft: Draft) -> None:
        with self._lock:
            self._check(draft)
            self._publish(dict(draft))
        self._deliver()

    def _check(self, draft: Draft) -> None:
        now, then = self._current, draft.base
        keys = [key for key in draft if now[key] is not then[key]]
        if keys:
            raise ConflictError(keys, then.version, now.version)

    def feed(self) -> Feed:
        return Feed(self)


class Draft(dict[str, int]):
    def __init__(self, store: Right) -> None:
        self.store = store
        self.base = store.snapshot()

    def __missing__(self, key: str) -> int:
        return self.base[key]

    def commit(self) -> None:
        self.store.commit_draft(self)


class Feed:
    def __init__(self, store: Right) -> None:
        self.store = store
        self.version = store.snapshot().version

    def poll(self) -> Any:
        now = self.store.snapshot().version
        if self.version == now:
            return None
        while self.version < now:
            self.version += 1
            commit = self.store._log.get(self.version)
            if commit is not None:
                return commit
        return None


class IndexPublishedApart(Right):
    """The index is a reference of its own, stored after the map."""

    def __init__(self, records: Records) -> None:
        super().__init__(records)
        self._index = index_of(records)

    def snapshot(self) -> View:
        now = self._current
        return View(now.version, now.records, self._index)

    def _publish(self, changes: Records) -> None:
        super()._publish(changes)
        self._index = self._current.index


class MapPublishedInSteps(Right):
    """A transaction's keys become visible one after the other."""

    def _publish(self, changes: Records) -> None:
        for key, value in changes.items():
            super()._publish({key: value})


class CheckedOutsideTheLock(Right):
    """The record is read before the lock is taken."""

    def update(self, key: str, fn: Callable[[int], int]) -> None:
        value = fn(self._current[key])
        with self._lock:
            self._publish({key: value})
        self._deliver()


class DraftCheckedOutsideTheLock(Right):
    """The draft is compared with what is current, and then the lock is taken."""

    def commit_draft(self, draft: Draft) -> None:
        self._check(draft)
        with self._lock:
            self._publish(dict(draft))
        self._deliver()


class OrderByLuck(Right):
    """Each writer tells the subscribers of its own commit when it has given the lock back."""

    def _deliver(self) -> None:
        if self._undelivered:
            commit = self._undelivered.popleft()
            for callback in self._callbacks:
                callback(commit)


class NobodyLooksAgain(Right):
    """Who has the turn does not look again after giving it back."""

    def _deliver(self) -> None:
        if not self._turn.acquire(blocking=False):
            return
        while self._undelivered:
            commit = self._undelivered.popleft()
            for callback in self._callbacks:
                callback(commit)
        self._turn.release()


class SubscribeGap(Right):
    """The version is read, and then one subscribes: what comes between is missed."""

    def subscribe(self, callback: Callable[[Any], None]) -> Any:
        since = self._current.version
        with self._lock:
            self._join(callback, self._current.version)
        return SimpleNamespace(since=since)


class SubscribeDouble(Right):
    """One subscribes without noting the version: what is still undelivered comes as well."""

    def subscribe(self, callback: Callable[[Any], None]) -> Any:
        with self._lock:
            since = self._current.version
            self._join(callback, -1)
        return SimpleNamespace(since=since)

    def _publish(self, changes: Records) -> None:
        # As a store must that has had subscribers before.
        before = self._current
        super()._publish(changes)
        if not self._callbacks:
            self._undelivered.append(commit_of(before, self._current))


class LostWakeUp(Right):
    """The predicate is asked before the lock is taken, and not again."""

    def wait_for(self, predicate: Callable[[View], object]) -> View:
        while not predicate(self._current):
            with self._changed:
                self._changed.wait()
        return self._current


class LogAfterThePublication(Right):
    """The commit is put where feeds look for it when its version is already visible."""

    def _show(self, after: View, commit: Any) -> None:
        self._current = after
        self._log[after.version] = commit


class ToldUnderTheLock(Right):
    """Subscribers are called under the lock, so two stores take each other's in either order."""

    def update(self, key: str, fn: Callable[[int], int]) -> None:
        with self._lock:
            self._publish({key: fn(self._current[key])})
            self._deliver()
