"""Stores that outlive their process: a journal of every commit, in a file.

>>> import os, tempfile
>>> from cowstate import journal
>>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
>>> with journal.open_store(path, key=str, record=int) as counts:
...     commit = counts.set("visits", 1)
>>> with journal.open_store(path, key=str, record=int) as counts:
...     counts.update("visits", lambda n: n + 1).after["visits"]
2
"""

from .bounds import Bounds
from .errors import (
    FencedError,
    JournalClosedError,
    JournalError,
    JournalFileError,
    JournalNotFoundError,
    UnknownOutcomeError,
    WriterActiveError,
)
from .follower import Follower
from .keeping_up import follow
from .opening import open_store
from .store import Journal, JournaledStore

__all__ = [
    "Bounds",
    "FencedError",
    "Follower",
    "Journal",
    "JournalClosedError",
    "JournalError",
    "JournalFileError",
    "JournalNotFoundError",
    "JournaledStore",
    "UnknownOutcomeError",
    "WriterActiveError",
    "follow",
    "open_store",
]
