"""The step from one version to the next: `Commit`."""

from __future__ import annotations

from typing import Generic, Self, TypeAlias, TypeVar

import msgspec
from msgspec.structs import force_setattr

from .changes import MISSING, Absent, ChangeSet, Delta
from .meta import M, WithMeta
from .showing import begun
from .snapshot import Snapshot

__all__ = ["Commit", "written"]

K = TypeVar("K")
V = TypeVar("V")

OneKey: TypeAlias = tuple[K, V | Absent, V | Absent]
"""``(key, old, new)``: the delta of one key, in the form that is cheapest to make and to keep."""


class Commit(msgspec.Struct, WithMeta, Generic[K, V, M], frozen=True, eq=False, weakref=True):
    """What one successful write did.

    A write that changed nothing returns a commit too: its ``changes`` are empty and ``before``
    is ``after``. Immutable, so any thread may read it. It keeps its two snapshots alive, and
    no others.

    Who follows a store is given commits as well: where it asked for it, several of them as one,
    or with the changes of some keys alone, or all that was there when it began, over a `before`
    of version -1 that holds nothing.

    >>> from cowstate import Store
    >>> commit = Store({"a": 1}).set("a", 2)
    >>> commit.before["a"], commit.after["a"], commit.version, commit.changes
    (1, 2, 1, ChangeSet({'a': Change(old=1, new=2)}))

    Attributes:
        before: the snapshot of the version that the write started from.
        after: the snapshot that it published.
    """

    before: Snapshot[K, V, M]
    after: Snapshot[K, V, M]
    # Most commits are of one key, and are never asked for their changes. None stands for all that
    # is in `after`, until it is asked for.
    _changed: Delta[K, V] | OneKey[K, V] | None

    @property
    def _delta(self) -> Delta[K, V]:
        changed = self._changed
        if isinstance(changed, tuple):
            key, old, new = changed
            return {key: (old, new)}
        if changed is None:
            delta: Delta[K, V] = {key: (MISSING, record) for key, record in self.after.items()}
            force_setattr(self, "_changed", delta)
            return delta
        return changed

    @property
    def version(self) -> int:
        """The version that the store had after the write.

        >>> from cowstate import Store
        >>> Store().set("a", 1).version
        1
        """
        return self.after.version

    @property
    def changes(self) -> ChangeSet[K, V]:
        """What changed, as ``{key: Change(old, new)}``.

        >>> from cowstate import Store
        >>> Store().set("a", 1).changes
        ChangeSet({'a': Change(old=MISSING, new=1)})
        """
        return ChangeSet._of(self._delta)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<Commit version={self.version} {begun(repr(self.changes))}>"


def written(commit: Commit[K, V]) -> list[tuple[K, V | Absent]]:
    """Return each key that *commit* changed, with what it holds now; `MISSING` for nothing.

    The same as is in its ``changes``, for who goes through every commit and wants no more.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> written(store.set("a", 2)), written(store.delete("a"))
    ([('a', 2)], [('a', MISSING)])
    """
    changed = commit._changed
    if isinstance(changed, tuple):
        key, _, new = changed
        return [(key, new)]
    return [(key, new) for key, (_, new) in commit._delta.items()]
