"""What an error of the journal leaves to be done, and by whom: `Unwritten`."""

from __future__ import annotations

from typing import Final

from cowstate import Record
from cowstate.journal import FencedError, JournalError, JournalFileError

__all__ = ["Unwritten", "unwritten_by"]

_AGAIN: Final = (
    "give the same command again: it asks the venue what became of what was sent, before it trades"
)


class Unwritten(Record):
    """Why the positions cannot be written any more.

    Attributes:
        why: what failed, in words.
        others: why somebody else may trade with these positions; empty: nobody can.
        then: what to do next.
    """

    why: str
    others: str
    then: str


def unwritten_by(error: JournalError, *, served: bool) -> Unwritten:
    """Return what *error*, by which a trader ended, means for what it leaves at the venue. Pure.

    A file that stands where it stood is this process's as long as it lives, whatever the disk
    does. Who may write a store on a server only the server knows, and it was not heard.

    Args:
        error: what the journal raised.
        served: whether the positions are on a server.

    >>> full = unwritten_by(JournalError("the disk is full"), served=False)
    >>> full.others, full.then[:26]
    ('', 'make room on the disk, or ')
    >>> unwritten_by(FencedError("written by process 7 now"), served=True).others
    'another process trades with these positions now'
    """
    why = str(error)
    if isinstance(error, FencedError):
        return Unwritten(
            why,
            "another process trades with these positions now",
            "leave these orders to that process; to stand by until it is gone, give the same "
            "command with --standby",
        )
    if isinstance(error, JournalFileError):
        where = "a store on a server" if served else "the file, with its -wal,"
        return Unwritten(
            why,
            "what was moved or replaced may be traded with elsewhere",
            f"put {where} back as it was, and {_AGAIN}. If it is lost, cancel these orders at the "
            "venue before you begin with a new one",
        )
    if served:
        return Unwritten(
            why,
            "the server does not say who may write them, and another process may by now",
            f"once the server writes again, {_AGAIN}",
        )
    return Unwritten(why, "", f"make room on the disk, or see to what it says above, and {_AGAIN}")
