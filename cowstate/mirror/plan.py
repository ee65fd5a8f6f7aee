"""What news from a source mean for a store: pure, from what it holds to what has to be written."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import compress
from operator import eq, not_
from typing import Any, Final, TypeAlias, TypeVar

from ..changes import MISSING, Absent
from ..errors import ArgumentTypeError, ArgumentValueError, UnhashableKeyError
from ..sameness import same
from ..showing import shown
from .source import Changes, Listed

__all__ = ["Owns", "read", "writes_of"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Owns: TypeAlias = "Callable[[K], bool] | None"
"""Which keys of a store are the mirror's; None for all."""


def read(news: Listed[K, V] | Changes[K, V], owns: Owns[K] = None) -> Listed[K, V] | Changes[K, V]:
    """Return *news* with a dict for its items, read once, for an iterator has them only once.

    Raises:
        ArgumentTypeError, UnhashableKeyError: it is not what a source may tell.
        ArgumentValueError: a key is in it twice, or not the mirror's.
    """
    if isinstance(news, Listed):
        wanted = _as_dict(news.items, "the items of a list")
        _ensure_owned(wanted, owns)
        return Listed(wanted, news.revision)
    put, removed = _as_dict(news.put, "what is put"), _keys(news.removed)
    _ensure_owned(put, owns)
    _ensure_owned(removed, owns)
    return Changes(put, removed, news.revision)


def writes_of(held: Mapping[K, V], news: Listed[K, V] | Changes[K, V]) -> dict[K, V | Absent]:
    """Return what has to be written over *held*, that it is what *news* say; for no change, {}.

    What is equal to what is there is no change. Of *news* as `read` returns them. Costs O(changes)
    for changes, O(N) for a list, of which *held* must be a dict: of what may be deleted by it.
    """
    if isinstance(news, Listed):
        return _all_of(held, news.items)  # type: ignore[arg-type]
    writes: dict[K, V | Absent] = {key: MISSING for key in news.removed if key in held}
    for key, new in news.put.items():
        writes.pop(key, None)
        old = held.get(key, MISSING)
        if old is MISSING or not same(old, new):
            writes[key] = new
    return writes


def _all_of(held: dict[K, V], wanted: dict[K, V]) -> dict[K, V | Absent]:
    # In C, for most lists tell what is known already.
    try:
        if wanted == held:
            return {}
        there = map(held.__getitem__, wanted)
        other = list(compress(wanted, map(not_, map(eq, there, wanted.values()))))
    except Exception:  # a key is new; or records cannot be compared, or that gives no truth
        other = list(wanted)
    writes: dict[K, V | Absent] = {}
    known = len(wanted)
    for key in other:
        old, new = held.get(key, MISSING), wanted[key]
        if old is MISSING:
            known -= 1
            writes[key] = new
        elif not same(old, new):
            writes[key] = new
    if known < len(held):
        writes.update(dict.fromkeys(held.keys() - wanted.keys(), MISSING))
    return writes


_NO_ITEMS: Final = "{} must be a mapping, or an iterable of (key, record) pairs, not {}"


def _as_dict(items: Any, what: str) -> dict[Any, Any]:
    if type(items) is dict:
        return items  # as it is: it is only looked at
    if isinstance(items, Mapping):
        return dict(items)
    if isinstance(items, str | bytes) or not hasattr(type(items), "__iter__"):
        raise ArgumentTypeError(_NO_ITEMS.format(what, shown(items)))
    found: dict[Any, Any] = {}
    for pair in items:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ArgumentTypeError(_NO_ITEMS.format(what, f"an iterable with {shown(pair)} in it"))
        key = _hashable(pair[0])
        if key in found:
            raise ArgumentValueError(f"{what}: {shown(key)} is in it twice; keys must be unique")
        found[key] = pair[1]
    return found


def _keys(removed: Any) -> list[Any]:
    if isinstance(removed, str | bytes) or not hasattr(type(removed), "__iter__"):
        raise ArgumentTypeError(f"removed must be an iterable of keys, not {shown(removed)}")
    return [_hashable(key) for key in removed]


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        raise UnhashableKeyError(key) from None
    return key


def _ensure_owned(keys: Iterable[K], owns: Owns[K]) -> None:
    if owns is None:
        return
    for key in keys:
        if not owns(key):
            raise ArgumentValueError(
                f"the source has {shown(key)}, which owns= says is no key of this mirror's; let "
                "the source leave it out, or let owns= return True for it"
            )
