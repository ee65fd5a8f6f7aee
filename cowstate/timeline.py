"""What is and what was: the one reference, the ring of recent commits, and the pins."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from time import monotonic
from typing import Generic, TypeVar
from weakref import ref

from .commit import Commit
from .deferral import Deferral
from .errors import ArgumentTypeError, ArgumentValueError, ClosedError, CompactedError
from .meta import M, WithMeta
from .records import Record
from .ring import Ring
from .scope import Scoped
from .showing import shown
from .snapshot import Snapshot

__all__ = ["BACKLOG", "History", "Pin", "Timeline"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

BACKLOG = 1024
"""How many commits may wait for a subscriber before it is told that it has lagged."""


class History(Record):
    """How much of its past a store keeps, for `Store.at`, feeds and fast diffs.

    A retained version costs what changed in it, never a copy. A longer past than this is kept
    for as long as somebody pins the version, or simply holds the snapshot. Commits that
    subscribers have yet to be given are kept besides, up to 1,024 of them.

    Args:
        versions: how many versions before the current one; at least 1.
        seconds: how long after it was superseded a version is kept, at the most; None for as
            long as *versions* allows. What is too old is let go by the next write.
        bytes: how much memory the versions before the current one may take together, by an
            estimate; None for no bound. The newest of them is always kept. The estimate counts
            the new records themselves (not what they refer to), the path copied in the map and
            in each index, and the fixed parts of a version; it is within a factor of two of what
            is measured for records that own what they hold.
        clock: where the seconds come from.

    >>> from cowstate import Store
    >>> store = Store({"a": 0}, history=History(versions=2))
    >>> for n in range(1, 10):
    ...     commit = store.set("a", n)
    >>> store.statistics().oldest, store.at(7)["a"]
    (7, 7)
    """

    versions: int = 1024
    seconds: float | None = None
    clock: Callable[[], float] = monotonic
    bytes: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("versions", self.versions), ("bytes", self.bytes)):
            if least is None and name == "bytes":
                continue
            if not isinstance(least, int) or isinstance(least, bool):
                raise ArgumentTypeError(f"{name} must be a whole number, not {shown(least)}")
            if least < 1:
                raise ArgumentValueError(f"{name} must be at least 1, not {least}")
        if not isinstance(self.seconds, int | float | None):
            raise ArgumentTypeError(f"seconds must be a number, or None, not {shown(self.seconds)}")
        if self.seconds is not None and not self.seconds > 0:
            raise ArgumentValueError(f"seconds must be above 0, or None, not {shown(self.seconds)}")


class Pin(Scoped, WithMeta, Generic[K, V, M]):
    """Keeps one version within reach of `Store.at`, until it is closed.

    Made by ``store.pin``; use it in a ``with``, or call `close`.

    >>> from cowstate import History, Store
    >>> store = Store({"a": 0}, history=History(versions=1))
    >>> with store.pin(why="a report") as pin:
    ...     for n in range(1, 10):
    ...         commit = store.set("a", n)
    ...     pin.version, pin.snapshot["a"], store.at(0)["a"], pin.closed
    (0, 0, 0, False)
    >>> pin.closed
    True

    Attributes:
        snapshot: the version that it keeps.
        why: the reason given, for ``statistics()``.
    """

    def __init__(self, snapshot: Snapshot[K, V, M], why: str, timeline: Timeline[K, V]) -> None:
        self.snapshot = snapshot
        self.why = why
        self.number = next(_numbers)
        # Weak, so that a store that nobody holds is freed at once.
        self._timeline = ref(timeline)
        self._closed = False

    @property
    def version(self) -> int:
        """The version that it keeps."""
        return self.snapshot.version

    @property
    def closed(self) -> bool:
        """Whether it has been let go."""
        return self._closed or self.torn()

    def close(self) -> None:
        """Let the version go. May be called twice, from any thread.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> pin = store.pin(why="a report")
        >>> store.statistics().pinned
        ((0, 'a report'),)
        >>> pin.close()
        >>> store.statistics().pinned
        ()
        """
        self._closed = True
        timeline = self._timeline()
        if timeline is not None:
            timeline.pins.pop(self.number, None)

    def __repr__(self) -> str:
        return f"<Pin of version {self.version}{f', {self.why}' if self.why else ''}>"


_numbers = count(1)


class Timeline(Generic[K, V]):
    """The versions of one store. One writer at a time changes it; anybody reads it, any time.

    It points to nobody who uses it, so whoever drops a store frees what only the store held.

    Attributes:
        current: **the one reference**: the version that readers see.
        ring: the recent commits.
        pins: the pins, by number; changed by single dict operations, without a lock.
        bounded: whether `expire` is to be called for each commit.
        deferral: what each version is to be shown to before it is published, if anything.
    """

    def __init__(
        self,
        bounds: History,
        ring: Ring[Commit[K, V]],
        first: Snapshot[K, V],
        size_of: Callable[[Commit[K, V]], int],
        deferral: Deferral | None = None,
    ) -> None:
        self.current = first
        self.ring = ring
        self.pins: dict[int, Pin[K, V]] = {}
        self._bounds = bounds
        self._size_of = size_of
        self.bounded = (
            bounds.versions < ring.capacity
            or bounds.seconds is not None
            or bounds.bytes is not None
        )
        self._times = [0.0] * (0 if bounds.seconds is None else ring.capacity)
        # What all versions up to one take together: of two such sums the difference is what lies
        # between, and writing one a second time, after a failed write, does no harm. One more
        # than the ring has places, for the sum before the oldest.
        self._sums = [0] * (0 if bounds.bytes is None else ring.capacity + 1)
        self._expired = 0
        self.deferral = deferral
        if deferral is not None:
            deferral.of(self)
            deferral.of_version(first)

    def place(self, commit: Commit[K, V]) -> None:
        """Put *commit* in its place in the ring, before what it led to is published."""
        self.ring.slots[commit.after.version % self.ring.capacity] = commit

    # In the hot path the committer does the same, written out.
    def publish(self, commit: Commit[K, V]) -> None:
        """Put *commit* in its place, and publish what it led to."""
        ring = self.ring
        ring.slots[commit.after.version % ring.capacity] = commit
        # The publication. One store of one reference, which CPython does atomically, with or
        # without the GIL: a reader gets the old snapshot or the new one, and each is complete
        # and never written again. All that may fail lies above this line, on objects nobody
        # else has seen (for the ring, see there), so an exception there leaves the old version;
        # nothing that must happen lies below it.
        self.current = commit.after

    def leap(self, after: Snapshot[K, V]) -> None:
        """Publish *after*, a later version that does not follow upon the current one.

        For who keeps up with another store: what came in between is gone there, too. What is here
        stays in its place, and is what it was; but if there are bounds, it goes with what they
        count by.
        """
        if self.bounded:
            self.ring.slots[:] = [None] * self.ring.capacity
        # And the sums begin here: of those from here on alone is a difference taken.
        self._expired = after.version
        self.current = after

    def expire(self, commit: Commit[K, V], needed: int) -> None:
        """Let go what the bounds no longer allow, now that *commit* comes. Before `publish`.

        Costs O(1) a version over the life of the store.

        Args:
            commit: what is about to be published.
            needed: subscribers still need the commits after this version.
        """
        version, bounds = commit.after.version, self._bounds
        capacity = self.ring.capacity
        if bounds.seconds is not None:
            now = self._times[version % capacity] = bounds.clock()
        else:
            now = 0.0
        if bounds.bytes is not None:
            self._sums[version % (capacity + 1)] = self._sum(version - 1) + self._size_of(commit)
        expired = max(self._expired, version - capacity)
        while (
            expired < needed and expired + 1 < version and self._passed(expired + 1, version, now)
        ):
            expired += 1
            self.ring.slots[expired % capacity] = None
        self._expired = expired

    def _passed(self, version: int, newest: int, now: float) -> bool:
        """Whether the commit of *version* is beyond the bounds, once *newest* is published."""
        bounds = self._bounds
        if version <= newest - bounds.versions:
            return True
        if self._times and now - self._times[version % self.ring.capacity] > (bounds.seconds or 0):
            return True
        if bounds.bytes is None:
            return False
        return self._sum(newest) - self._sum(version - 1) > bounds.bytes

    def _sum(self, version: int) -> int:
        return self._sums[version % (self.ring.capacity + 1)]

    def bytes_retained(self, oldest: int, ask: bool) -> int | None:
        """Return the estimate for the commits after *oldest*, the oldest that is retained.

        If there is no bound in bytes it is made only if *ask*, by a look at each of them.
        """
        if self._bounds.bytes is None:
            if not ask:
                return None
            # Each by itself: writers come in between, and a full ring has then passed the first.
            commits = map(self.ring.get, range(oldest + 1, self.current.version + 1))
            return sum(self._size_of(commit) for commit in commits if commit is not None)
        return self._sum(self.current.version) - self._sum(self._expired)

    def _superseded(self, version: int, current: Snapshot[K, V]) -> Commit[K, V] | None:
        """Return the commit that put an end to *version*, if it is retained."""
        bounds = self._bounds
        commit = self.ring.get(version + 1)
        if commit is None or current.version - version > bounds.versions:
            return None
        if bounds.seconds is not None:
            age = bounds.clock() - self._times[(version + 1) % self.ring.capacity]
            if age > bounds.seconds:
                return None
        return commit

    def at(self, version: int) -> Snapshot[K, V]:
        """Return the snapshot of a retained or pinned *version*. O(1), O(pins) if pinned."""
        if not isinstance(version, int) or isinstance(version, bool):
            raise ArgumentTypeError(f"a version is a whole number, not {shown(version)}")
        current = self.current
        if not 0 <= version <= current.version:
            raise ArgumentValueError(
                f"there is no version {version}; the versions run from 0 to {current.version}"
            )
        if version == current.version:
            return current
        commit = self._superseded(version, current)
        if commit is not None:
            return commit.before
        for pin in self.pinned():
            if pin.version == version:
                return pin.snapshot
        raise CompactedError(version, self.oldest())

    def oldest(self, current: Snapshot[K, V] | None = None) -> int:
        """Return the oldest version from which on all up to *current* are. Costs O(retained)."""
        if current is None:
            current = self.current
        version = current.version
        while version > 0 and self._superseded(version - 1, current) is not None:
            version -= 1
        return version

    def pinned(self) -> list[Pin[K, V]]:
        """Return the pins that are open, and let go the others."""
        pins = list(self.pins.values())
        for pin in pins:
            if pin.closed:
                self.pins.pop(pin.number, None)
        return [pin for pin in pins if not pin.closed]

    def unpin(self, pin: object) -> None:
        """Let go what `pin` returned."""
        if not isinstance(pin, Pin):
            raise ArgumentTypeError(f"unpin takes what pin returned, not {shown(pin)}")
        if pin.closed or self.pins.get(pin.number) is not pin:
            raise ClosedError("that pin is of another store, or was closed before")
        pin.close()
