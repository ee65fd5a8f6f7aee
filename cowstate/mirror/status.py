"""What a mirror tells of itself."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..records import Record

__all__ = ["MirrorState", "MirrorStatus"]

MirrorState: TypeAlias = Literal["new", "listing", "watching", "waiting", "stopped", "closed"]
"""What a mirror is at."""


class MirrorStatus(Record):
    """How a mirror is doing, all of one moment.

    Attributes:
        state: ``"new"``, not started; ``"listing"`` or ``"watching"``; ``"waiting"``, to try again
            after an error; ``"stopped"``, it has ended otherwise than by being closed, or was left
            behind by a fork; ``"closed"``.
        synced: whether the store has held, once, all that a list told.
        lost_since: since when nothing is known of the source, on the mirror's clock; None while
            all is well. What the store holds is from before.
        revision: the newest revision that the store has.
        version: the version of the store that the last news led to; None for none.
        lists: how many lists were published, those among them that changed nothing.
        watches: how many watches were begun.
        changes: how many changes were told by watches; bookmarks do not count.
        published: how many versions the store got by all this.
        duplicates: how many of the changes were older than what was known, and passed over.
        gone: how often a revision was gone, so that a list was needed.
        errors: how many errors there were, by their names.
        failures: how many of these came in a row until now.
        last_error: the last one, in words; None for none.
        retry_at: when it is tried again, on the mirror's clock; None where it does not wait.

    >>> MirrorStatus().state, MirrorStatus().synced
    ('new', False)
    """

    state: MirrorState = "new"
    synced: bool = False
    lost_since: float | None = None
    revision: Any = None
    version: int | None = None
    lists: int = 0
    watches: int = 0
    changes: int = 0
    published: int = 0
    duplicates: int = 0
    gone: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    failures: int = 0
    last_error: str | None = None
    retry_at: float | None = None
