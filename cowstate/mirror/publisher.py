"""Writes what a source tells into a store, as one version each: `Publisher`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar

from ..changes import MISSING, Absent
from ..commit import Commit
from ..draft import Draft
from ..errors import ConflictError
from ..showing import shown
from ..snapshot import Snapshot
from ..store import Store
from .plan import Owns, read, writes_of
from .source import Changes, Listed

__all__ = ["Publisher"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Publisher(Generic[K, V]):
    """Makes a store hold what news say. For one thread at a time.

    It keeps a dict of what the store held when it last looked, and catches up with what others
    wrote since by a diff: so that a list costs a comparison of two dicts, and not a walk through
    the store. It holds the keys and records that the store holds, so this is a pointer or two each.
    """

    def __init__(self, store: Store[K, V, Any], owns: Owns[K]) -> None:
        self._store = store
        self._owns = owns
        self._held: dict[K, V] = {}
        self._as_of: Snapshot[K, V, Any] | None = None

    def publish(self, news: Listed[K, V] | Changes[K, V]) -> Commit[K, V] | None:
        """Make the store hold what *news* say, as one version; None if it does already.

        What to write is worked out from a snapshot, outside the lock. If somebody has written one
        of the keys meanwhile it is worked out anew, the last time under the lock, so this ends.

        Raises:
            CowstateError: the store, or one of its invariants, refuses it; nothing was written.
        """
        told, base = read(news, self._owns), self._store.snapshot()
        writes = self._writes(base, told)
        if not writes:
            return None
        commit = self._write(base, writes, told)
        self._catch_up(commit.after)
        return commit if commit.before is not commit.after else None

    def _write(
        self,
        base: Snapshot[K, V, Any],
        writes: Mapping[K, V | Absent],
        told: Listed[K, V] | Changes[K, V],
    ) -> Commit[K, V]:
        draft = self._store.draft(base)
        _fill(draft, writes)
        try:
            return draft.commit()
        except ConflictError:
            pass

        def anew(later: Draft[K, V, Any]) -> Draft[K, V, Any]:
            again: Mapping[K, V | Absent] = self._writes(later.base, told)
            _fill(later, again)
            return later

        return self._store.retry(anew).result

    def _writes(
        self, base: Snapshot[K, V, Any], told: Listed[K, V] | Changes[K, V]
    ) -> dict[K, V | Absent]:
        return writes_of(self._catch_up(base) if isinstance(told, Listed) else base, told)

    def _catch_up(self, now: Snapshot[K, V, Any]) -> dict[K, V]:
        """Return what is the mirror's own of *now*."""
        if self._as_of is None:
            owns = self._owns
            self._held = {key: each for key, each in now.items() if owns is None or owns(key)}
        elif now is not self._as_of:
            _apply(self._held, now, self._as_of, self._owns)
        # Last: what is interrupted before is done again, which comes to the same.
        self._as_of = now
        return self._held


def _apply(
    held: dict[K, V], now: Snapshot[K, V, Any], then: Snapshot[K, V, Any], owns: Owns[K]
) -> None:
    for key, (_, new) in now.diff(then).items():
        if owns is not None and not owns(key):
            continue
        if new is MISSING:
            held.pop(key, None)
        else:
            held[key] = new


def _fill(draft: Draft[K, V, Any], writes: Mapping[K, V | Absent]) -> None:
    for key, record in writes.items():
        try:
            if record is MISSING:
                del draft[key]
            else:
                draft[key] = record
        except Exception as error:
            error.add_note(f"under the key {shown(key)}")
            raise
