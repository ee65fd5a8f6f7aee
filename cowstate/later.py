"""What is derived of records that are there, made when it is first asked for: `Later`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["Later"]

FIRST: Final = (
    "raised as that was built of the records that the store began with: at its first use, or at "
    "the first write"
)
ITSELF: Final = "a function of an index or aggregate may not ask for that very one"


class Later(Sequence[Any]):
    """The states of several indexes or aggregates of the same records, as in a tuple.

    Each is built when it is first asked for, by who asks, and is the same from then on. Several
    threads that ask at once each build it, and get the one that was first: nobody waits for
    another, and nothing is held while functions of the user's run. So it may be asked for anywhere,
    also by a finalizer in the middle of its being built. What is raised meanwhile comes through,
    and whoever asks next tries again.

    Args:
        parts: what builds the states, by ``build(records)``.
        records: the records, which nobody changes; let go of when all is built.
    """

    __slots__ = ("_built", "_parts", "_records")

    def __init__(self, parts: Sequence[Any], records: Mapping[Any, Any]) -> None:
        self._parts = parts
        self._records: Mapping[Any, Any] | None = records
        self._built: dict[int, Any] = {}

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return tuple(self)[place]
        built = self._built
        if place not in built:
            place = range(len(self._parts))[place]
            self._make(place)
        # Looked for by all, not by who built the last one: he may have been interrupted.
        if self._records is not None and len(built) == len(self._parts):
            self._records = None
        return built[place]

    def _make(self, place: int) -> None:
        records = self._records
        if records is None:
            return  # somebody has built the last of all since
        try:
            state = self._parts[place].build(records)
        except Exception as error:
            _note(error, FIRST)
            if isinstance(error, RecursionError):
                _note(error, ITSELF)
            raise
        # Of several that were built at once one counts, for states are told apart by identity. One
        # operation of C code, with or without the GIL.
        self._built.setdefault(place, state)

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self._parts)))

    def trunk(self) -> list[object]:
        """Return the objects that whoever asks for one goes through; none is built for that."""
        found: list[object] = [self, self._built]
        for place, state in self._built.copy().items():
            found += self._parts[place].trunk(state)
        return found


def _note(error: Exception, text: str) -> None:
    # Once, however deep it was raised, and of however many looks: it may be the same error.
    if text not in getattr(error, "__notes__", ()):
        error.add_note(text)
