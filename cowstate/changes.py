"""What a commit changed: `Change` and `ChangeSet`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from enum import Enum
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar, overload

from .errors import ArgumentTypeError, ChangeSetMismatchError
from .sameness import equal, same
from .showing import shown

__all__ = ["MISSING", "Change", "ChangeSet", "Delta", "Missing"]

K = TypeVar("K")
V = TypeVar("V")


class Missing(Enum):
    """The type of `MISSING`, so that type checkers can narrow on ``is MISSING``."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING
"""Stands for "no record under this key", where None may be a record. False, and only itself."""

Absent: TypeAlias = Literal[Missing.MISSING]

Delta: TypeAlias = dict[K, tuple[V | Absent, V | Absent]]
"""The bare form of a change set: ``{key: (old, new)}`` with ``old is not new``."""


class Change(NamedTuple, Generic[V]):
    """One key's change: the record before and after; `MISSING` where there was none.

    >>> old, new = Change(MISSING, "a")
    >>> old, new
    (MISSING, 'a')
    """

    old: V | Absent
    new: V | Absent


class ChangeSet(Mapping[K, Change[V]], Generic[K, V]):
    """An immutable mapping ``key -> Change(old, new)`` of the keys that differ.

    A key is in it only if ``old is not new``. Change sets form a groupoid: `then` composes two
    that follow one upon the other, `inverse` undoes, the empty one changes nothing.

    Equal to another one, and to a mapping of pairs, if their records are; one that cannot be
    compared (whose ``==`` raises, or gives an array) is equal to itself only.

    Thread-safe, because immutable. Reading a key is one dict look-up.

    >>> first = ChangeSet({"a": (MISSING, 1)})
    >>> second = ChangeSet({"a": (1, 2), "b": (MISSING, 3)})
    >>> first.then(second)
    ChangeSet({'a': Change(old=MISSING, new=2), 'b': Change(old=MISSING, new=3)})
    >>> first.then(first.inverse())
    ChangeSet({})
    """

    __slots__ = ("_delta",)
    _delta: Delta[K, V]

    def __init__(self, changes: Mapping[K, tuple[V | Absent, V | Absent]] | None = None) -> None:
        try:
            pairs = {key: (old, new) for key, (old, new) in dict(changes or {}).items()}
        except (TypeError, ValueError) as error:
            raise ArgumentTypeError(
                f"a change set is made of a mapping from keys to (old, new) pairs: {error}"
            ) from None
        self._delta = {key: pair for key, pair in pairs.items() if pair[0] is not pair[1]}

    @classmethod
    def _of(cls, delta: Delta[K, V]) -> ChangeSet[K, V]:
        """Wrap a delta that nobody else will change, without a copy."""
        changes = cls.__new__(cls)
        changes._delta = delta
        return changes

    def __getitem__(self, key: K) -> Change[V]:
        return Change._make(self._delta[key])

    def __iter__(self) -> Iterator[K]:
        return iter(self._delta)

    def __len__(self) -> int:
        return len(self._delta)

    def __contains__(self, key: object) -> bool:
        return key in self._delta

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return len(self) == len(other) and all(
            _is_change(other.get(key), old, new) for key, (old, new) in self._delta.items()
        )

    __hash__ = None  # type: ignore[assignment]

    def then(self, later: ChangeSet[K, V]) -> ChangeSet[K, V]:
        """Return the change set that is the same as this one and then *later*.

        Associative; ``a.diff(b).then(b.diff(c))`` is the same as ``a.diff(c)``. A key that
        comes back to the very record it started from is not in the result. Costs O(keys in both).

        Raises:
            ChangeSetMismatchError: a key in both does not start, in *later*, with the record
                that it ends with here.

        >>> ChangeSet({"a": (1, 2)}).then(ChangeSet({"a": (2, 3)}))
        ChangeSet({'a': Change(old=1, new=3)})
        """
        return ChangeSet._of(compose(self._delta, later._delta))

    def inverse(self) -> ChangeSet[K, V]:
        """Return the change set that undoes this one. Costs O(keys).

        >>> ChangeSet({"a": (MISSING, 2)}).inverse()
        ChangeSet({'a': Change(old=2, new=MISSING)})
        """
        return ChangeSet._of({key: (new, old) for key, (old, new) in self._delta.items()})

    @overload
    def apply(self, mapping: dict[K, V]) -> dict[K, V]: ...

    @overload
    def apply(self, mapping: MutableMapping[K, V]) -> MutableMapping[K, V]: ...

    def apply(self, mapping: MutableMapping[K, V]) -> MutableMapping[K, V]:
        """Make these changes in *mapping*, in place, and return it.

        ``commit.changes.apply(dict(commit.before)) == dict(commit.after)``. Applying two that
        follow one upon the other is applying ``a.then(b)``, and `inverse` takes back what was
        applied. So a dict is kept like a store by what its feed gives, and a store like another
        one: a transaction and a draft are mappings, too. Costs O(keys), whatever the mapping
        holds; nothing guards the mapping meanwhile, so it must be the caller's own.

        Each key must hold the record that its change starts with, the same or an equal one, for
        what was decoded is equal at best. All are looked at before the first is changed. What
        *mapping* itself raises after that leaves it half changed; only `Store.transact`, and a
        transaction that ends with the error, takes that back.

        Raises:
            ChangeSetMismatchError: a key holds something else; *mapping* is as it was.
            ArgumentTypeError: *mapping* cannot be changed.

        >>> ChangeSet({"a": (1, 2), "b": (MISSING, 3), "c": (4, MISSING)}).apply({"a": 1, "c": 4})
        {'a': 2, 'b': 3}
        """
        if not isinstance(mapping, MutableMapping):
            raise ArgumentTypeError(
                "apply changes a mapping in place, such as a dict or a transaction, not "
                f"{shown(mapping)}; of a snapshot make a dict first: changes.apply(dict(snapshot))"
            )
        torn = [
            key
            for key, (old, _) in self._delta.items()
            if not _holds(mapping.get(key, MISSING), old)
        ]
        if torn:
            raise ChangeSetMismatchError(torn, "what the mapping holds")
        for key, (_, new) in self._delta.items():
            if new is MISSING:
                del mapping[key]
            else:
                mapping[key] = new
        return mapping

    def only(self, wanted: Callable[[K], bool]) -> ChangeSet[K, V]:
        """Return the changes of the keys for which *wanted* is true. Costs O(keys).

        >>> ChangeSet({"a": (1, 2), "b": (1, 2)}).only(lambda key: key != "a")
        ChangeSet({'b': Change(old=1, new=2)})
        """
        return ChangeSet._of({key: pair for key, pair in self._delta.items() if wanted(key)})

    def __repr__(self) -> str:
        parts = [
            f"{shown(key)}: {shown(self[key])}"
            for _, key in zip(range(4), self._delta, strict=False)
        ]
        if len(self) > 4:
            parts.append(f"... {len(self) - 4} more")
        return f"ChangeSet({{{', '.join(parts)}}})"

    def __reduce__(self) -> tuple[Any, ...]:
        return ChangeSet, (self._delta,)


def _holds(held: object, old: object) -> bool:
    # MISSING is never asked whether it equals something: what equals anything would say yes.
    if held is MISSING or old is MISSING:
        return held is old
    return held is old or equal(held, old)


def _is_change(pair: object, old: object, new: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and same(pair[0], old) and same(pair[1], new)


def compose(first: Delta[K, V], second: Delta[K, V]) -> Delta[K, V]:
    """Return the delta of *first* followed by *second*; neither is changed."""
    out = dict(first)
    torn = []
    for key, (old, new) in second.items():
        pair = out.get(key)
        if pair is None:
            out[key] = (old, new)
            continue
        if pair[1] is not old:
            torn.append(key)
        if pair[0] is new:
            del out[key]
        else:
            out[key] = (pair[0], new)
    if torn:
        raise ChangeSetMismatchError(torn)
    return out


def compose_all(deltas: Iterable[Delta[K, V]]) -> Delta[K, V]:
    """Return the delta of several that are known to follow one upon the other."""
    out: Delta[K, V] = {}
    for delta in deltas:
        for key, (old, new) in delta.items():
            pair = out.get(key)
            out[key] = (old if pair is None else pair[0], new)
    return {key: pair for key, pair in out.items() if pair[0] is not pair[1]}
