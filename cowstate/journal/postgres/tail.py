"""To look at a store on a server whenever somebody has written it: `PostgresTail`."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from cowstate.errors import CowstateError

from ..ended import Closed, never_freed
from ..errors import JournalFileError, JournalNotFoundError
from ..waking import Waking
from .server import Server
from .telling import AGAIN
from .view import NOT_THERE, PostgresView

__all__ = ["PostgresTail", "rest_after"]

GAP: Final = 0.002
"""How long, in seconds, a look is put off after the one before: a server that writes much is not
asked for each commit."""

REST: Final = 9
"""How many times as long as the look took, if that is more: so a server that is busy is asked more
rarely, and who writes to it is less held up by those who read."""

MOST: Final = 0.03
"""How long, in seconds, at the most."""

GONE: Final = "was deleted while it was followed; what is in memory can still be read"


class PostgresTail:
    """As `Tail` says: a connection that hears of commits, and reads what came.

    That it hears of commits only wakes; what counts is the log. So a word that is lost, with a
    connection, say, loses nothing: whoever connects anew looks first. A server that only repeats
    another one's log (a hot standby) tells nobody until it is promoted; there the log is looked at
    when it is time.

    Args:
        server: the store's place.

    Attributes:
        path: what is said of the store's place.

    Raises:
        JournalError: the server cannot be had.
    """

    stirs = 0  # what it tells of is written

    def __init__(self, server: Server) -> None:
        self.path = server.where
        self._server = server
        self._texts = server.statements()
        self._waking = Waking(self.path)
        self._connection: Any = Closed(self.path)
        self._view: PostgresView | None = None
        self._seen: Any = None
        self._looked: Any = None
        self._began = self._next = self._again = 0.0
        self._told = False
        self._deaf = False
        try:
            self._connect()
        except Exception as error:
            self.close()
            if server.is_of_server(error):
                raise server.refused(error) from error
            raise

    def _connect(self) -> None:
        self._connection.close()
        connection = self._server.connect()
        try:
            [(self._deaf,)] = self._server.ask(connection, "SELECT pg_is_in_recovery()")
            connection.add_notify_handler(self._note)
            if not self._deaf:
                self._listen(connection)
            if self._server.about(connection) is None:
                raise JournalNotFoundError(self.path, NOT_THERE)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _listen(self, connection: Any) -> None:
        connection.execute(f"LISTEN {self._server.channel}")
        # Somebody may have told just before, and will not of what comes just after.
        self._again = monotonic() + AGAIN

    def _note(self, _: object) -> None:
        self._told = True

    def look(self) -> PostgresView | None:
        """Return what is there, as of one moment, if anything was written since the last look.

        Raises:
            psycopg.Error: the server cannot be had now.
            JournalError: it cannot go on.
        """
        if self._connection.closed:
            self._connect()
        self._began = monotonic()
        # Before the look: what is written in between is found now, and looked at once more.
        self._told = False
        found = self._state()
        if self._deaf and found and not found[0][2]:
            # Promoted. What is written from now on is told, and what was before is found.
            self._listen(self._connection)
            self._deaf = False
            found = self._state()
        if not found:
            raise JournalFileError(self.path, GONE)
        self._looked = found[0]
        if self._looked == self._seen:
            return None
        self._view = PostgresView(self._server, self._connection)
        return self._view

    def _state(self) -> list[Any]:
        return self._server.ask(self._connection, self._texts["state"])

    def done(self, to_its_end: bool = True) -> None:
        """End the look; if it was not *to_its_end*, there is another one, whoever writes."""
        view, self._view = self._view, None
        if view is not None:
            view.close()
        now = monotonic()
        self._next = now + rest_after(now - self._began)
        self._again = now + AGAIN
        if to_its_end:
            self._seen = self._looked

    def view(self) -> PostgresView:
        """Return a look of its own, on another connection. From any thread."""
        return PostgresView(self._server)

    # Sleep.

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*, or when the server has told of a commit, or when woken.

        And once more soon after a look that found something: not each commit is told of.
        """
        left = self._again - monotonic()
        if left > 0:
            seconds = min(seconds, left)
        if self._told or self._heard(seconds, self._connection):
            self._heard(self._next - monotonic())

    def _heard(self, seconds: float, connection: Any = None) -> bool:
        """Whether something came on *connection* before the time was over, or somebody woke."""
        is_open = connection is not None and not connection.closed
        came = self._waking.sleep(seconds, connection if is_open else None)
        if came:
            self._take_in(connection)
        return came

    def _take_in(self, connection: Any) -> None:
        """Read what came, so that it is not heard again. If the server has gone, it is over."""
        try:
            connection.pgconn.consume_input()
            _drop_all(connection.pgconn.notifies)
        except Exception as error:
            if not self._server.is_of_server(error):
                raise
            connection.close()

    def wake(self) -> None:
        """End the sleep now, or the next one. From any thread."""
        self._waking.wake()

    # What goes wrong.

    def passes(self, error: Exception) -> bool:
        """Whether *error* may be gone at the next look: the server is started anew, say."""
        return self._server.passes(error) or self._server.passes(error.__cause__)

    def refused(self, error: Exception) -> CowstateError | None:
        """Return what to say of an *error* of the server's; None if it is none of that."""
        return self._server.refused(error) if self._server.is_of_server(error) else None

    def close(self) -> None:
        """Let go of the server. May be called twice."""
        connection, self._connection = self._connection, Closed(self.path)
        connection.close()
        self._waking.close()

    def abandon(self) -> None:
        """Forget the connection without a touch: it belongs to the parent of a fork."""
        never_freed(self._connection)


def rest_after(took: float) -> float:
    """Return how long to rest after a look that *took* so long, in seconds.

    >>> rest_after(0.0001), round(rest_after(0.001), 3), rest_after(1.0)
    (0.002, 0.009, 0.03)
    """
    return max(GAP, min(REST * took, MOST))


def _drop_all(next_of: Any) -> None:
    while next_of() is not None:
        pass
