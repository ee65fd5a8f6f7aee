"""The bounded ring of recent commits, found by version."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

__all__ = ["Ring"]


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


C = TypeVar("C", bound=_Versioned)


class Ring(Generic[C]):
    """The last *capacity* commits of a store. Written under the store's lock, read without one.

    A writer puts the commit of version v in its place *before* it publishes v. So a reader that
    has seen version v finds, in place v, either that very commit or a later one, which it knows
    by its version; and a commit whose writer failed before publishing lies in the place of the
    next version, where nobody looks yet and the next commit will lie.
    """

    __slots__ = ("__weakref__", "capacity", "slots")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.slots: list[C | None] = [None] * capacity

    def get(self, version: int) -> C | None:
        """Return the commit of a published *version*, or None if the ring has passed it."""
        commit = self.slots[version % self.capacity]
        return commit if commit is not None and commit.version == version else None

    def span(self, after: int, upto: int) -> list[C] | None:
        """Return the commits of the versions from *after* + 1 to *upto*, or None if one is gone.

        Costs O(upto - after), and O(1) if the ring has passed the first.
        """
        found = []
        for version in range(after + 1, upto + 1):
            commit = self.get(version)
            if commit is None:
                return None
            found.append(commit)
        return found
