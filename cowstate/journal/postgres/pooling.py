"""Whether a connection has a session of its own, or a pooler's of the moment: `is_shared`."""

from __future__ import annotations

from selectors import EVENT_READ, BaseSelector, DefaultSelector
from time import monotonic
from typing import Any, Final

__all__ = ["SHARED", "is_shared"]

SHARED: Final = (
    "is behind a pooler that gives each transaction whichever session is free (pool_mode = "
    "transaction); what is settled, prepared and listened to belongs to a session. Let the URL "
    "name the server itself, or a pool with pool_mode = session"
)

PATIENCE: Final = 2.0
"""For how long, in seconds, an answer is waited for: a pool may have no session left to give."""

TIMES: Final = 5
"""How often both are asked, for others may have what is free."""

_WHO: Final = b"SELECT pg_backend_pid()"


def is_shared(connection: Any, other: Any, number: int) -> bool:
    """Whether a pooler gives *connection* now this session and then another.

    Whoever has a session of his own has always the same one, and nobody else has it meanwhile. If
    it is not his own, it is free as soon as it has answered, and the next who asks is given it, or
    somebody else has it and another one answers.

    Args:
        connection: of which that is asked.
        other: another one through the same pooler.
        number: of the session that *connection* had first.
    """
    return any(_meet(connection, other, number) for _ in range(TIMES))


def _meet(connection: Any, other: Any, number: int) -> bool:
    mine = _asked(connection)
    theirs = _asked(other)
    # Without an answer it waits for a session, which all others have.
    return (mine is not None and mine != number) or theirs == number


def _asked(connection: Any) -> int | None:
    """Return the number of the session that answers; None if none does in time.

    One that was not answered is not asked again: what it is sent next is not what it says next.
    """
    handle = connection.pgconn
    if handle.is_busy():
        return None
    handle.send_query(_WHO)
    if not _has_answered(handle, connection.fileno()):
        return None
    found = handle.get_result()
    while handle.get_result() is not None:
        pass
    # An error has no rows: the pooler gave up, say.
    return int(found.get_value(0, 0)) if found is not None and found.ntuples else None


def _has_answered(handle: Any, file: int) -> bool:
    with DefaultSelector() as selector:
        selector.register(file, EVENT_READ)
        return _has_answered_by(monotonic() + PATIENCE, handle, selector)


def _has_answered_by(deadline: float, handle: Any, selector: BaseSelector) -> bool:
    while handle.is_busy():
        if not selector.select(max(deadline - monotonic(), 0)):
            return False
        handle.consume_input()
    return True
