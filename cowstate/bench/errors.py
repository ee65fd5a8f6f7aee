"""What the benchmarks raise."""

from __future__ import annotations

from collections.abc import Sequence

from cowstate.errors import CowstateError

__all__ = ["InstructionCountError", "UnknownWorkloadError"]


class UnknownWorkloadError(CowstateError, ValueError):
    """A benchmark was asked for by a name that none has.

    Attributes:
        names: the names that were given and mean nothing.
        known: those that do.
    """

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        self.names = tuple(names)
        self.known = tuple(known)
        super().__init__(f"no workload {', '.join(map(repr, names))}; there are {', '.join(known)}")


class InstructionCountError(CowstateError, RuntimeError):
    """The instructions of the hot paths could not be counted."""
