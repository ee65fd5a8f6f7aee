"""Who wants to know of commits: callbacks, in order and outside the lock; sleepers, woken."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable
from threading import TIMEOUT_MAX, Lock, RLock
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeAlias, TypeVar

from .errors import ArgumentTypeError, ArgumentValueError
from .snapshot import Commit, Snapshot

__all__ = ["Audience", "Bell", "OnError", "Subscription", "ThreadBell"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OnError: TypeAlias = 'Literal["log", "stop"] | Callable[[Exception, Commit[Any, Any]], object]'
"""What becomes of an exception out of a callback: logged, logged and the subscription closed,
or handed to ``handler(error, commit)``."""

_log = logging.getLogger("cowstate")


class Subscription(Generic[K, V]):
    """A callback that is given every commit, once and in version order.

    Made by ``store.subscribe``. The callback runs in the thread of one of the writers, never
    under the store's lock; it may read and write the store. Use it as a context manager, or
    call `close`, to end it.

    Attributes:
        since: the version at which it began. The first commit delivered is the next one.
    """

    def __init__(
        self,
        since: int,
        callback: Callable[[Commit[K, V]], object],
        keys: Collection[K] | None,
        on_error: OnError,
        at: Callable[[int], Snapshot[K, V]],
        leave: Callable[[Subscription[K, V]], None],
    ) -> None:
        self.since = since
        self._callback = callback
        self._keys = keys
        self._on_error = on_error
        self._at = at
        self._leave = leave
        self._delivered = since
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    @property
    def snapshot(self) -> Snapshot[K, V]:
        """The snapshot at which it began: everything before the first commit delivered.

        Raises:
            CompactedError: asked so late that the store no longer retains that version.
        """
        return self._at(self.since)

    @property
    def delivered(self) -> int:
        """The version up to which every commit has been handed to the callback."""
        return self._delivered

    def close(self) -> None:
        """End it. May be called twice, from any thread, and by the callback.

        No further call begins, but for one that another thread is about to make at this moment.
        """
        self._closed = True
        self._leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _offer(self, commit: Commit[K, V]) -> None:
        if self._closed or commit.version <= self._delivered:
            return
        try:
            wanted = self._keys is None or touches(commit, self._keys)
            # On one line, and the mark first: whatever is raised inside or around the call, this
            # commit is never handed over a second time, and never passed over without a call.
            self._delivered = commit.version; wanted and self._callback(commit)  # fmt: skip  # noqa: E702
        except Exception as error:
            self._failed(error, commit)

    def _failed(self, error: Exception, commit: Commit[K, V]) -> None:
        if callable(self._on_error):
            try:
                self._on_error(error, commit)
            except Exception:
                _log.exception("the error handler of a subscriber failed at %r", commit)
            return
        _log.error("a subscriber failed at %r", commit, exc_info=error)
        if self._on_error == "stop":
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"delivered up to {self._delivered}"
        return f"<Subscription of {self._callback!r}, {state}>"


class Bell(Protocol):
    """Wakes who sleeps until the next commit.

    Rung under the store's lock, by whichever thread writes, so it must not block or raise; and
    rung as often as there are commits, whether or not anybody has woken up in between.
    """

    @property
    def sleepers(self) -> int:
        """How many threads or tasks it wakes."""

    def ring(self) -> None:
        """Wake them."""


class ThreadBell:
    """Wakes one thread. A ring before the wait is not lost."""

    __slots__ = ("_asleep",)

    def __init__(self) -> None:
        self._asleep = Lock()
        self._asleep.acquire()

    @property
    def sleepers(self) -> int:
        """One."""
        return 1

    def ring(self) -> None:
        """Wake the thread."""
        try:
            self._asleep.release()
        except RuntimeError:  # rung before, and not heard yet
            pass

    def wait(self, deadline: float | None) -> bool:
        """Sleep until rung; False if that took until *deadline* on the monotonic clock."""
        while deadline is not None:
            left = max(deadline - monotonic(), 0)
            if self._asleep.acquire(timeout=min(left, TIMEOUT_MAX)):
                return True
            if left <= TIMEOUT_MAX:
                return False
        return self._asleep.acquire()


class Audience(Generic[K, V]):
    """Everybody who wants to know of the commits of one store.

    `announce` is called under the store's lock, just *before* the publication, and only notes
    and wakes. Who is woken takes that lock before looking, so sees the publication, and a writer
    that fails between the two has woken somebody for nothing, never left somebody asleep.
    """

    def __init__(self, current: Callable[[], Snapshot[K, V]]) -> None:
        self._published = current
        self.subscriptions: tuple[Subscription[K, V], ...] = ()
        self.bells: tuple[Bell, ...] = ()
        self.undelivered: deque[Commit[K, V]] = deque()
        # Reentrant in kind so that it knows its owner; never entered twice.
        self._turn = RLock()

    def __bool__(self) -> bool:
        return bool(self.subscriptions or self.bells)

    @property
    def sleepers(self) -> int:
        """How many threads and tasks sleep until the next commit."""
        return sum(bell.sleepers for bell in self.bells)

    def announce(self, commit: Commit[K, V]) -> None:
        """Note *commit* for the subscribers and wake the sleepers. Under the lock."""
        undelivered = self.undelivered
        try:
            # What an earlier writer announced and then failed to publish.
            while undelivered and undelivered[-1].version >= commit.version:
                undelivered.pop()
        except IndexError:  # whoever delivers took the last one, between the two looks at it
            pass
        if self.subscriptions:
            undelivered.append(commit)
        self.wake()

    def wake(self) -> None:
        """Wake the sleepers. Under the lock."""
        for bell in self.bells:
            bell.ring()

    def deliver(self) -> None:
        """Hand what is undelivered to the subscribers, unless somebody is at it. No lock held.

        Whoever finds the turn taken may go: its commit was noted before it looked, and the
        thread whose turn it is looks again after giving the turn back. A callback that writes
        finds the turn taken by itself, so its commit comes after the current one.
        """
        turn = self._turn
        if turn._is_owned():  # type: ignore[attr-defined]
            return
        while True:
            # Twice, so that an exception raised on the way into the inner one's cleanup does not
            # leave the turn taken for ever.
            try:
                try:
                    if not turn.acquire(blocking=False):
                        return
                    self._drain()
                finally:
                    if turn._is_owned():  # type: ignore[attr-defined]
                        turn.release()
            finally:
                if turn._is_owned():  # type: ignore[attr-defined]
                    turn.release()
            if not self._ready():
                return

    def _ready(self) -> bool:
        published = self._published().version
        try:
            return self.undelivered[0].version <= published
        except IndexError:
            return False

    def _drain(self) -> None:
        undelivered = self.undelivered
        # The published version first: were it read after a commit, one that was noted and not
        # published could pass for the one that was published in its place meanwhile.
        published = self._published().version
        # Only who has the turn takes from this end, and what is published stays noted.
        while undelivered and undelivered[0].version <= published:
            for subscription in self.subscriptions:
                subscription._offer(undelivered[0])
            undelivered.popleft()

    def after_fork_in_child(self) -> None:
        """Forget the sleepers and the turn of threads that are not in the child."""
        if not self._turn._is_owned():  # type: ignore[attr-defined]
            self._turn = RLock()
        self.bells = ()


def touches(commit: Commit[K, V], keys: Iterable[K]) -> bool:
    """Whether *commit* changed one of *keys*."""
    delta = commit._delta
    return any(key in delta for key in keys)


def checked_keys(keys: Iterable[K] | None) -> frozenset[K] | None:
    """Return *keys* as a set, None for all; a bare str is refused."""
    if keys is None:
        return None
    if isinstance(keys, str | bytes):
        raise ArgumentTypeError(f"keys must be a collection of keys; for one write [{keys!r}]")
    try:
        return frozenset(keys)
    except TypeError as error:
        raise ArgumentTypeError(f"keys must be a collection of hashable keys: {error}") from None


def checked_on_error(on_error: OnError) -> OnError:
    """Return *on_error* if it is one of the choices."""
    if callable(on_error) or on_error in ("log", "stop"):
        return on_error
    raise ArgumentValueError(
        f"on_error must be 'log', 'stop' or a function of (error, commit), not {on_error!r}"
    )
