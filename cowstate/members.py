"""Who listens to a store: a set that is changed without a lock and asked by key."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from itertools import count
from typing import Any, Generic, TypeVar

from .commit import Commit
from .locks import OwnedLock

__all__ = ["Members", "numbers"]

K = TypeVar("K", bound=Hashable)
M = TypeVar("M")

numbers = count(1)
"""Gives every member a number of its own; the order of the numbers is the order of arrival."""


class Members(Generic[K, M]):
    """Members by number, found by the keys that concern them. Any thread, at any instruction.

    Dicts whose single operations are atomic, with the GIL and without: to insert is one store, to
    remove one ``pop``. So no exception and no call from inside can leave a half of either, and
    two threads cannot undo each other's change, as they could with ``members = (*members, m)``.

    The index by key takes several steps, so it is changed under a lock, which is only tried. Who
    does not get it leaves a member where it is: among those that are asked for every key, which
    is right and merely slower, or in the index as one that is gone, which is dropped by whoever
    finds it there or changes the index next. What is right never depends on the index.

    Attributes:
        all: every member by its number. Who looks whether there is any looks here.
    """

    def __init__(self) -> None:
        self.all: dict[int, M] = {}
        self._flat: dict[int, M] = {}
        self._by_key: dict[K, dict[int, M]] = {}
        self._gone: dict[int, Collection[K]] = {}  # who may be in the index still
        self._indexing = OwnedLock()

    def add(self, number: int, member: M, keys: Collection[K] | None) -> None:
        """Let *member* be found, for each of *keys* or for None at every commit. O(keys)."""
        # From here on it is found by everybody.
        self._flat[number] = member
        self.all[number] = member
        if keys is not None:
            try:
                self._indexing.attempt(0, self._index, number, (member, keys))
            except Exception:  # out of a key's own comparison: it stays where it is
                pass

    def discard(self, number: int, keys: Collection[K] | None) -> None:
        """Let the member go; no harm if it is gone. O(keys)."""
        self.all.pop(number, None)
        self._flat.pop(number, None)
        if keys is not None:
            self._gone[number] = keys
            self._indexing.attempt(0, self._sweep, None, None)

    def concerns_nobody(self, commit: Commit[K, Any]) -> bool:
        """Whether it is plain that *commit*, of one key, concerns no member. O(1)."""
        changed = commit._changed
        if self._flat or type(changed) is not tuple:
            return False
        try:
            return changed[0] not in self._by_key
        except Exception:  # out of a key's own comparison
            return False

    def concerned(self, keys: Collection[K]) -> list[M]:
        """Return the members that a change of *keys* may concern, in the order of their arrival.

        Among them is nobody who is in the index by other keys.
        Costs O(keys, or keys that somebody listens to, whichever is less, and members found).
        """
        if not self._by_key and len(self._flat) < 2:
            return [*self._flat.values()]
        found = dict(self._flat)
        if self._by_key:
            try:
                self._gather(keys, found)
            except Exception:  # out of a key's own comparison: then everybody is asked
                found = dict(self.all)
        if len(found) < 2:
            return list(found.values())
        return [found[number] for number in sorted(found)]

    def _gather(self, keys: Collection[K], found: dict[int, M]) -> None:
        by_key = self._by_key
        if len(by_key) < len(keys):
            keys = [key for key in list(by_key) if key in keys]
        for key in keys:
            here = by_key.get(key)
            if here is None:
                continue
            for number, member in list(here.items()):
                if number in self.all:
                    found[number] = member
                else:
                    here.pop(number, None)

    def _index(self, number: int, what: tuple[M, Collection[K]]) -> None:
        member, keys = what
        for key in keys:
            self._by_key.setdefault(key, {})[number] = member
        # Last: an interruption before this leaves it found twice, never not at all.
        self._flat.pop(number, None)
        if number not in self.all:  # it has gone meanwhile, perhaps before it was to be found here
            self._gone[number] = keys
        if self._gone:
            self._sweep(None, None)

    def _sweep(self, _: None, __: None) -> None:
        for number, keys in list(self._gone.items()):
            try:
                self._unindex(number, keys)
            except Exception:  # as above: what is left of it is gone for everybody who looks
                pass
            self._gone.pop(number, None)

    def _unindex(self, number: int, keys: Collection[K]) -> None:
        for key in keys:
            here: dict[int, Any] = self._by_key.get(key, {})
            here.pop(number, None)
            if not here:
                self._by_key.pop(key, None)

    def after_fork_in_child(self) -> None:
        """Let the index be changed, whoever was at it in the parent."""
        self._indexing.after_fork_in_child()
