"""The right to write: signs of life of the one who has it, `Lease`; and its end, `give_up`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread, current_thread
from time import monotonic
from typing import Any, Final
from weakref import ref

from cowstate.waiters import ThreadWaiter

from ..ended import never_freed
from .server import Server

__all__ = ["Lease", "give_up"]

FAREWELL: Final = 1.0
"""For how long, in seconds, an end waits for a thread that is talking to the server."""

_log = logging.getLogger("cowstate")


class Lease:
    """Has the right to write for as long as it lives, by a thread and a connection of its own.

    It keeps others from taking over, and that is all: what is written is fenced by its own
    transaction. So a sign of life that comes late, or never, costs the right to write, and nothing
    that was acknowledged.

    Args:
        server: the store's place.
        text: the statement that gives a sign of life.
        values: what it is given.
        every: how often, in seconds.
    """

    def __init__(self, server: Server, text: str, values: Mapping[str, Any], every: float) -> None:
        self._bell = ThreadWaiter()
        self._kept: list[Any] = []  # the connection, while there is one
        self._ended = [False]
        sign = partial(_is_signed, server, text, dict(values), self._kept)
        # It does not hold this, so who drops it ends the thread.
        self._thread = Thread(
            target=_serve,
            args=(self._kept, partial(_go_on, ref(self), self._bell, self._ended, every, sign)),
            name=f"lease of {server.where}",
            daemon=True,
        )
        self._thread.start()

    def end(self) -> None:
        """Give no more signs. May be called twice."""
        self._ended[0] = True
        self._bell.notify()
        if self._thread is not current_thread():
            self._thread.join(FAREWELL)

    def abandon(self) -> None:
        """Forget it: thread and connection are the parent's of a fork."""
        self._ended[0] = True
        for connection in list(self._kept):
            never_freed(connection)


def _serve(kept: list[Any], go_on: Callable[[], None]) -> None:
    try:
        go_on()
    finally:
        _let_go(kept)


def _go_on(
    lease: ref[Lease],
    bell: ThreadWaiter,
    ended: list[bool],
    every: float,
    sign: Callable[[], bool],
) -> None:
    while not _over(lease, bell, ended, every) and sign():
        pass


def _is_signed(server: Server, text: str, values: Mapping[str, Any], kept: list[Any]) -> bool:
    """Give a sign of life, if the server can be had; False if somebody else may write."""
    try:
        if not kept or server.is_over(kept[0]):
            _let_go(kept)
            kept.append(server.connect())
        if kept[0].execute(text, values).rowcount == 0:
            _log.warning(
                "somebody else may write %s now",
                server.where,
                extra={"cowstate_event": "lease_lost", "cowstate_path": server.where},
            )
            return False
    except Exception as error:
        if not server.is_of_server(error):
            raise
        _log.warning(
            "%s was given no sign of life: %s",
            server.where,
            error,
            extra={"cowstate_event": "lease_not_renewed", "cowstate_path": server.where},
        )
    return True


def _over(lease: ref[Lease], bell: ThreadWaiter, ended: list[bool], every: float) -> bool:
    """Whether it is over, when it would be time for the next sign."""
    bell.sleep(monotonic() + every)
    return lease() is None or ended[0]


def _let_go(kept: list[Any]) -> None:
    while kept:
        kept.pop().close()


def give_up(server: Server, connection: Any, text: str, values: Mapping[str, Any]) -> None:
    """Say that somebody else may write now; on another connection, if this one was lost.

    Args:
        server: the store's place.
        connection: of the one who may write.
        text: the statement that says so.
        values: what it is given.
    """
    try:
        try:
            connection.execute(text, values)
        except Exception as error:
            if not server.passes(error):
                raise
            with server.connect() as another:
                another.execute(text, values)
    except Exception as error:
        if not server.is_of_server(error):
            raise
        _log.info(
            "%s was not told of the end, so the lease has to: %s",
            server.where,
            error,
            extra={"cowstate_event": "lease_not_given_up", "cowstate_path": server.where},
        )
