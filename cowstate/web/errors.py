"""What goes wrong when a page is served, beside what is wrong with the file."""

from __future__ import annotations

from cowstate.errors import CowstateError
from cowstate.showing import message_of

__all__ = ["ServeError"]


class ServeError(CowstateError, OSError):
    """The page cannot be served there: the address is taken, say, or is none of this machine."""

    def __init__(self, why: str) -> None:
        super().__init__(message_of(why))
