"""What a mirror is seen to be, in one look, and the samples of that. The second is pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, get_args

from ..mirror import AsyncMirror, Mirror, MirrorStatus
from ..mirror.status import MirrorState
from .samples import Sample, Samples

__all__ = ["AnyMirror", "MirrorSeen", "look_at_mirror", "samples_of_mirror"]

AnyMirror = Mirror[Any, Any] | AsyncMirror[Any, Any]

_STATES: Final = get_args(MirrorState)


class MirrorSeen(NamedTuple):
    """One look at a mirror.

    Attributes:
        status: what it told.
        now: what time it was then, on its clock; None if that raised.
    """

    status: MirrorStatus
    now: float | None


def look_at_mirror(mirror: AnyMirror, fails: Callable[[str, Exception], object]) -> MirrorSeen:
    """Look once; *fails* is told if the clock raises. O(1), never waits."""
    status = mirror.status()
    try:
        return MirrorSeen(status, mirror.clock())
    except Exception as error:
        fails("mirror.lost.time", error)
        return MirrorSeen(status, None)


def samples_of_mirror(name: str, seen: MirrorSeen) -> list[Sample]:
    """Return the samples of one look. Pure.

    >>> from cowstate.mirror import MirrorStatus
    >>> seen = MirrorSeen(MirrorStatus(lost_since=5.0), 7.5)
    >>> [each.value for each in samples_of_mirror("m", seen) if "lost" in each.metric.name]
    [2.5]
    """
    of, status = Samples(name), seen.status
    of.note_which("mirror.state", status.state, _STATES)
    of.note("mirror.synced", status.synced)
    if status.lost_since is None:
        of.note("mirror.lost.time", 0)
    elif seen.now is not None:
        of.note("mirror.lost.time", max(seen.now - status.lost_since, 0.0))
    for field in ("lists", "watches", "changes", "published", "duplicates", "gone", "failures"):
        of.note(f"mirror.{field}", getattr(status, field))
    for error, times in status.errors:
        of.note("mirror.errors", times, error)
    return of
