"""Commits pulled by whoever wants them, at its own pace: `Feed` and `Lagged`; `wait_for`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar

from .audience import ThreadBell
from .changes import MISSING, ChangeSet, compose_all
from .core import Core
from .errors import ClosedError, ReentrantWriteError, WaitTimeoutError
from .snapshot import Snapshot

__all__ = ["Feed", "FeedMode", "Lagged", "wait_for"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FeedMode: TypeAlias = Literal["every", "latest"]


class Lagged(NamedTuple, Generic[K, V]):
    """What a feed yields instead of the commits that the ring had passed before it came.

    Attributes:
        missed_from: the first version whose changes were missed.
        snapshot: where the feed goes on from: everything up to its version is in it.
    """

    missed_from: int
    snapshot: Snapshot[K, V]


class Feed(Generic[K, V]):
    """An iterator over the changes of a store, at the reader's own pace.

    It keeps nothing but a position in the store's ring of recent commits, so a slow feed, or a
    thousand of them, costs a writer nothing and memory no more than the ring. A feed that falls
    behind the ring yields one `Lagged` and goes on from the snapshot in it.

    Made by ``store.feed``. Several threads may share one feed: each item goes to one of them.
    """

    def __init__(
        self, core: Core[K, V], mode: FeedMode, keys: Collection[K] | None, since: int
    ) -> None:
        self._core = core
        self._latest = mode == "latest"
        self._keys = keys
        self._version = since
        self._closed = False
        self._taking = Lock()

    @property
    def version(self) -> int:
        """The version up to which everything has been yielded."""
        return self._version

    @property
    def snapshot(self) -> Snapshot[K, V]:
        """The snapshot of that version: what the next item comes after.

        Raises:
            CompactedError: the ring has passed it; the next item will be a `Lagged`.
        """
        return self._core._retention.at(self._version, self._core._current)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed

    def poll(self) -> ChangeSet[K, V] | Lagged[K, V] | None:
        """Return the next item if there is one now, else None. Never waits.

        Costs O(keys changed) of what it returns; a feed with *keys* passes over the rest.
        """
        if self._closed:
            return None
        with self._taking: return self._take()  # fmt: skip  # noqa: E701

    def get(self, timeout: float | None = None) -> ChangeSet[K, V] | Lagged[K, V]:
        """Return the next item, waiting for it if need be, without polling.

        Raises:
            WaitTimeoutError: nothing came within *timeout* seconds.
            ClosedError: the feed was closed, here or by another thread.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            seen = self._core._current
            item = self.poll()
            if item is not None:
                return item
            if self._closed:
                raise ClosedError("the feed is closed; ask the store for another one")
            await_change(self._core, seen, deadline, lambda: self._closed)

    def close(self) -> None:
        """End the feed, and wake whoever waits on it. May be called twice, from any thread."""
        self._closed = True
        self._core.wake_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChangeSet[K, V] | Lagged[K, V]:
        try:
            return self.get()
        except ClosedError:
            raise StopIteration from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self) -> ChangeSet[K, V] | Lagged[K, V] | None:
        current = self._core._current
        while self._version < current.version:
            upto = current.version if self._latest else self._version + 1
            commits = self._core._ring.span(self._version, upto)
            if commits is None:
                # Read the reference again: the later the snapshot, the less is missed next.
                snapshot = self._core._current
                missed_from, self._version = self._version + 1, snapshot.version
                return Lagged(missed_from, snapshot)
            self._version = upto
            keys = self._keys
            changes = ChangeSet._of(compose_all([commit._delta for commit in commits]))
            if keys is None:
                return changes
            changes = changes.only(keys.__contains__)
            if changes:
                return changes
        return None

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"at version {self._version}"
        return f"<Feed of {'latest' if self._latest else 'every'}, {state}>"


def await_change(
    core: Core[K, V],
    seen: Snapshot[K, V],
    deadline: float | None,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Sleep until the store has another version than *seen*, or ``ended()``.

    No wake-up is lost: the bell hangs before the look, and both the look and every publication
    are under the lock, so a commit that the look does not see finds the bell.
    """
    if core._lock._is_owned():  # type: ignore[attr-defined]
        raise ReentrantWriteError(
            "this thread is inside a write to this store, so nobody else could bring the change "
            "that it wants to wait for; wait outside the transaction"
        )
    bell = ThreadBell()
    try:
        core.join(bell)
        while True:
            with core._lock:
                changed = core._current is not seen
            if changed or ended():
                return
            if core.ended:
                raise ClosedError("the interpreter is shutting down; nothing more will come")
            if not bell.wait(None if deadline is None else deadline - monotonic()):
                raise WaitTimeoutError("nothing came within the timeout; ask again, or for longer")
    finally:
        core.leave(bell)


def wait_for(
    core: Core[K, V],
    predicate: Callable[[Snapshot[K, V]], object],
    timeout: float | None,
    keys: Collection[K] | None,
) -> Snapshot[K, V]:
    """Sleep until *predicate* is true of the current snapshot; return that snapshot."""
    deadline = None if timeout is None else monotonic() + timeout
    snapshot = core._current
    while not predicate(snapshot):
        snapshot = _next_look(core, snapshot, deadline, keys)
    return snapshot


def _next_look(
    core: Core[K, V], seen: Snapshot[K, V], deadline: float | None, keys: Collection[K] | None
) -> Snapshot[K, V]:
    latest = seen
    while True:
        await_change(core, latest, deadline)
        latest = core._current
        if concerns(seen, latest, keys):
            return latest


def concerns(older: Snapshot[K, V], newer: Snapshot[K, V], keys: Collection[K] | None) -> bool:
    """Whether two snapshots differ in one of *keys*, or for None at all."""
    if keys is None:
        return older is not newer
    return any(older.get(key, MISSING) is not newer.get(key, MISSING) for key in keys)
