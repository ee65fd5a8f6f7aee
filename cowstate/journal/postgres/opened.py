"""How a store on a server is made, and the right to write it had: `found_or_made`, `taken`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any, Final

from ..errors import JournalFileError, WriterActiveError
from ..view import Form
from .server import Server
from .tables import APPLICATION, LAYOUT

__all__ = ["found_or_made", "taken"]

AGAIN: Final = 0.2
"""How long, in seconds, until a server that has gone is looked for again."""

SOONEST: Final = 0.02
"""How long, in seconds, a wait for the end of a lease is at the least."""

LONGEST: Final = 3600.0
"""How long, in seconds, it is at the most: some weeks are too much for a system's call."""

_log = logging.getLogger("cowstate")


def found_or_made(server: Server, form: Form, schema: int) -> tuple[Form, int]:
    """Return the form and the number of the schema of what is there; make it if nothing is."""
    connection = server.connect()
    try:
        return server.about(connection) or _made(server, connection, form, schema)
    finally:
        connection.close()


def _made(server: Server, connection: Any, form: Form, schema: int) -> tuple[Form, int]:
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
    connect: Callable[[], Any],
    texts: Mapping[str, str],
    known: Mapping[str, Any],
    wait: float | None,
) -> tuple[Any, int, int]:
    """Become the one who may write, when nobody else is.

    A server that goes away while it is waited for is connected with anew, when it is back.

    Returns:
        The connection, the epoch, and the version.

    Raises:
        WriterActiveError: somebody else was, for as long as *wait*.
    """
    deadline = None if wait is None else monotonic() + wait
    connection = connect()
    while (found := _taken(server, connection, texts, known, deadline)) is None:
        connection.close()
        connection = _connected_again(server, connect, deadline)
    return connection, *found


def _taken(
    server: Server,
    connection: Any,
    texts: Mapping[str, str],
    known: Mapping[str, Any],
    deadline: float | None,
) -> tuple[int, int] | None:
    """Return the epoch and the version; None if the connection was lost in the wait."""
    waits = False
    try:
        found = _attempt(server, connection, texts, known)
        if not found:
            connection.execute(f"LISTEN {server.free}")
            waits = True
            found = _waited(server, connection, texts, known, deadline)
            connection.execute("UNLISTEN *")
    except BaseException as error:
        if waits and server.passes(error) and not _is_past(deadline):
            return None
        connection.close()
        raise
    [(epoch, version)] = found
    return epoch, version


def _connected_again(server: Server, connect: Callable[[], Any], deadline: float | None) -> Any:
    told = False
    while True:
        sleep(AGAIN)
        try:
            return connect()
        except Exception as error:
            if not server.passes(error) or _is_past(deadline):
                raise
            if not told:
                _log.warning(
                    "%s cannot be had, and is waited for: %s",
                    server.where,
                    error,
                    extra={"cowstate_event": "server_waited_for", "cowstate_path": server.where},
                )
                told = True


def _is_past(deadline: float | None) -> bool:
    return deadline is not None and monotonic() >= deadline


def _attempt(
    server: Server, connection: Any, texts: Mapping[str, str], known: Mapping[str, Any]
) -> list[Any]:
    try:
        return server.ask(connection, texts["take"], known)
    except Exception as error:
        if server.is_held(error):  # by a migration, say, which takes its time
            return []
        raise


def _waited(
    server: Server,
    connection: Any,
    texts: Mapping[str, str],
    known: Mapping[str, Any],
    deadline: float | None,
) -> list[Any]:
    # For as long as the lease has, unless whoever has it gives it back.
    _wait(connection, _left(server, connection, texts, deadline))
    while not (found := _attempt(server, connection, texts, known)):
        _wait(connection, _left(server, connection, texts, deadline))
    return found


def _wait(connection: Any, seconds: float) -> None:
    for _ in connection.notifies(timeout=seconds, stop_after=1):
        pass


def _left(
    server: Server, connection: Any, texts: Mapping[str, str], deadline: float | None
) -> float:
    [(who, left)] = server.ask(connection, texts["holder"]) or [("somebody", 0.0)]
    least = min(max(float(left), SOONEST), LONGEST)
    if deadline is None:
        return least
    now = monotonic()
    if now >= deadline:
        raise WriterActiveError(server.where, who)
    return min(least, max(deadline - now, SOONEST))
