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
        built: what is built of them, by its place among *parts*.
        places: which of *parts* this is of; all, if it is left out.
    """

    __slots__ = ("_built", "_parts", "_places", "_records")

    def __init__(
        self,
        parts: Sequence[Any],
        records: Mapping[Any, Any] | None,
        built: dict[int, Any] | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        self._parts = parts
        self._records = records
        self._built: dict[int, Any] = {} if built is None else built
        self._places = range(len(parts)) if places is None else places

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return tuple(self)[place]
        built = self._built
        place = self._places[place]
        if place not in built:
            self._make(place)
        # Looked for by all, not by who built the last one: he may have been interrupted.
        places = self._places
        if self._records is not None and len(built) >= len(places) and built.keys() >= {*places}:
            self._records = None
        return built[place]

    def without(self, place: int) -> Sequence[Any]:
        """Return the same but for the state at *place*; none is built for that.

        What either builds from then on both have.
        """
        places = (*self._places[:place], *self._places[place + 1 :])
        return Later(self._parts, self._records, self._built, places) if places else ()

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
        return len(self._places)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self._places)))

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
