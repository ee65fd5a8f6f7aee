"""Retained versions: what a store can still show of its past, and what is pinned."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from .errors import ArgumentTypeError, ArgumentValueError, ClosedError, CompactedError
from .records import Record
from .ring import Ring
from .snapshot import Commit, Snapshot

__all__ = ["History", "Pin", "Retention"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class History(Record):
    """How much of its past a store keeps, for `Store.at`, feeds and fast diffs.

    A retained version costs what changed in it, never a copy. A longer past than this is kept
    for as long as somebody pins the version, or simply holds the snapshot.

    Args:
        versions: how many versions before the current one; at least 1.
        seconds: how long after it was superseded a version is kept, at the most; None for as
            long as *versions* allows. What is too old is let go by the next write.
        clock: where the seconds come from.
    """

    versions: int = 1024
    seconds: float | None = None
    clock: Callable[[], float] = monotonic

    def __post_init__(self) -> None:
        if not isinstance(self.versions, int) or isinstance(self.versions, bool):
            raise ArgumentTypeError(f"versions must be a whole number, not {self.versions!r}")
        if self.versions < 1:
            raise ArgumentValueError(f"versions must be at least 1, not {self.versions}")
        if not isinstance(self.seconds, int | float | None):
            raise ArgumentTypeError(f"seconds must be a number, or None, not {self.seconds!r}")
        if self.seconds is not None and not self.seconds > 0:
            raise ArgumentValueError(f"seconds must be above 0, or None, not {self.seconds!r}")


class Pin(Generic[K, V]):
    """Keeps one version within reach of `Store.at`, until it is closed.

    Made by ``store.pin``; use it in a ``with``, or call `close`.

    Attributes:
        snapshot: the version that it keeps.
        why: the reason given, for ``statistics()``.
    """

    def __init__(
        self, snapshot: Snapshot[K, V], why: str, leave: Callable[[Pin[K, V]], None]
    ) -> None:
        self.snapshot = snapshot
        self.why = why
        self._leave = leave

    @property
    def version(self) -> int:
        """The version that it keeps."""
        return self.snapshot.version

    def close(self) -> None:
        """Let the version go. May be called twice."""
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

    def __repr__(self) -> str:
        return f"<Pin of version {self.version}{f', {self.why}' if self.why else ''}>"


class Retention(Generic[K, V]):
    """The retained versions of one store: those in its ring that are young enough, and the pins.

    Changed under the store's lock; read without it.
    """

    def __init__(self, bounds: History, ring: Ring[Commit[K, V]]) -> None:
        self._ring = ring
        self._seconds = bounds.seconds
        self._clock = bounds.clock
        self._times: list[float] = [0.0] * (0 if bounds.seconds is None else bounds.versions)
        self._expired = 0
        self.pins: tuple[Pin[K, V], ...] = ()

    @property
    def aging(self) -> bool:
        """Whether versions are let go by age."""
        return self._seconds is not None

    def age(self, version: int) -> None:
        """Note when *version* was committed, and let go what is too old. Under the lock.

        Costs O(1) a version over the life of the store.
        """
        now = self._clock()
        ring, times = self._ring, self._times
        times[version % ring.capacity] = now
        expired = max(self._expired, version - ring.capacity)
        while expired + 1 < version and self._too_old(expired + 1, now):
            expired += 1
            ring.slots[expired % ring.capacity] = None
        self._expired = expired

    def _too_old(self, version: int, now: float) -> bool:
        return self._seconds is not None and (
            now - self._times[version % self._ring.capacity] > self._seconds
        )

    def _superseded(self, version: int) -> Commit[K, V] | None:
        """Return the commit that put an end to *version*, if it is retained."""
        commit = self._ring.get(version + 1)
        if commit is None or (self.aging and self._too_old(version + 1, self._clock())):
            return None
        return commit

    def at(self, version: int, current: Snapshot[K, V]) -> Snapshot[K, V]:
        """Return the snapshot of *version*."""
        if not isinstance(version, int) or isinstance(version, bool):
            raise ArgumentTypeError(f"a version is a whole number, not {version!r}")
        if not 0 <= version <= current.version:
            raise ArgumentValueError(
                f"there is no version {version}; the versions run from 0 to {current.version}"
            )
        if version == current.version:
            return current
        commit = self._superseded(version)
        if commit is not None:
            return commit.before
        for pin in self.pins:
            if pin.version == version:
                return pin.snapshot
        raise CompactedError(version, self.oldest(current))

    def oldest(self, current: Snapshot[K, V]) -> int:
        """Return the oldest version from which on all are retained. Costs O(retained)."""
        version = current.version
        while version > 0 and self._superseded(version - 1) is not None:
            version -= 1
        return version

    def unpin(self, pin: Pin[Any, Any]) -> None:
        """Drop *pin*. Under the lock."""
        self.pins = tuple(other for other in self.pins if other is not pin)


def checked_pin(pin: object, retention: Retention[Any, Any]) -> Pin[Any, Any]:
    """Return *pin* if it is one of this store's that is still open."""
    if not isinstance(pin, Pin):
        raise ArgumentTypeError(f"unpin takes what pin returned, not {pin!r}")
    if pin not in retention.pins:
        raise ClosedError("that pin is of another store, or was closed before")
    return pin
