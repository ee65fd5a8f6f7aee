"""What is derived of records that are there, made when it is first asked for: `Later`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["Later"]

FIRST: Final = (
    "raised as that was built of the records that the store began with: at its first use, or at "
    "the first write"
)


class Later(Sequence[Any]):
    """The states of several indexes or aggregates of the same records, as in a tuple.

    Each is built when it is first asked for, by who asks, and is the same from then on. Several
    threads that ask at once each build it, and get the one that was first: nobody waits for
    another, and nothing is held while functions of the user's run. What these raise comes through,
    and whoever asks next tries again.

    Args:
        parts: what builds the states, by ``build(records)``.
        records: the records, which nobody changes.
    """

    __slots__ = ("_built", "_parts", "_records")

    def __init__(self, parts: Sequence[Any], records: Mapping[Any, Any]) -> None:
        self._parts = parts
        self._records: Mapping[Any, Any] | None = records
        self._built: dict[int, Any] = {}

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return tuple(self)[place]
        if place < 0:
            place += len(self._parts)
        if place not in self._built:
            records = self._records
            # If they are gone, somebody has built the last of all since.
            if records is not None:
                try:
                    state = self._parts[place].build(records)
                except Exception as error:
                    error.add_note(FIRST)
                    raise
                # Of several that were built at once one counts, for states are told apart by
                # identity. One operation of C code, with or without the GIL.
                self._built.setdefault(place, state)
                if len(self._built) == len(self._parts):
                    self._records = None
        return self._built[place]

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(len(self._parts)))

    @property
    def made(self) -> bool:
        """Whether all of them are built."""
        return self._records is None
