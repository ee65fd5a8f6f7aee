"""Commits pulled by whoever wants them, at its own pace: `Feed` and `Lagged`; `wait_for`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from math import isnan
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar

from .audience import ThreadBell
from .changes import MISSING, ChangeSet, compose_all
from .core import Core
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    ReentrantWriteError,
    WaitTimeoutError,
)
from .process import register
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
    When the main thread has ended, and with it whatever the program was, every feed ends.
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
        register(self)

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
        """Whether it has ended."""
        return self._closed or self._core.ended

    def poll(self) -> ChangeSet[K, V] | Lagged[K, V] | None:
        """Return the next item if there is one now, else None. Never waits.

        Costs O(keys changed) of what it returns; a feed with *keys* passes over the rest.
        """
        if self.closed:
            return None
        with self._taking: return self._take()  # fmt: skip  # noqa: E701

    def get(self, timeout: float | None = None) -> ChangeSet[K, V] | Lagged[K, V]:
        """Return the next item, waiting for it if need be, without polling.

        Raises:
            WaitTimeoutError: nothing came within *timeout* seconds.
            ClosedError: the feed was closed, here or by another thread.
            ReentrantWriteError: it would have to wait, inside a write to this store.
            SystemExit: the main thread has ended; see `wait_for`.
        """
        item = self._next(deadline_of(timeout, monotonic))
        if item is None:
            end_with_main_thread(self._core)
            raise ClosedError(CLOSED)
        return item

    def close(self) -> None:
        """End the feed, and wake whoever waits on it. May be called twice, from any thread."""
        self._closed = True
        self._core.wake_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChangeSet[K, V] | Lagged[K, V]:
        item = self._next(None)
        if item is None:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _next(self, deadline: float | None) -> ChangeSet[K, V] | Lagged[K, V] | None:
        while not self.closed:
            seen = self._core._current
            item = self.poll()
            if item is not None:
                return item
            await_change(self._core, seen, deadline, ended=lambda: self._closed)
        return None

    def _take(self) -> ChangeSet[K, V] | Lagged[K, V] | None:
        item, version = next_item(self._core, self._version, self._latest, self._keys)
        # On one line: whatever is raised, the feed has not moved past an item it did not yield.
        self._version = version; return item  # fmt: skip  # noqa: E702

    def _after_fork_in_child(self) -> None:
        # The thread that was taking an item is not here, and a half taken item is not taken.
        self._taking = Lock()

    def _end_waits(self) -> None:
        """Nothing: the store wakes whoever waits, and then `closed` is true."""

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"at version {self._version}"
        return f"<Feed of {'latest' if self._latest else 'every'}, {state}>"


def next_item(
    core: Core[K, V], after: int, latest: bool, keys: Collection[K] | None
) -> tuple[ChangeSet[K, V] | Lagged[K, V] | None, int]:
    """Return what a feed at version *after* yields next, None for nothing, and where it then is."""
    current = core._current
    while after < current.version:
        upto = current.version if latest else after + 1
        commits = core._ring.span(after, upto)
        if commits is None:
            # Read the reference again: the later the snapshot, the less is missed next.
            snapshot = core._current
            return Lagged(after + 1, snapshot), snapshot.version
        after = upto
        changes = ChangeSet._of(compose_all([commit._delta for commit in commits]))
        if keys is None or (changes := changes.only(keys.__contains__)):
            return changes, after
    return None, after


def wait_for(
    core: Core[K, V],
    predicate: Callable[[Snapshot[K, V]], object],
    timeout: float | None,
    keys: Collection[K] | None,
) -> Snapshot[K, V]:
    """Sleep until *predicate* is true of the current snapshot; return that snapshot."""
    refuse_no_predicate(predicate)
    deadline = deadline_of(timeout, monotonic)
    while not predicate(snapshot := core._current):
        end_with_main_thread(core)
        await_change(core, snapshot, deadline, keys)
    return snapshot


def await_change(
    core: Core[K, V],
    seen: Snapshot[K, V],
    deadline: float | None,
    keys: Collection[K] | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Sleep until the store differs from *seen*, in one of *keys* if given, or it is over.

    No wake-up is lost: the bell hangs before the look, and both the look and every publication
    are under the lock, so a commit that the look does not see finds the bell.
    """
    refuse_wait_inside_write(core)
    bell = ThreadBell()
    try:
        core.join(bell)
        while not (has_changed(core, seen, keys) or ended() or core.ended):
            if not bell.wait(deadline):
                raise WaitTimeoutError(NOTHING_CAME)
    finally:
        core.leave(bell)


NOTHING_CAME = "nothing came within the timeout; ask again, or for longer"
CLOSED = "the feed is closed; ask the store for another one"


def has_changed(core: Core[K, V], seen: Snapshot[K, V], keys: Collection[K] | None) -> bool:
    """Whether the store differs from *seen*, in one of *keys*, or for None at all."""
    # Under the lock, so that a writer that has rung and not yet published is waited for.
    with core._lock: current = core._current  # fmt: skip  # noqa: E701
    if keys is None:
        return current is not seen
    return any(seen.get(key, MISSING) is not current.get(key, MISSING) for key in keys)


def deadline_of(timeout: float | None, clock: Callable[[], float]) -> float | None:
    """Return when, on *clock*, a *timeout* that begins now is over; None for never."""
    if timeout is None:
        return None
    if not isinstance(timeout, int | float):
        raise ArgumentTypeError(f"timeout must be a number of seconds, or None, not {timeout!r}")
    # What is longer than anybody will live need not fit in a clock, or in a float.
    if timeout > 1e10:
        return None
    if isnan(timeout):
        raise ArgumentValueError("timeout must be a number of seconds, or None, not NaN")
    return clock() + max(timeout, 0)


def refuse_no_predicate(predicate: object) -> None:
    """Raise if *predicate* cannot be asked."""
    if not callable(predicate):
        raise ArgumentTypeError(f"a predicate is a function of a snapshot, not {predicate!r}")


def refuse_wait_inside_write(core: Core[Any, Any]) -> None:
    """Raise if this thread holds the lock."""
    if core._owned():
        raise ReentrantWriteError(
            "this thread is inside a write to this store, so nobody else could bring the change "
            "that it wants to wait for; wait outside the transaction"
        )


def end_with_main_thread(core: Core[Any, Any]) -> None:
    """Raise SystemExit, the quiet end of a thread, if the interpreter is going down.

    It is not one of our errors, because a thread that handles those and waits again would keep
    the process from ending.
    """
    if core.ended:
        raise SystemExit("the main thread has ended; nothing more will come")
