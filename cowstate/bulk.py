"""The work of writes of many keys at once, of ``meta``, and of keys that may not be there yet."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from .changes import MISSING, Absent, Delta
from .commit import Commit
from .committer import Committer
from .errors import ArgumentTypeError, RecordNotFoundError
from .keys import ensure_findable, ensure_hashable
from .lineage import delta_of
from .schema import Schema
from .showing import shown

__all__ = ["Bulk", "unique_keys"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def unique_keys(keys: Iterable[K]) -> dict[K, None]:
    """Return *keys*, each once, in their order; a bare str is refused.

    >>> list(unique_keys(["b", "a", "b"]))
    ['b', 'a']
    """
    if isinstance(keys, str | bytes) or not hasattr(type(keys), "__iter__"):
        raise ArgumentTypeError(f"keys must be an iterable of keys, not {shown(keys)}")
    found = list(keys)
    try:
        return dict.fromkeys(found)
    except TypeError:
        for key in found:
            ensure_hashable(key)
        raise


class Bulk(Generic[K, V]):
    """As the works of `Committer`, and by it: each is done while nobody else may write."""

    __slots__ = ("_accepted", "_committer", "_schema")

    def __init__(self, committer: Committer[K, V], schema: Schema[K, V]) -> None:
        self._committer = committer
        self._schema = schema
        self._accepted = schema.accepted

    def update_or(self, key: K, change: tuple[Callable[[V], V], V]) -> Commit[K, V]:
        """Set *key* to ``fn`` of what it holds, or of the default."""
        fn, default = change
        before = self._committer.timeline.current
        try:
            known = key in before._map
        except TypeError:
            ensure_hashable(key)
            raise
        if known:
            return self._committer.update(key, fn)
        ensure_findable(key)
        record = fn(default)
        if type(record) not in self._accepted:
            self._schema.accept_returned(record, key)
        return self._committer.commit({key: record}, before.meta)

    def update_all(self, keys: Iterable[K], fn: Callable[[V], V]) -> Commit[K, V]:
        """Set each of *keys* to ``fn`` of what it holds."""
        before = self._committer.timeline.current
        records, accepted, equal = before._map, self._accepted, self._schema.equal
        writes: dict[K, V] = {}
        # Known here, so that nobody looks each record up once more.
        delta: Delta[K, V] = {}
        for key in keys:
            try:
                old = records[key]
            except KeyError:
                raise RecordNotFoundError(key, before.version) from None
            record = fn(old)
            if type(record) not in accepted:
                self._schema.accept_returned(record, key)
            if record is not old and (equal is None or not equal(old, record)):
                writes[key] = record
                delta[key] = (old, record)
        return self._committer.commit_known(writes, delta)

    def replace_all(self, wanted: Mapping[K, V], _: None = None) -> Commit[K, V]:
        """Make the records those that are *wanted*, and no others."""
        before = self._committer.timeline.current
        records = before._map
        writes: dict[K, V | Absent] = {key: MISSING for key in records if key not in wanted}
        for key, (_old, new) in delta_of(records, wanted, self._schema.equal).items():
            writes[key] = new
        return self._committer.commit(writes, before.meta)

    def set_meta(self, value: Any, _: None = None) -> Commit[K, V]:
        """Set ``meta``."""
        return self._committer.commit({}, value)

    def update_meta(self, fn: Callable[[Any], Any], _: None = None) -> Commit[K, V]:
        """Set ``meta`` to ``fn`` of what it is."""
        value = fn(self._committer.timeline.current.meta)
        self._schema.accept_returned(value)
        return self._committer.commit({}, value)
