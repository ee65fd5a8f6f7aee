"""What was, from the log: older versions of a store than it has in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from math import isnan, nan
from typing import Final, Generic, TypeVar

from cowstate.changes import MISSING, Absent
from cowstate.commit import Commit
from cowstate.errors import ArgumentTypeError, ArgumentValueError, CompactedError
from cowstate.schema import Schema
from cowstate.showing import shown
from cowstate.snapshot import Snapshot
from cowstate.timeline import Timeline

from .encoded import Encoder
from .errors import JournalFileError
from .view import Reach, View

__all__ = ["Past", "seconds_of"]

BEHIND: Final = (
    "ends with version {}, and this store has come to {}: it was put back to an older state, or is "
    "a replica that has not got the rest yet, where asking again helps"
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Past(Generic[K, V]):
    """The versions of a store that are in its log.

    Each look is a transaction of its own that only reads, so nobody waits for it. What is found
    goes back from the newest version that is on disk, by what each commit says was there before
    it: what has not changed since are the very records that are there now.
    """

    def __init__(
        self,
        view: Callable[[], View],
        schema: Schema[K, V],
        durable: Timeline[K, V],
        encoder: Encoder[K, V],
    ) -> None:
        self._view = view
        self._schema = schema
        self._durable = durable
        self._encoder = encoder

    @property
    def newest(self) -> int:
        """The newest version that is in the log for sure."""
        return self._durable.current.version

    def at(self, version: int) -> Snapshot[K, V]:
        """Return the snapshot of *version*. O(keys changed since)."""
        return self._at(version)

    def first(self) -> Snapshot[K, V]:
        """Return that of the oldest version that there is. O(keys changed since)."""
        return self._at(None)

    def _at(self, version: int | None) -> Snapshot[K, V]:
        # Before the look, which then finds at least this in the log.
        current = self._durable.current
        view = self._view()
        try:
            oldest = self._reach(view, current.version).oldest
            if version is None:
                version = oldest
            if not oldest <= version <= current.version:
                raise CompactedError(version, oldest)
            writes = self.changed_since(view, version, current.version)
            moved = view.meta_before(version, current.version)
        finally:
            view.close()
        meta = current.meta if moved is None else self._encoder.meta(moved[0])
        return self._schema.replay(current, writes, meta, version).after

    def _reach(self, view: View, known: int) -> Reach:
        """Return how far the log goes, which has to be as far as version *known*.

        What is gone back from that would else be wrong, without a word.
        """
        reach = view.reach()
        if reach.newest < known:
            raise JournalFileError(view.path, BEHIND.format(reach.newest, known))
        return reach

    def changed_since(self, view: View, version: int, upto: int) -> dict[K, V | Absent]:
        """Return what each key held in *version* that was changed since, *upto* another one."""
        key, record = self._encoder.codec.key, self._encoder.codec.record
        return {
            key.decode(name): MISSING if old is None else record.decode(old)
            for name, old in view.before(version, upto)
        }

    def commits(self, start: Snapshot[K, V], most: int) -> list[Commit[K, V]]:
        """Return the commits that follow *start*, at most *most*, as far as the log has them."""
        # Before the look, as in `at`.
        durable = self._durable.current.version
        view = self._view()
        try:
            upto = min(start.version + most, durable)
            self._reach(view, upto)
            return self.replayed(view, start, upto)
        finally:
            view.close()

    def between(self, start: Snapshot[K, V], end: Snapshot[K, V]) -> Commit[K, V]:
        """Return what leads from *start* to *end*, a later version, as one commit."""
        writes = {key: new for key, (_, new) in end.diff(start).items()}
        replayed = self._schema.replay(start, writes, end.meta, end.version)
        return Commit(start, end, {key: (old, new) for key, (old, new) in replayed.changes.items()})

    def replayed(self, view: View, start: Snapshot[K, V], upto: int) -> list[Commit[K, V]]:
        """Return the commits that follow *start* up to a version, as far as the log has them."""
        key, record = self._encoder.codec.key, self._encoder.codec.record
        made: list[Commit[K, V]] = []
        for row in view.commits(start.version, upto):
            if row.version != start.version + 1:
                break  # the log does not go back so far any more
            writes: dict[K, V | Absent] = {
                key.decode(name): MISSING if new is None else record.decode(new)
                for name, _, new in view.changes(row.version)
            }
            meta = start.meta if row.new_meta is None else self._encoder.meta(row.new_meta)
            made.append(self._schema.replay(start, writes, meta, row.version))
            start = made[-1].after
        return made

    def version_at(self, seconds: float) -> int:
        """Return the version that was current then, in seconds since 1970."""
        current = self._durable.current.version
        view = self._view()
        try:
            found, oldest = view.version_at(seconds), self._reach(view, current).oldest
        finally:
            view.close()
        if found is None:
            raise CompactedError(oldest - 1, oldest)
        return min(found, current)

    def version_before(self, seconds: float) -> int:
        """Return the version that was current then, or the oldest that there is."""
        view = self._view()
        try:
            found = view.version_at(seconds)
            return view.reach().oldest if found is None else found
        finally:
            view.close()

    def oldest(self) -> int:
        """Return the oldest version that there is."""
        view = self._view()
        try:
            return view.reach().oldest
        finally:
            view.close()


def seconds_of(moment: datetime | float) -> float:
    """Return *moment* in seconds since 1970.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is no moment, or a different one in each place.

    >>> from datetime import UTC
    >>> seconds_of(datetime(1970, 1, 2, tzinfo=UTC)), seconds_of(3)
    (86400.0, 3.0)
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ArgumentValueError(
                f"{moment} is another moment in each time zone; give it one, such as "
                "datetime(..., tzinfo=UTC)"
            )
        return moment.timestamp()
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise ArgumentTypeError(
            f"a moment is a datetime with its time zone, or seconds since 1970, not {shown(moment)}"
        )
    try:
        seconds = float(moment)
    except OverflowError:
        seconds = nan
    if isnan(seconds):
        raise ArgumentValueError(f"{shown(moment)} seconds since 1970 is no moment")
    return seconds
