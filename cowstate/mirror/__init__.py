"""Mirrors: a store that is kept equal to a remote collection, by listing it and then watching it.

`Mirror` runs in a thread, `AsyncMirror` in a task. A `Source` is anything that can ``list()`` what
it has and ``watch(revision)`` what changes: `PollingSource` is made of any function that returns
the whole, `FileSource` of a directory, and ``KubernetesSource``, in `cowstate.mirror.kubernetes`
(extra ``kubernetes``), of the official client. How long a mirror waits after an error is worked
out by tenacity (extra ``mirror``), unless it is given a ``backoff`` of one's own.
"""

from .backoff import Backoff, jittered
from .errors import OtherLoopError, RevisionGoneError, RevisionRewoundError, StoreMirroredError
from .files import FileSource
from .polling import UNCHANGED, PollingSource
from .source import AsyncSource, Changes, Listed, Pause, Source
from .status import MirrorStatus
from .tasks import AsyncMirror
from .threads import Mirror

__all__ = [
    # mirrors
    "Mirror",
    "AsyncMirror",
    "MirrorStatus",
    "jittered",
    "Backoff",
    # sources
    "PollingSource",
    "UNCHANGED",
    "FileSource",
    "Source",
    "AsyncSource",
    # what a source tells
    "Listed",
    "Changes",
    "Pause",
    # errors
    "RevisionGoneError",
    "RevisionRewoundError",
    "StoreMirroredError",
    "OtherLoopError",
]
