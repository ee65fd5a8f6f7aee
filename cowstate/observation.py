"""A window around a slow look at the outside world: `Observation`."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from .changes import ChangeSet
from .draft import Draft
from .errors import ObservationError
from .meta import M, WithMeta
from .snapshot import Snapshot

__all__ = ["Observation"]

K = TypeVar("K")
V = TypeVar("V")


class Observation(WithMeta, Generic[K, V, M]):
    """What a store held before and after a look that took its time.

    The answer of a slow peer describes some moment *within* the window. Of a record that is the
    same object at both ends, the answer may be compared with that record; of any other it may
    not, for nobody can say which of its states the peer saw.

    Made by ``with store.observe() as window``. No lock is held in between. One window is for
    one thread; what it returns may be shared.

    >>> from cowstate import Store
    >>> store = Store({"a": 1, "b": 1})
    >>> with store.observe() as window:
    ...     commit = store.set("b", 2)          # an update while we look
    >>> sorted(window.stable), sorted(window.changes)
    (['a'], ['b'])
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot[K, V, M]],
        draft: Callable[[Snapshot[K, V, M]], Draft[K, V, M]],
    ) -> None:
        self._snapshot = snapshot
        self._draft = draft
        self._before: Snapshot[K, V, M] | None = None
        self._after: Snapshot[K, V, M] | None = None

    def __enter__(self) -> Self:
        if self._before is not None:
            raise ObservationError("an observation is one window; call observe() for another")
        self._before = self._snapshot()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._after = self._snapshot()

    @property
    def before(self) -> Snapshot[K, V, M]:
        """The snapshot of T1, when the window opened.

        Raises:
            ObservationError: it is not open yet.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> with store.observe() as window:
        ...     commit = store.set("a", 2)
        >>> window.before["a"], window.after["a"]
        (1, 2)
        """
        if self._before is None:
            raise ObservationError("the window is not open yet; use it in a with statement")
        return self._before

    @property
    def after(self) -> Snapshot[K, V, M]:
        """The snapshot of T2, when the window closed.

        Raises:
            ObservationError: it is still open.

        >>> from cowstate import Store
        >>> with Store({"a": 1}).observe() as window:
        ...     pass
        >>> window.after is window.before          # nothing was written meanwhile
        True
        """
        if self._after is None:
            raise ObservationError("the window is still open; ask after the with block")
        return self._after

    @property
    def changes(self) -> ChangeSet[K, V]:
        """What changed in the window. Costs what changed.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> with store.observe() as window:
        ...     commit = store.set("a", 2)
        >>> window.changes
        ChangeSet({'a': Change(old=1, new=2)})
        """
        return self.after.diff(self.before)

    @property
    def stable(self) -> frozenset[K]:
        """The keys whose record is the same object at both ends. Costs O(N).

        To test one key, ``key not in window.changes`` costs what changed.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 1})
        >>> with store.observe() as window:
        ...     commit = store.set("a", 2)
        >>> window.stable
        frozenset({'b'})
        """
        changed = self.changes
        return frozenset(key for key in self.before if key not in changed)

    def draft(self) -> Draft[K, V, M]:
        """Return a draft that commits only against what was observed.

        Its base is `before`: it conflicts at every key and index entry that it touches and that
        has changed since the window *opened*, be it in the window or after.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 1})
        >>> with store.observe() as window:
        ...     commit = store.set("a", 2)
        >>> draft = window.draft()
        >>> draft["b"] = 5                         # which has not changed
        >>> draft.commit().version
        2
        """
        self.after  # noqa: B018  (refuses while the window is open)
        return self._draft(self.before)

    def __repr__(self) -> str:
        if self._before is None:
            return "<Observation not open yet>"
        upto = "open" if self._after is None else self._after.version
        return f"<Observation from version {self._before.version} to {upto}>"
