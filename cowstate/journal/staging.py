"""Between a write and its publication: `Head`, what writers build on, and what is staged on it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar
from weakref import ref

from cowstate.commit import Commit
from cowstate.ring import Ring
from cowstate.snapshot import Snapshot
from cowstate.timeline import History, Timeline

from .errors import Failure
from .log import Row

__all__ = ["Backlog", "Head", "Staged", "StagedCommit", "Staging", "tell"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Head(Timeline[K, V]):
    """What writers build on: the newest version that was staged. Readers see another timeline.

    A committer publishes to it as to any other, by one store of `current`; here that stages.
    """

    def __init__(self, published: Timeline[K, V], size_of: Callable[[Commit[K, V]], int]) -> None:
        # Of the ring a writer needs the place alone: what is staged is looked for elsewhere.
        super().__init__(History(), Ring(1), published.current, size_of)
        self._published = published
        self.bounded, self.deferral = published.bounded, published.deferral

    def expire(self, commit: Commit[K, V], needed: int) -> None:
        """Let go what the bounds of what was published no longer allow."""
        self._published.expire(commit, needed)


class Staged(Generic[K, V]):
    """A commit on its way to the disk.

    Attributes:
        row: it, encoded.
        version: the version that it leads to.
        after: the snapshot that it led to, where that is known.
        failure: why it will never be published, once that is so; or is not known to be.
    """

    __slots__ = ("after", "failure", "row", "version")

    def __init__(self, row: Row, after: Snapshot[K, V] | None = None) -> None:
        self.row = row
        self.version = row.version
        self.after = after
        self.failure: Failure | None = None


class StagedCommit(Staged[K, V], Generic[K, V]):
    """One that is still to be published.

    Attributes:
        commit: it.
    """

    __slots__ = ("commit",)

    def __init__(self, commit: Commit[K, V], row: Row) -> None:
        super().__init__(row, commit.after)
        self.commit = commit


class Staging(Generic[K, V]):
    """The commits between what is published and the head.

    Written by who may write to the store, read by anybody: a commit is entered before the head
    moves on to it, and looked at only if the published version is below it and the head is not.
    So one whose writer was struck before it staged lies where nobody looks, and where the next
    one of that version will lie. The same argument as for the ring.

    Attributes:
        head: what writers build on.
        published: what readers see. Or, where they see the head at once, what is on disk.
    """

    def __init__(self, published: Timeline[K, V], head: Timeline[K, V]) -> None:
        self.published = published
        self.head = head
        self._entries: dict[int, Staged[K, V]] = {}
        self._lost: dict[int, tuple[ref[Snapshot[K, V]], Failure]] = {}

    def enter(self, entry: Staged[K, V]) -> None:
        """Enter what is about to be staged."""
        self._entries[entry.version] = entry

    def newest(self) -> Staged[K, V] | None:
        """Return what the head was staged by, None if it is published."""
        snapshot = self.head.current
        entry = self._entries.get(snapshot.version)
        return entry if entry is not None and entry.after is snapshot else None

    def of(self, snapshot: Snapshot[K, V]) -> Staged[K, V] | None:
        """Return what *snapshot* was staged by, None if that is not staged any more."""
        entry = self._entries.get(snapshot.version)
        return entry if entry is not None and entry.after is snapshot else None

    def waiting(self) -> list[Staged[K, V]]:
        """Return what is staged and not published, in order."""
        # The head first: what is below it was entered before it moved.
        head = self.head.current.version
        published = self.published.current.version
        return list(map(self._entries.__getitem__, range(published + 1, head + 1)))

    def forget(self) -> None:
        """Let go of what is published. By who may write."""
        published = self.published.current.version
        for version in list(self._entries):
            if version <= published:
                self._entries.pop(version, None)

    def fail(self, failure: Failure) -> None:
        """Have all that is not published fail, and go back to what is. By who may write.

        In this order, for whatever strikes in between: a version is used again only when those
        who wait for its first use can see that it failed.
        """
        self._lost = {key: lost for key, lost in self._lost.items() if lost[0]() is not None}
        for entry in self.waiting():
            if entry.after is not None:
                self._lost[id(entry.after)] = (ref(entry.after), failure)
            entry.failure = failure
        self.head.current = self.published.current

    def failure_of(self, snapshot: Snapshot[K, V]) -> Failure | None:
        """Return why *snapshot*, which was staged once, was never published; None if it was."""
        lost = self._lost.get(id(snapshot))
        return lost[1] if lost is not None and lost[0]() is snapshot else None


class Backlog(Staging[K, V], Generic[K, V]):
    """What is published, and not yet on disk: rows alone.

    A commit, and the snapshots on both of its sides, would be some dozen objects each that nobody
    needs any more, and that the garbage collector walks through again and again until they are
    written: it made a write take half as long again.
    """

    def newest(self) -> Staged[K, V] | None:
        """Return what the head was staged by, None if it is on disk."""
        return self._entries.get(self.head.current.version)

    def waiting(self) -> list[Staged[K, V]]:
        """Return what is not on disk, in order; of the last it is known what it led to."""
        head = self.head.current
        published = self.published.current.version
        found = list(map(self._entries.__getitem__, range(published + 1, head.version + 1)))
        if found:
            found[-1].after = head
        return found


def tell(group: Sequence[Staged[Any, Any]], failure: Failure | None) -> None:
    """Note with each of *group* why it fails; None, if it does not after all."""
    for entry in group:
        entry.failure = failure
