"""What who follows a store is given: commits, whole or in part, several as one, or `Lagged`."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from .changes import MISSING, Delta, compose_all
from .commit import Commit
from .meta import M, with_default
from .snapshot import Snapshot

__all__ = ["Lagged", "beginning", "narrowed", "spanning"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lagged(NamedTuple, Generic[K, V, M]):
    """What a feed or a subscriber is given instead of the commits that were passed before it came.

    Attributes:
        missed_from: the first version whose changes were missed.
        snapshot: where it goes on from: everything up to its version is in it.

    >>> from cowstate import History, Store
    >>> store = Store({"a": 0}, history=History(versions=2))
    >>> feed = store.feed()
    >>> for n in (1, 2, 3):
    ...     commit = store.set("a", n)
    >>> lagged = feed.poll()
    >>> isinstance(lagged, Lagged), lagged.missed_from, lagged.snapshot["a"]
    (True, 1, 3)
    """

    missed_from: int
    snapshot: Snapshot[K, V, M]

    @classmethod
    def __class_getitem__(cls, given: Any) -> Any:
        # As `WithMeta`, which cannot be a base of a named tuple.
        return _subscripted(cls, given)


def _subscripted(cls: Any, given: Any) -> Any:
    past: Any = super(tuple, cls)  # which has a method of its own for it
    return past.__class_getitem__(with_default(cls, given))


def beginning(after: Snapshot[K, V, M]) -> Commit[K, V, M]:
    """Return the commit from nothing at all to *after*, for who is to be given what is there.

    Its ``before`` is a snapshot of version -1, in which nothing was ever set. Costs O(1): the
    changes are made when somebody asks for them.
    """
    derivation = after._lineage.derivation
    indexes, totals = derivation.build({})
    records = derivation.kind.build({})
    before: Snapshot[K, V] = Snapshot(-1, None, records, indexes, totals, object(), after._lineage)
    return Commit(before, after, None)


def spanning(commits: Sequence[Commit[K, V, M]]) -> Commit[K, V, M]:
    """Return *commits*, each of which follows upon the one before it, as one. O(keys changed)."""
    if len(commits) == 1:
        return commits[0]
    delta = compose_all([commit._delta for commit in commits])
    return Commit(commits[0].before, commits[-1].after, delta)


def narrowed(commit: Commit[K, V, M], keys: Collection[K]) -> Commit[K, V, M] | None:
    """Return *commit* with the changes of *keys* alone; None if it changes none of them.

    One that was made by `beginning` comes back in any case. Costs O(keys changed, or *keys*,
    whichever is less).
    """
    changed = commit._changed
    if isinstance(changed, tuple):
        return commit if changed[0] in keys else None
    if changed is None:
        return Commit(commit.before, commit.after, _added(commit.after, keys))
    if len(keys) < len(changed):
        found = {key: changed[key] for key in keys if key in changed}
    else:
        found = {key: pair for key, pair in changed.items() if key in keys}
    if len(found) == len(changed):
        return commit if found else None
    return Commit(commit.before, commit.after, found) if found else None


def _added(after: Snapshot[K, V], keys: Collection[K]) -> Delta[K, V]:
    found = {key: after._map.get(key, MISSING) for key in keys}
    return {key: (MISSING, record) for key, record in found.items() if record is not MISSING}
