"""Which mirrors keep which store, so that no two of them delete each other's records."""

from __future__ import annotations

from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, ref

from .errors import StoreMirroredError

__all__ = ["Claimant", "claim", "release"]


class Claimant(Protocol):
    """A mirror, as far as others of the same store are concerned."""

    @property
    def owns_all(self) -> bool:
        """Whether all keys of the store are its own."""
        ...


_claims: Final[WeakKeyDictionary[Any, dict[int, ref[Claimant]]]] = WeakKeyDictionary()


def claim(store: Any, mirror: Claimant) -> None:
    """Enter *mirror* for *store*.

    Raises:
        StoreMirroredError: one that is there, or this one, takes all keys for its own.
    """
    there = _claims.setdefault(store, {})
    there[id(mirror)] = ref(mirror)
    # Entered before the look: of two that come at once, one at least sees the other.
    other = _rival(there, mirror)
    if other is not None:
        there.pop(id(mirror), None)
        raise StoreMirroredError(other)


def _rival(there: dict[int, ref[Claimant]], mirror: Claimant) -> Claimant | None:
    for other in [reference() for reference in list(there.values())]:
        if other is not None and other is not mirror and (other.owns_all or mirror.owns_all):
            return other
    return None


def release(store: Any, mirror: Claimant) -> None:
    """Let the claim go; no harm if there is none."""
    there = _claims.get(store)
    if there is not None and _holds(there, mirror):
        there.pop(id(mirror), None)


def _holds(there: dict[int, ref[Claimant]], mirror: Claimant) -> bool:
    reference = there.get(id(mirror))
    return reference is not None and reference() is mirror
