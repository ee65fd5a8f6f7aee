"""How a store on a server is made, and how the right to write it is had: `made`, `taken`."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from ..errors import JournalFileError, WriterActiveError
from ..view import Form
from .server import Server
from .tables import APPLICATION, LAYOUT

__all__ = ["made", "taken"]

SOONEST: Final = 0.02
"""How long, in seconds, a wait for the end of a lease is at the least."""


def made(server: Server, connection: Any, form: Form, schema: int) -> tuple[Form, int]:
    """Make the tables, if nobody has meanwhile; return the form and the number of the schema."""
    texts = server.statements(form)
    with connection.transaction():
        connection.execute(texts["only_one_makes"], {"schema": server.schema})
        found = server.about(connection)
        if found is None:
            [(encoding,)] = server.ask(connection, "SHOW server_encoding")
            if encoding != "UTF8":
                raise JournalFileError(
                    server.where,
                    f"cannot be made in a database whose encoding is {encoding}; make one with "
                    "ENCODING 'UTF8'",
                )
            connection.execute(texts["make"])
            connection.execute(texts["is_about"], (APPLICATION, LAYOUT, form, schema))
            found = form, schema
    return found


def taken(
    server: Server,
    connection: Any,
    texts: Mapping[str, str],
    known: Mapping[str, Any],
    wait: float | None,
) -> tuple[int, int]:
    """Become the one who may write, when nobody else is; return the epoch, and the version.

    Raises:
        WriterActiveError: somebody else was, for as long as *wait*.
    """
    found = server.ask(connection, texts["take"], known)
    if not found:
        deadline = None if wait is None else monotonic() + wait
        connection.execute(f"LISTEN {server.free}")
        found = _waited(server, connection, texts, known, deadline)
        connection.execute("UNLISTEN *")
    [(epoch, version)] = found
    return epoch, version


def _waited(
    server: Server,
    connection: Any,
    texts: Mapping[str, str],
    known: Mapping[str, Any],
    deadline: float | None,
) -> list[Any]:
    while not (found := server.ask(connection, texts["take"], known)):
        left = _left(server, connection, texts, deadline)
        # For as long as the lease has, unless whoever has it gives it back.
        for _ in connection.notifies(timeout=left, stop_after=1):
            pass
    return found


def _left(
    server: Server, connection: Any, texts: Mapping[str, str], deadline: float | None
) -> float:
    [(who, left)] = server.ask(connection, texts["holder"]) or [("somebody", 0.0)]
    least = max(float(left), SOONEST)
    if deadline is None:
        return least
    now = monotonic()
    if now >= deadline:
        raise WriterActiveError(server.where, who)
    return min(least, max(deadline - now, SOONEST))
