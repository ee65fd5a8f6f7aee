"""Commits pulled by whoever wants them, at its own pace: `Feed`."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any, Final, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar

from .commit import Commit
from .errors import ClosedError
from .items import Lagged, beginning, narrowed, spanning
from .meta import M, WithMeta
from .scope import Scoped
from .snapshot import Snapshot
from .waits import Source, deadline_of

__all__ = ["NOTHING", "Feed", "FeedMode"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FeedMode: TypeAlias = Literal["every", "latest"]

NOTHING: Final = -1
"""The version up to which a feed has yielded that is to yield what is there, before it does."""

CLOSED = "the feed is closed; ask the store for another one"


class _Cell:
    """A place between two items of a feed: everything up to `version` was yielded.

    The item that comes next is in `claim`, once somebody has taken it, with the cell after it.
    """

    __slots__ = ("claim", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.claim: dict[int, _Claim] = {}


class _Claim(NamedTuple):
    item: Any
    after: _Cell


class Feed(Scoped, WithMeta, Generic[K, V, M]):
    """An iterator over the commits of a store, at the reader's own pace.

    It keeps nothing but a position in the store's ring of recent commits, so a slow feed, or a
    thousand of them, costs a writer nothing and memory no more than the ring. A feed that falls
    behind the ring yields one `Lagged` and goes on from the snapshot in it.

    An item is a `Commit`: with its version, the snapshots before and after it, and what changed
    between them. Whoever keeps items keeps their snapshots alive.

    Made by ``store.feed``. Several threads may share one feed: each item goes to one of them.
    When the main thread has ended, and with it whatever the program was, every feed ends.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> with store.feed() as feed:
    ...     commit = store.set("a", 2)
    ...     feed.version, feed.snapshot["a"]
    ...     for change in feed:
    ...         break
    ...     feed.version, feed.snapshot["a"]
    (0, 1)
    (1, 2)
    >>> feed.closed
    True
    """

    # The position is the first cell that nobody has claimed. A claim is one `setdefault`, so each
    # item is one reader's, whoever else is at it, and whatever is called in the middle of it; no
    # lock. A late reader that moves the position back does no harm: the cells lead forward.

    def __init__(
        self, source: Source[K, V], mode: FeedMode, keys: Collection[K] | None, since: int
    ) -> None:
        self.source = source
        self._latest = mode == "latest"
        self.keys = keys
        self._cell = _Cell(since)
        self._closed = False

    @property
    def version(self) -> int:
        """The version up to which everything has been yielded; -1 for nothing, not even that."""
        return self._position().version

    @property
    def snapshot(self) -> Snapshot[K, V, M]:
        """The snapshot of that version: what the next item comes after.

        Raises:
            CompactedError: the ring has passed it; the next item will be a `Lagged`.
        """
        version = self.version
        if version == NOTHING:
            return beginning(self.source.timeline.current).before
        return self.source.timeline.at(version)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._closed or self.source.ended or self.torn()

    def poll(self) -> Commit[K, V, M] | Lagged[K, V, M] | None:
        """Return the next item if there is one now, else None. Never waits.

        Costs O(keys changed) of what it returns, and O(1) for the commit of one write. A feed
        with *keys* passes over the commits that change none of them, a change of ``meta`` alone
        among them; in the others it leaves out the changes of other keys, in ``changes``, but not
        in the snapshots.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> feed = store.feed()
        >>> feed.poll() is None
        True
        >>> commit = store.set("a", 2)
        >>> feed.poll() is None, feed.poll() is None
        (False, True)
        """
        if self.closed:
            return None
        while True:
            cell = self._position()
            item, version = self._next_item(cell.version)
            if item is None:
                if version == cell.version:
                    return None
                # Nothing of interest up to there: pass over it, if nobody has taken an item
                # meanwhile. To look at it again would cost time and nothing else.
                cell.claim.setdefault(0, _Claim(None, _Cell(version)))
                continue
            mine = _Claim(item, _Cell(version))
            for taken in map(cell.claim.setdefault, (0,), (mine,)):
                # A straight line: taken and returned, or neither.
                if taken is mine:
                    self._cell = mine.after
                    return item
                break

    def _position(self) -> _Cell:
        cell = self._cell
        while cell.claim:
            cell = cell.claim[0].after
        self._cell = cell
        return cell

    def get(self, timeout: float | None = None) -> Commit[K, V, M] | Lagged[K, V, M]:
        """Return the next item, waiting for it if need be, without polling.

        Raises:
            WaitTimeoutError: nothing came within *timeout* seconds.
            ClosedError: the feed was closed, here or by another thread.
            ReentrantWriteError: it would have to wait, inside a write to this store.
            SystemExit: the main thread has ended; see `Store.wait_for`.

        >>> from cowstate import Store, WaitTimeoutError
        >>> feed = Store({"a": 1}).feed()
        >>> try:
        ...     change = feed.get(timeout=0)
        ... except WaitTimeoutError:
        ...     print("nothing yet")
        nothing yet
        """
        item = self._next(deadline_of(timeout))
        if item is None:
            if not self._closed:
                self.source.refuse_what_is_over()
            raise ClosedError(CLOSED)
        return item

    def close(self) -> None:
        """End the feed, and wake whoever waits on it. May be called twice, from any thread.

        >>> from cowstate import Store
        >>> feed = Store({"a": 1}).feed()
        >>> feed.close()
        >>> list(feed)
        []
        """
        self._closed = True
        self.source.waiters.notify_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Commit[K, V, M] | Lagged[K, V, M]:
        item = self._next(None)
        if item is None:
            if not self._closed:
                self.source.refuse_what_is_lost()
            raise StopIteration
        return item

    def _next(self, deadline: float | None) -> Commit[K, V, M] | Lagged[K, V, M] | None:
        while not self.closed:
            seen = self.source.timeline.current
            item = self.poll()
            if item is not None:
                return item
            self.source.await_change(seen, deadline, self.keys, self.is_closed)
        return None

    def is_closed(self) -> bool:
        """Whether somebody closed it; the same as `closed` but for the end of the main thread."""
        return self._closed

    def _next_item(self, after: int) -> tuple[Commit[K, V, M] | Lagged[K, V, M] | None, int]:
        """Return what comes after the version *after*, None for nothing, and where that leads."""
        timeline, keys = self.source.timeline, self.keys
        current = timeline.current
        commit: Commit[K, V, M] | None
        if after == NOTHING:
            # Whatever there is, and also if that is nothing: so its reader knows that it has begun.
            commit = beginning(current)
            return (commit if keys is None else narrowed(commit, keys)), current.version
        while after < current.version:
            upto = current.version if self._latest else after + 1
            commits = timeline.ring.span(after, upto)
            if commits is None:
                # Read the reference again: the later the snapshot, the less is missed next.
                snapshot = timeline.current
                return Lagged(after + 1, snapshot), snapshot.version
            after = upto
            commit = spanning(commits)
            if keys is not None:
                commit = narrowed(commit, keys)
            if commit is not None:
                return commit, after
        return None, after

    def __repr__(self) -> str:
        if self.closed:
            state = "closed"
        else:
            state = "not begun" if self.version == NOTHING else f"at version {self.version}"
        return f"<Feed of {'latest' if self._latest else 'every'}, {state}>"
