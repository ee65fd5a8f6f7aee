"""Commits from before what is in memory, pulled like those that are: `LoggedFeed`."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Final, TypeVar

from cowstate.commit import Commit
from cowstate.errors import CompactedError
from cowstate.feeds import NOTHING, Feed, FeedMode
from cowstate.items import Lagged, narrowed
from cowstate.snapshot import Snapshot
from cowstate.waits import Source

from .history import Past

__all__ = ["LoggedFeed"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

AHEAD: Final = 256
"""How many commits are read from the log at a time."""


class LoggedFeed(Feed[K, V]):
    """A `Feed` that goes on in the log where the ring of recent commits has passed it.

    What was read ahead is replaced as a whole, and found by version; so threads that share the feed
    may each read the same, and each item is still one's.
    """

    def __init__(
        self,
        source: Source[K, V],
        mode: FeedMode,
        keys: Collection[K] | None,
        since: int,
        past: Past[K, V],
    ) -> None:
        super().__init__(source, mode, keys, since)
        self._past = past
        self._ahead: dict[int, Commit[K, V]] = {}

    def _next_item(self, after: int) -> tuple[Commit[K, V] | Lagged[K, V] | None, int]:
        timeline, keys = self.source.timeline, self.keys
        while (
            after != NOTHING
            and after < timeline.current.version
            and timeline.ring.span(after, after + 1) is None
        ):
            commit = self._rest(after) if self._latest else self._logged(after)
            if commit is None:
                first = None if self._latest else self._first_after(after)
                if first is None:
                    break
                return Lagged(after + 1, first), first.version
            after = commit.version
            if keys is not None:
                commit = narrowed(commit, keys)
            if commit is not None:
                return commit, after
        return super()._next_item(after)

    def _logged(self, after: int) -> Commit[K, V] | None:
        """Return the commit that follows version *after*, None if the log has not got it."""
        commit = self._ahead.get(after + 1)
        if commit is None:
            last = self._ahead.get(after)
            try:
                start = self._past.at(after) if last is None else last.after
            except CompactedError:
                return None
            found = self._past.commits(start, AHEAD)
            self._ahead = {each.version: each for each in found}
            commit = self._ahead.get(after + 1)
        return commit

    def _first_after(self, after: int) -> Snapshot[K, V] | None:
        """Return the oldest version that is left, if what followed version *after* is gone."""
        try:
            first = self._past.first()
        except CompactedError:
            return None  # what is in memory here is older than all of the log
        return first if first.version > after else None

    def _rest(self, after: int) -> Commit[K, V] | None:
        """Return all since version *after* as one commit."""
        try:
            start = self._past.at(after)
        except CompactedError:
            return None
        current = self.source.timeline.current
        return self._past.between(start, current)
