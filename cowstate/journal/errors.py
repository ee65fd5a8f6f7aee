"""What can go wrong between a store and its file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from cowstate.errors import ClosedError, CowstateError
from cowstate.showing import cut

__all__ = [
    "Failure",
    "FencedError",
    "JournalClosedError",
    "JournalError",
    "JournalFileError",
    "JournalNotFoundError",
    "UnknownOutcomeError",
    "WriterActiveError",
    "failed",
    "failing",
]

Failure: TypeAlias = Callable[[], CowstateError]
"""Makes the error that somebody is to be told: a new one for each, for each raises it."""


class JournalError(CowstateError, OSError):
    """A write could not be made durable, so it did not happen: memory and disk are as before.

    Its cause is the error of the database or of the file system. Nothing of the write is there,
    nor can it come to be there; the store goes on, and the next write tries again.
    """


class UnknownOutcomeError(JournalError):
    """The disk failed at the very end of a write, and cannot be asked whether that is there.

    Readers do not see it. Each later write asks again first, and is refused with a `JournalError`
    until there is an answer. If the write turns out to be there, it is published then; if not, it
    is gone for good.
    """


class FencedError(JournalError):
    """Somebody else writes the file now. Nothing of the write is there; the store only reads."""


class WriterActiveError(JournalError):
    """The file is open for writing, here or in another process.

    Attributes:
        path: the file.
        who: who has it, in words.
    """

    def __init__(self, path: str, who: str) -> None:
        super().__init__(
            f"{path} is being written by {who}; one store at a time writes. Close that one first; "
            "to read it meanwhile: journal.follow, cowstate show of a file, or any SQL tool"
        )
        self.path = path
        self.who = who


class JournalFileError(JournalError):
    """The file is none that this version of the package, with these types, can go on with.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path
        self.problem = problem


class JournalNotFoundError(JournalFileError, FileNotFoundError):
    """There is no such file, or no store of that name on the server; nothing was made.

    Attributes:
        path: the file, or the store's place.
    """


class JournalClosedError(JournalError, ClosedError):
    """The journal was closed, or belongs to the process that this one was forked from."""


def failed(path: str, error: BaseException) -> str:
    """Return what to say of a write that *error* kept from the file at *path*.

    >>> failed("a.db", OSError("disk I/O error"))
    'nothing was written to a.db (disk I/O error); the store is as before, write again'
    """
    what = cut(str(error)) or type(error).__name__
    return f"nothing was written to {path} ({what}); the store is as before, write again"


def failing(kind: type[JournalError], text: str, cause: BaseException | None = None) -> Failure:
    """Return what makes an error of a *kind*, with *text* and *cause*, each time that it is called.

    >>> failure = failing(FencedError, "gone")
    >>> failure(), failure() is failure()
    (FencedError('gone'), False)
    """
    return partial(_made, kind, text, cause)


def _made(kind: type[JournalError], text: str, cause: BaseException | None) -> JournalError:
    error = kind(text)
    error.__cause__ = cause
    return error
