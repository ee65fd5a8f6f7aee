"""The past of a store that is in a log, and not only in memory: `LoggedStore`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Generic, TypeVar

from cowstate.errors import CompactedError
from cowstate.feeds import Feed, FeedMode
from cowstate.meta import M
from cowstate.readstore import ReadStore
from cowstate.snapshot import Snapshot

from .following import LoggedFeed
from .history import Past, seconds_of

__all__ = ["LoggedStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LoggedStore(ReadStore[K, V, M], Generic[K, V, M], sealed=True):
    """A `ReadStore` whose older versions are in the log of a file."""

    _past: Past[K, V]

    def at(self, version: int) -> Snapshot[K, V, M]:
        """Return the snapshot of a *version* that is retained, or in the log.

        O(1) for what is in memory, else O(keys changed since).

        Raises:
            CompactedError: it is not even in the log any more.
            ArgumentValueError: there has been no such version yet.
            JournalFileError: the file cannot be read.
            JournalError, ReentrantWriteError: with ``sync="interval"``, where what is no longer in
                memory is not on disk yet: as for `Journal.flush`.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     first, second = counts.set("a", 1), counts.set("a", 2)
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     dict(counts.at(0)), counts.at(1)["a"]
        ({}, 1)
        """
        try:
            return super().at(version)
        except CompactedError:
            if version > self._past.newest:  # in no memory any more, and not on disk yet
                self._put_in_log()
            return self._past.at(version)

    def feed(
        self,
        mode: FeedMode = "every",
        *,
        keys: Iterable[K] | None = None,
        since: int | Snapshot[K, V, M] | None = None,
        initial: bool = False,
    ) -> Feed[K, V, M]:
        """Return an iterator over the commits, as of any store; *since* goes back into the log.

        So it yields a `Lagged` only for what is not even there any more; and with
        ``sync="interval"`` for what has left memory since, before the disk followed. What is read
        from the log is equal to what was written, not the very objects.

        Raises:
            ArgumentTypeError, ArgumentValueError, ForeignSnapshotError: as for `Store.feed`.
            JournalError, ReentrantWriteError: with ``sync="interval"``, as for `at`.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     first, second = counts.set("a", 1), counts.set("a", 2)
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     counts.feed(since=1).poll().changes
        ChangeSet({'a': Change(old=1, new=2)})
        """
        made = super().feed(mode, keys=keys, since=since, initial=initial)
        if since is not None:
            reached = max(made.version, self._past.newest)
            timeline = self._timeline
            if reached < timeline.current.version and timeline.ring.get(reached + 1) is None:
                self._put_in_log()  # in no memory any more, and not on disk yet
        return LoggedFeed(made.source, mode, made.keys, made.version, self._past)

    def as_of(self, moment: datetime | float) -> Snapshot[K, V, M]:
        """Return the version that was current at a *moment*. Costs O(what was written since).

        Args:
            moment: a `datetime` with its time zone, or seconds since 1970.

        Raises:
            CompactedError: the log does not go back so far.
            ArgumentTypeError, ArgumentValueError: that is no moment.
            JournalFileError: the file cannot be read.

        >>> import os, tempfile, time
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     commit = counts.set("a", 1)
        ...     counts.as_of(time.time())["a"], dict(counts.as_of(0))
        (1, {})
        """
        seconds = seconds_of(moment)
        self._put_in_log()
        return self.at(self._past.version_at(seconds))

    def _put_in_log(self) -> None:
        """Have in the log what has its time there alone."""
