"""Which access lost: who went on by what it had read, when another had written since."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Final, NamedTuple

from .footprints import Footprint
from .reduction import Reduction
from .sleepers import Watcher
from .workers import Worker

__all__ = ["Witness"]

_AT_MOST: Final = 5


class _Access(NamedTuple):
    """One step: who made it, where, and what it touched."""

    thread: str
    where: str
    touched: Footprint


class Witness(Watcher):
    """Notes what each step of one run touches, as far as the source shows it."""

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._seen: list[_Access] = []

    def begin(self) -> None:
        """Forget the last run."""
        self._seen.clear()

    def proceed(self, worker: Worker, at: int) -> None:  # noqa: ARG002
        """*worker* goes on."""
        touched = self._reduction.footprint(worker)
        self._seen.append(_Access(worker.name, self._reduction.position(worker), touched))

    def lost(self) -> tuple[str, ...]:
        """Tell what was written over unseen, else what changed amid a thread's uses of it.

        Else what a thread relied on to its end though it had changed.
        """
        for kind in (self._overwritten, self._torn, self._outdated):
            if told := tuple(dict.fromkeys(kind())):
                return told[:_AT_MOST]
        return ()

    def _overwritten(self) -> Iterator[str]:
        for late, access in enumerate(self._seen):
            for place in access.touched.writes - access.touched.reads:
                if (found := self._between(late, place)) is not None:
                    read, write = found
                    yield (
                        f"{access.thread} wrote {self._name(place)} at {access.where} by what it "
                        f"had read at {read.where}, over what {write.thread} wrote at "
                        f"{write.where} since"
                    )

    def _torn(self) -> Iterator[str]:
        for late, access in enumerate(self._seen):
            for place in sorted(access.touched.reads, key=str):
                if (found := self._between(late, place)) is not None:
                    read, write = found
                    yield (
                        f"{access.thread} read {self._name(place)} at {read.where} and again at "
                        f"{access.where}; between the two {write.thread} wrote it at {write.where}"
                    )

    def _outdated(self) -> Iterator[str]:
        latest = {access.thread: number for number, access in enumerate(self._seen)}
        for thread, last in latest.items():
            places = {
                place
                for access in self._seen[:last]
                if access.thread == thread
                for place in access.touched.reads
            }
            for place in sorted(places, key=str):
                found = self._between(last, place)
                if found is not None and place not in self._seen[last].touched.reads:
                    read, write = found
                    yield (
                        f"{thread} went on by what it had read of {self._name(place)} at "
                        f"{read.where}, though {write.thread} wrote it at {write.where} since"
                    )

    def _between(self, late: int, place: Hashable) -> tuple[_Access, _Access] | None:
        """The latest read of *place* by the thread of that step, and another's write since."""
        thread = self._seen[late].thread
        if isinstance(place, tuple) and place[0] in ("primitive", "end", "item"):
            return None
        write = None
        for access in reversed(self._seen[:late]):
            if access.thread != thread and place in access.touched.writes:
                write = write or access
            elif access.thread == thread and place in access.touched.reads | access.touched.writes:
                reads = place in access.touched.reads
                return (access, write) if reads and write is not None else None
        return None

    def _name(self, place: Hashable) -> str:
        assert isinstance(place, tuple)
        kind = self._reduction.kinds.get(place[1], "an object")
        match place[0]:
            case "attribute":
                return f"{kind}.{place[2]}"
            case "items":
                return f"an item of a {kind}"
            case _:
                return f"the {place[0]} {place[1]!r}"
