"""What a step touches, and which steps commute: the notion under the reduction."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

__all__ = ["ANYTHING", "NOTHING", "Footprint"]


class Footprint(NamedTuple):
    """What one step of a thread may read and write that other threads may, too.

    Attributes:
        reads: the places that it may read.
        writes: the places that it may write.
        anything: whether it may be any place at all.
    """

    reads: frozenset[Hashable] = frozenset()
    writes: frozenset[Hashable] = frozenset()
    anything: bool = False

    def meets(self, other: Footprint) -> bool:
        """Whether the two may not commute: one of them writes what the other touches."""
        if self.anything or other.anything:
            return bool(self) and bool(other)
        return not (
            self.writes.isdisjoint(other.writes)
            and self.writes.isdisjoint(other.reads)
            and self.reads.isdisjoint(other.writes)
        )

    def __bool__(self) -> bool:
        return self.anything or bool(self.reads) or bool(self.writes)

    def also(self, other: Footprint) -> Footprint:
        """Return this one, with what *other* touches."""
        return Footprint(
            self.reads | other.reads, self.writes | other.writes, self.anything or other.anything
        )

    def writing(self, *places: Hashable) -> Footprint:
        """Return this one, with more places written."""
        return self._replace(writes=self.writes.union(places))


NOTHING: Final = Footprint()
ANYTHING: Final = Footprint(anything=True)
