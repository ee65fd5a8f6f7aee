"""Changes over any snapshot, outside the lock, that commit or conflict: `Draft`."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping
from itertools import chain, zip_longest
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

from .aggregate import Aggregate
from .changes import MISSING, Absent
from .commit import Commit
from .errors import ArgumentTypeError, ConflictError, RecordNotFoundError
from .keys import ensure_hashable
from .lookups import Lookups
from .meta import M
from .ordered import Span
from .sameness import same
from .showing import shown
from .snapshot import Snapshot
from .totals import Groups
from .workspace import Workspace

__all__ = ["Draft"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T", bound=tuple[Any, Any])
G = TypeVar("G", bound=Hashable)
S = TypeVar("S")

_NOT_HERE: Final[Any] = object()


class Draft(Workspace[K, V, M]):
    """A mutable mapping over any snapshot, outside the lock, that remembers what it relied on.

    It may take as long as it likes: work out a change from a snapshot, ask a slow peer, then
    `commit`. The commit succeeds only if everything that the draft read or wrote is still what
    it was in the base snapshot:

    - each key read or written still holds the very object (or still none);
    - each index entry looked up is still the same;
    - if an index was read in its order, the entries between the ends, or up to where the answer
      was complete, are the same, and there are no others;
    - if it was iterated or counted, no key has been added or deleted; if ``meta`` was read or set,
      the meta value is the same;
    - if a total was read, or that of a group, it is the same; if all groups of one were, none of
      them has moved.

    Other keys may have changed: that is no conflict. For one thread at a time.

    In a ``with`` it is committed at the end of the block, unless it was before, or the block
    raises: then it stays open, and nothing was written. Nobody is held up meanwhile.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> with store.draft() as draft:
    ...     draft["a"] += 1
    >>> draft.result.version, store.snapshot()["a"]
    (1, 2)
    """

    __slots__ = (
        "_commit",
        "_entries_read",
        "_key_set_read",
        "_meta_used",
        "_ranges_read",
        "_read",
        "_totals_read",
    )

    def __init__(
        self,
        base: Snapshot[K, V, M],
        accepted: Container[type],
        check: Callable[..., None],
        commit: Callable[[Draft[K, V, M], int | None], Commit[K, V, M]],
    ) -> None:
        # Written out, not left to the base class: that would cost as much again.
        self._base = base
        self._map = base._map
        self._accepted = accepted
        self._check = check
        self._writes = {}
        self._meta = base.meta
        self._closed = None
        self._deletions = self._grown = self._counted = 0
        self._left = self._result = None
        self._commit = commit
        # The keys read, each with what it held: `MISSING`, if there was none.
        self._read: dict[K, V | Absent] = {}
        self._entries_read: set[tuple[str, Any]] | None = None
        self._ranges_read: list[_RangeRead] | None = None
        self._totals_read: set[tuple[str, Any]] | None = None
        self._key_set_read = self._meta_used = False

    def commit(self, *, expected_version: int | None = None) -> Commit[K, V, M]:
        """Publish the changes as one version, or raise `ConflictError` and change nothing.

        Thread-safe towards other writers. Costs O((keys read + written) log N), under the lock.
        A draft that changed nothing is checked all the same, and makes no version. After a
        success the draft is closed. After a conflict it stays open, to be looked at; it would
        conflict again: derive a new one from a new snapshot.

        Args:
            expected_version: commit only if the store is still at this version, that is, if
                *nothing at all* has changed since.

        Raises:
            ConflictError: something that the draft relied on has changed.
            ClosedError: the draft was committed before.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 1})
        >>> draft, late = store.draft(), store.draft()
        >>> draft["a"], late["a"] = 2, 3
        >>> draft.commit().version
        1
        >>> late.commit()
        Traceback (most recent call last):
            ...
        cowstate.errors.ConflictError: changed since version 0: 'a'; the store is at version 1. ...
        """
        self._ensure_open()
        if expected_version is not None and not isinstance(expected_version, int):
            raise ArgumentTypeError(f"a version is a whole number, not {shown(expected_version)}")
        return self._commit(self, expected_version)

    def __enter__(self) -> Self:
        self._ensure_open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None and self._closed is None:
            self.commit()

    @property
    def meta(self) -> M:
        """The store's meta value; assign to publish another one with the commit.

        To read it is to rely on it.

        >>> from cowstate import Store
        >>> store = Store(meta=1)
        >>> with store.draft() as draft:
        ...     draft.meta += 1
        >>> store.snapshot().meta
        2
        """
        self._meta_used = True
        return self._meta

    @meta.setter
    def meta(self, value: M) -> None:
        self._ensure_open()
        self._check(value)
        self._meta_used = True
        self._meta = value

    def __getitem__(self, key: K) -> V:
        record = self._record(key)
        if record is MISSING:
            raise RecordNotFoundError(key, self._base.version)
        return record

    def __iter__(self) -> Iterator[K]:
        self._key_set_read = True
        return super().__iter__()

    def __len__(self) -> int:
        self._key_set_read = True
        return super().__len__()

    def popitem(self) -> tuple[K, V]:
        """Delete a key, which one is not specified, and return it with its record.

        >>> from cowstate import Store
        >>> draft = Store({"a": 1}).draft()
        >>> draft.popitem(), len(draft)
        (('a', 1), 0)
        """
        self._key_set_read = True
        return super().popitem()

    @overload
    def total(self, aggregate: Aggregate[Any, S]) -> S: ...

    @overload
    def total(self, aggregate: Aggregate[Any, Mapping[G, S]], group: G) -> S: ...

    @overload
    def total(self, aggregate: str, group: object = MISSING) -> Any: ...

    def total(self, aggregate: Any, group: object = MISSING) -> Any:
        """Return the value of an *aggregate*, changes here included, and rely on it.

        Who reads one group relies on that alone.

        >>> from cowstate import Aggregate, Store
        >>> draft = Store({"a": 1}, aggregates={"sum": Aggregate.sum(int)}).draft()
        >>> draft.total("sum")
        1
        """
        # By the class: `super` goes through the bases each time.
        total = Lookups.total(self, aggregate, group)
        if isinstance(aggregate, Aggregate):
            base = self._base
            aggregate = base._lineage.derivation.name_of(aggregate, base.version)
        read = self._totals_read
        if read is None:
            read = self._totals_read = set()
        read.add((aggregate, group))
        return total

    def _record(self, key: K) -> V | Absent:
        try:
            record: Any = self._writes.get(key, _NOT_HERE)
            if record is _NOT_HERE:
                # That there is no record is relied on, too.
                record = self._read[key] = self._map.get(key, MISSING)
        except TypeError:
            ensure_hashable(key)
            raise
        return record  # type: ignore[no-any-return]

    def _found(self, index: str, value: object) -> dict[K, None]:
        found = super()._found(index, value)
        self._entries_read = self._entries_read or set()
        self._entries_read.add((index, value))
        return found

    def _entries_in(self, index: str, span: Span) -> Iterator[tuple[Any, Iterable[K]]]:
        return self._noting(_RangeRead(index, span), super()._entries_in(index, span))

    def _noting(self, read: _RangeRead, found: Iterator[T]) -> Iterator[T]:
        """Yield what was *found*; who stops before its end relies on no more than he was given."""
        self._ranges_read = self._ranges_read or []
        self._ranges_read.append(read)
        whole = read.span
        for each in found:
            read.span = whole.upto(each[0])
            yield each
        read.span = whole

    def outcome_over(
        self, current: Snapshot[K, V, M], expected_version: int | None = None
    ) -> tuple[Snapshot[K, V, M], dict[K, V | Absent], M]:
        """Return what to publish over *current*: it, what was written, the meta value.

        Raises:
            ConflictError: *current* differs from the base in what the draft relied on.
        """
        base = self._base
        if current is not base or expected_version is not None:
            self.conflicts_with(current, expected_version)
        meta = self._meta
        return current, self._writes, current.meta if meta is base.meta else meta

    def conflicts_with(self, current: Snapshot[K, V], expected_version: int | None) -> None:
        """Raise `ConflictError` if *current* differs from the base in what the draft relied on.

        Costs O((what was read + written) log N), never O(N).
        """
        base = self._base
        then, now, read = base._map, current._map, self._read
        written = [(key, then.get(key, MISSING)) for key in self._writes if key not in read]
        keys = [
            key for key, held in chain(read.items(), written) if now.get(key, MISSING) is not held
        ]
        entries = [
            (index, value)
            for index, value in self._entries_read or ()
            if not _same_entry(base, current, index, value)
        ]
        for part in self._ranges_read or ():
            entries += [(part.index, value) for value in part.changed(base, current)]
        reasons = [
            f"total:{name}" if group is MISSING else f"total:{name}[{shown(group, 80)}]"
            for name, group in self._totals_read or ()
            if not _same_total(base, current, name, group)
        ]
        if self._key_set_read and current._key_set is not base._key_set:
            reasons.append("keys")
        if self._meta_used and current.meta is not base.meta:
            reasons.append("meta")
        if expected_version is not None and current.version != expected_version:
            reasons.append("version")
        if keys or entries or reasons:
            raise ConflictError(
                keys, base.version, current.version, entries=entries, reasons=reasons
            )


class _RangeRead:
    """A part of an ordered index that was read, as far as that went."""

    __slots__ = ("index", "span")

    def __init__(self, index: str, span: Span) -> None:
        self.index = index
        self.span = span

    def changed(self, base: Snapshot[Any, Any], current: Snapshot[Any, Any]) -> Iterator[Any]:
        """Yield the first value that has another entry in *current* than in *base*, if any has.

        Costs O(log N + what was read), whatever lies there now.
        """
        one, other = _state_of(base, self.index), _state_now(base, current, self.index)
        if one is other:
            return
        if other is None:
            yield self.span.low
            return
        for then, now in zip_longest(one.between(self.span), other.between(self.span)):
            if then is None or now is None:
                yield (then or now)[0]  # pyright: ignore[reportOptionalSubscript]  (one is there)
            elif then[0] != now[0]:
                yield (min, max)[self.span.reverse](then[0], now[0])
            elif then[1] is not now[1]:
                yield then[0]
            else:
                continue
            return


def _state_of(snapshot: Snapshot[Any, Any], index: str) -> Any:
    return snapshot._indexes[snapshot._lineage.derivation.index_positions[index]]


def _state_now(base: Snapshot[Any, Any], current: Snapshot[Any, Any], index: str) -> Any:
    """Return the entries of the very index that *base* has; None if it was removed since."""
    if current._lineage is not base._lineage:
        was, now = base._lineage.derivation, current._lineage.derivation
        if now.named_indexes.get(index) is not was.named_indexes[index]:
            return None
    return _state_of(current, index)


def _same_total(
    base: Snapshot[Any, Any], current: Snapshot[Any, Any], name: str, group: object
) -> bool:
    was, now = base._lineage.derivation, current._lineage.derivation
    if was is not now and now.named_aggregates.get(name) is not was.named_aggregates[name]:
        return False
    if base._totals[was.total_positions[name]] is current._totals[now.total_positions[name]]:
        return True
    then = base.total(name, group)
    # Of all groups together it is asked whether one has moved: to compare them would be O(N).
    return not isinstance(then, Groups) and same(then, current.total(name, group))


def _same_entry(
    base: Snapshot[Any, Any], current: Snapshot[Any, Any], index: str, value: object
) -> bool:
    now = _state_now(base, current, index)
    then = _state_of(base, index).get(value, MISSING)
    return now is not None and now.get(value, MISSING) is then
