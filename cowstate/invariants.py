"""Functions that may veto a commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .changes import ChangeSet, Delta
from .errors import ArgumentTypeError, InvariantError
from .showing import shown
from .slips import ensure_function, plain
from .snapshot import Snapshot

__all__ = ["Invariant", "Invariants"]

Invariant: TypeAlias = Callable[[Snapshot[Any, Any], ChangeSet[Any, Any]], "bool | str | None"]
"""``invariant(snapshot, changes)``: None or True accepts, False or a reason (a str) vetoes.

It sees the version that would be published and what would change to get there, runs under the
store's lock, and must be short: look at the changes and the totals, not at every record.
"""


class Invariants:
    """The invariants of one store, by name. Immutable."""

    __slots__ = ("_named",)

    def __init__(self, named: Mapping[str, Invariant] | None) -> None:
        named = {} if named is None else named
        if not isinstance(named, Mapping):
            raise ArgumentTypeError(f"invariants must be a mapping from names, not {shown(named)}")
        for name, invariant in named.items():
            ensure_function(
                invariant, f"invariants[{shown(name)}] must be a function of (snapshot, changes)"
            )
        self._named = tuple(named.items())

    def __len__(self) -> int:
        return len(self._named)

    def ask(self, after: Snapshot[Any, Any], delta: Delta[Any, Any]) -> None:
        """Raise `InvariantError` if one vetoes; what an invariant raises itself passes through."""
        changes = ChangeSet._of(delta)
        for name, invariant in self._named:
            try:
                verdict: object = plain(invariant(after, changes), "an invariant")
            except Exception as error:
                error.add_note(f"raised by invariant {shown(name)}; nothing was committed")
                raise
            if verdict is None or verdict is True:
                continue
            if verdict is False:
                raise InvariantError(name, "it does not hold")
            if isinstance(verdict, str):
                raise InvariantError(name, verdict)
            raise ArgumentTypeError(
                f"invariant {shown(name)} returned {shown(verdict)}; return None or True to "
                "accept, False or a str that says why to veto"
            )
