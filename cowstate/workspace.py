"""A snapshot with changes laid over it: what `Transaction` and `Draft` have in common."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, MutableMapping
from itertools import chain, islice
from typing import Any, Final, Generic, TypeVar, overload

from .changes import MISSING, Absent, ChangeSet
from .commit import Commit
from .errors import ClosedError, IterationError, RecordNotFoundError
from .keys import ensure_findable, ensure_hashable
from .lineage import delta_of
from .lookups import Lookups
from .meta import M
from .snapshot import Snapshot

__all__ = ["Workspace"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_UNWRITTEN: Final[Any] = object()


class Workspace(Lookups[K, V, M], MutableMapping[K, V], Generic[K, V, M]):
    """A snapshot with changes laid over it: what `Transaction` and `Draft` have in common.

    Reads see the changes made here. Nothing is visible to anybody else until the commit.
    For one thread at a time.
    """

    # So that an attribute that is not there cannot be set.
    __slots__ = (
        "__weakref__",
        "_accepted",
        "_base",
        "_check",
        "_closed",
        "_counted",
        "_deletions",
        "_grown",
        "_left",
        "_map",
        "_meta",
        "_result",
        "_writes",
    )

    def __init__(
        self, base: Snapshot[K, V, M], accepted: Container[type], check: Callable[..., None]
    ) -> None:
        self._base = base
        self._map = base._map
        self._accepted = accepted
        self._check = check
        # A key that was written once stays here, `MISSING` if it was deleted since, so the keys
        # stand in the order in which they were first written.
        self._writes: dict[K, V | Absent] = {}
        self._meta = base.meta
        self._closed: str | None = None
        self._deletions = 0
        # How many more keys there are than in the base, as far as the first `_counted` writes go.
        self._grown = self._counted = 0
        self._left: Iterator[K] | None = None
        self._result: Commit[K, V, M] | None = None

    @property
    def base(self) -> Snapshot[K, V, M]:
        """The snapshot that the changes are laid over.

        >>> from cowstate import Store
        >>> draft = Store({"a": 1}).draft()
        >>> draft["a"] = 2
        >>> draft.base["a"], draft["a"]
        (1, 2)
        """
        return self._base

    @property
    def meta(self) -> M:
        """The store's meta value; assign to publish another one with the commit.

        >>> from cowstate import Store
        >>> store = Store(meta="open")
        >>> with store.transaction() as tx:
        ...     tx.meta = "closed"
        >>> store.snapshot().meta
        'closed'
        """
        return self._meta

    @meta.setter
    def meta(self, value: M) -> None:
        self._ensure_open()
        self._check(value)
        self._meta = value

    @property
    def changes(self) -> ChangeSet[K, V]:
        """What a commit would change now.

        >>> from cowstate import Store
        >>> draft = Store({"a": 1}).draft()
        >>> draft["b"] = 2
        >>> draft.changes
        ChangeSet({'b': Change(old=MISSING, new=2)})
        """
        return ChangeSet._of(delta_of(self._map, self._writes, self._base._lineage.equal))

    def __getitem__(self, key: K) -> V:
        # Written out, like __setitem__, because these two are what a transaction mostly does.
        try:
            record: Any = self._writes.get(key, _UNWRITTEN)
        except TypeError:
            ensure_hashable(key)
            raise
        if record is _UNWRITTEN:
            record = self._map.get(key, MISSING)
        if record is MISSING:
            raise RecordNotFoundError(key, self._base.version)
        return record  # type: ignore[no-any-return]

    @overload
    def get(self, key: K, /) -> V | None: ...

    @overload
    def get(self, key: K, /, default: V) -> V: ...

    @overload
    def get(self, key: K, /, default: D) -> V | D: ...

    def get(self, key: K, /, default: Any = None) -> Any:
        """Return the record under *key*, or *default*.

        >>> from cowstate import Store
        >>> draft = Store({"a": 1}).draft()
        >>> draft["b"] = 2
        >>> draft.get("a"), draft.get("b"), draft.get("c", 0)
        (1, 2, 0)
        """
        record = self._record(key)
        return default if record is MISSING else record

    def __contains__(self, key: object) -> bool:
        return self._record(key) is not MISSING  # type: ignore[arg-type]

    def __setitem__(self, key: K, record: V) -> None:
        if self._closed is not None:
            raise ClosedError(self._closed)
        if type(record) not in self._accepted:
            self._check(record, key)
        if key != key:  # noqa: PLR0124
            ensure_findable(key)
        try:
            if self._deletions and self._writes.get(key, _UNWRITTEN) is MISSING:
                self._grown += 1
            self._writes[key] = record
        except TypeError:
            ensure_hashable(key)
            raise

    def __delitem__(self, key: K) -> None:
        self._ensure_open()
        if self._record(key) is MISSING:
            raise RecordNotFoundError(key, self._base.version)
        self._writes[key] = MISSING
        self._grown -= 1
        self._deletions += 1

    def __iter__(self) -> Iterator[K]:
        writes, base = self._writes, self._map
        size, deletions = self._count(), self._deletions
        moved = self._moved()
        for key in chain(base, [key for key in writes if key not in base]):
            if deletions and writes.get(key, _UNWRITTEN) is MISSING:
                continue
            yield key
            if self._count() != size:
                raise IterationError
            if self._deletions != deletions:
                # As many as before: the same ones, or one for another?
                if self._moved() != moved:
                    raise IterationError
                deletions = self._deletions

    def _moved(self) -> set[K]:
        """Return the keys that are in the base and not here, or here and not in the base. O(k)."""
        base = self._map
        return {key for key, now in self._writes.items() if (now is MISSING) == (key in base)}

    def __len__(self) -> int:
        return self._count()

    def _count(self) -> int:
        """Return how many keys there are. Costs O(keys first written since the last count)."""
        writes = self._writes
        fresh = len(writes) - self._counted
        if fresh:
            base = self._map
            # Those too that were deleted meanwhile, for which one was taken off then.
            self._grown += sum(key not in base for key in islice(reversed(writes), fresh))
            self._counted += fresh
        return len(self._map) + self._grown

    def clear(self) -> None:
        """Delete every key. Costs O(N).

        >>> from cowstate import Store
        >>> draft = Store({"a": 1, "b": 2}).draft()
        >>> draft.clear()
        >>> len(draft.commit().after)
        0
        """
        for key in list(self):
            del self[key]

    def popitem(self) -> tuple[K, V]:
        """Delete a key, which one is not specified, and return it with its record.

        Costs O(log N) on average, if not each is stored again before the next one is asked for.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> store.transact(lambda tx: tx.popitem())
        ('a', 1)
        """
        for key in chain(islice(reversed(self._writes), 1), self._left or (), self._rest()):
            record = self._record(key)
            if record is not MISSING:
                del self[key]
                return key, record
        raise RecordNotFoundError(None, self._base.version, "there is no record left to pop")

    def _rest(self) -> Iterator[K]:
        # Reached only when all that was left has been gone through.
        self._left = chain(self._map, list(self._writes))
        yield from self._left

    def close(self, why: str) -> None:
        """Refuse all further changes, with *why* as the message; the first reason counts."""
        if self._closed is None:
            self._closed = why

    def reopen(self) -> None:
        """Take back `close` and `committed`: what it was committed to never came to be."""
        self._closed = self._result = None

    @property
    def result(self) -> Commit[K, V, M]:
        """The commit, once that has gone well.

        Raises:
            ClosedError: it has not.

        >>> from cowstate import Store
        >>> with Store({"a": 1}).draft() as draft:
        ...     draft["a"] += 1
        >>> draft.result.version
        1
        """
        if self._result is None:
            raise ClosedError(
                f"the {type(self).__name__.lower()} has no result before its block has ended "
                "well, or it has been committed"
            )
        return self._result

    def committed(self, commit: Commit[K, V, M]) -> None:
        """Note what it led to."""
        self._result = commit

    def _record(self, key: K) -> V | Absent:
        try:
            record: Any = self._writes.get(key, _UNWRITTEN)
        except TypeError:
            ensure_hashable(key)
            raise
        if record is _UNWRITTEN:
            record = self._map.get(key, MISSING)
        return record  # type: ignore[no-any-return]

    def _ensure_open(self) -> None:
        if self._closed is not None:
            raise ClosedError(self._closed)

    def __repr__(self) -> str:
        name, count = type(self).__name__, len(self._writes)
        return f"<{name} over version {self._base.version}, {count} keys written>"
