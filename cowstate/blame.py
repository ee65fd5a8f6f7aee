"""Which derived value it was, at which record, that raised: `blame`."""

from __future__ import annotations

from .errors import ArgumentTypeError, ArgumentValueError, IndexValueError, UniqueViolationError
from .showing import message_of, shown

__all__ = ["blame"]


def blame(error: Exception, role: str, name: str, key: object) -> None:
    """Say in *error* that it comes from the index or aggregate of that *name*, at *key*.

    What is ours says so in its message, what a function of the user's raised in a note.
    """
    if isinstance(error, UniqueViolationError):  # it knows
        return
    if isinstance(error, IndexValueError):
        if error.index is None:
            error.within(name, key)
        return
    if isinstance(error, ArgumentTypeError | ArgumentValueError):
        where = f"{role} {shown(name)}, record under {shown(key)}"
        error.args = (message_of(f"{where}: {error}"),)
    error.add_note(f"raised by {role} {shown(name)} at {shown(key)}; nothing was committed")
