"""What goes wrong between a mirror and its source.

They have the base and the manners of the library's own: see `cowstate.errors`.
"""

from __future__ import annotations

from ..errors import CowstateError
from ..showing import shown

__all__ = ["OtherLoopError", "RevisionGoneError", "RevisionRewoundError", "StoreMirroredError"]


class RevisionGoneError(CowstateError, LookupError):
    """A source cannot tell any more what changed since a revision; the mirror lists again.

    Raised by sources, in ``watch``.

    Attributes:
        revision: the one that is gone.
    """

    def __init__(self, revision: object) -> None:
        self.revision = revision
        super().__init__(
            f"what changed since revision {shown(revision)} cannot be told any more; list again"
        )


class RevisionRewoundError(CowstateError, RuntimeError):
    """A source listed an older revision than it had told before; the list was not believed.

    Attributes:
        listed: the revision of the list.
        known: the newest one that was told before.
    """

    def __init__(self, listed: object, known: object, seconds: float) -> None:
        self.listed = listed
        self.known = known
        super().__init__(
            f"the source lists revision {shown(listed)} after {shown(known)}: what answers lags "
            f"behind, or was restored from a backup. If it goes on so for {seconds:g} s (rewind=), "
            "it is believed"
        )


class OtherLoopError(CowstateError, RuntimeError):
    """A mirror that a task keeps was awaited on another event loop than that task's."""

    def __init__(self, mirror: object) -> None:
        super().__init__(
            f"{shown(mirror)} runs on another event loop; await it there, as by "
            "asyncio.run_coroutine_threadsafe"
        )


class StoreMirroredError(CowstateError, RuntimeError):
    """Another mirror keeps the same records of this store, and each would delete the other's."""

    def __init__(self, other: object) -> None:
        super().__init__(
            f"{shown(other)} mirrors this store, and one would delete what the other one brings. "
            "Give each mirror a store of its own, or each its own keys: owns=lambda key: ..."
        )
