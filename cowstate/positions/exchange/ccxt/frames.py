"""What a client of ccxt.pro hears, message by message, before it makes something of it: `Frames`.

It reads numbers with a fraction as floats, and where one message breaks it, it hears no other: the
connection stays open, and nothing comes any more. So its own hooks are used, on the one object.
"""

from __future__ import annotations

import json
from asyncio import TimerHandle
from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import Any, Final

from .amounts import ensure_bounded

__all__ = ["Frames", "ends"]

_WRAPS: Final = ("event", "data")


class Frames:
    """The messages of one client, read as they are. On its loop.

    Args:
        client: of ccxt.pro.
        over: the events by which the venue says that there will be no more.
        stands: called when a connection stands.
        fell: called with why, when the latest one does no longer.
        unreadable: called for each message that could not be read, or broke the client.

    Attributes:
        error: by which it was given up, also if nobody waited for a message just then.
    """

    def __init__(
        self,
        client: Any,
        over: Iterable[str],
        stands: Callable[[], object],
        fell: Callable[[Exception | None], object],
        unreadable: Callable[[], object],
    ) -> None:
        self._client = client
        self._over = frozenset(over)
        self._stands = stands
        self._fell = fell
        self._unreadable = unreadable
        self._timers: list[TimerHandle] = []
        self._stands_now: Any = None
        self.error: Exception | None = None
        self._make: Callable[[str], Any] = client.client
        self._delay: Callable[..., TimerHandle] = client.delay
        self._on_connected: Callable[..., Any] = client.on_connected
        self._on_error: Callable[..., Any] = client.on_error
        self._on_close: Callable[..., Any] = client.on_close
        client.client = self._connection
        client.delay = self._delayed
        client.on_connected = self._standing
        client.on_error = self._broken
        client.on_close = self._left

    def forget(self) -> None:
        """Let nothing happen that the client had put off, as the renewal of a key that is over."""
        self.error = self._stands_now = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def fail(self, error: Exception) -> None:
        """Have whoever waits for a message get *error*, and let go of the connections."""
        self.error = error
        for connection in [*self._client.clients.values()]:
            connection.on_error(error)

    # Called by the client:

    def _connection(self, url: str) -> Any:
        connection = self._make(url)
        # The client finds its other hooks as attributes, too.
        connection.handle_text_or_binary_message = partial(self._heard, connection)
        return connection

    def _delayed(self, timeout: float, method: Any, *args: Any) -> TimerHandle:
        timer = self._delay(timeout, method, *args)
        self._timers = [each for each in self._timers if not each.cancelled()][-9:]
        self._timers.append(timer)
        return timer

    def _standing(self, connection: Any, message: Any = None) -> None:
        self._on_connected(connection, message)
        self._stands_now = connection
        self._stands()

    def _broken(self, connection: Any, error: Exception) -> None:
        if self._is_last(connection):
            self._on_error(connection, error)
        self._fall(connection, error)

    def _left(self, connection: Any, code: Any) -> None:
        if self._is_last(connection):
            self._on_close(connection, code)
        self._fall(connection, connection.error)

    def _is_last(self, connection: Any) -> bool:
        # By its address the client would let go of the next one, which may stand by now.
        return self._client.clients.get(connection.url, connection) is connection

    def _fall(self, connection: Any, error: Exception | None) -> None:
        if self._stands_now in (None, connection):
            self._fell(error)

    def _heard(self, connection: Any, data: str | bytes) -> None:
        try:
            text = data.decode() if isinstance(data, bytes) else data
            # What is a number with a fraction there stays the text that it is.
            said = json.loads(text, parse_float=str, parse_constant=str) if _is_json(text) else text
            ensure_bounded(said)
            if ends(said, self._over):
                self.fail(StreamOverError("the venue ended the stream"))
            else:
                connection.on_message_callback(connection, said)
        except Exception:
            # Whatever it held is not known now.
            self._unreadable()


class StreamOverError(Exception):
    """The venue says that nothing more will come."""


def ends(said: object, names: Container[str]) -> bool:
    """Return whether a message is an event by one of these names. Pure.

    >>> ends({"e": "listenKeyExpired"}, ["listenKeyExpired"]), ends({"e": "x"}, ["y"])
    (True, False)
    >>> ends({"subscriptionId": 1, "event": {"e": "listenKeyExpired"}}, ["listenKeyExpired"])
    True
    """
    if not isinstance(said, dict):
        return False
    parts = [said, *(said.get(name) for name in _WRAPS)]
    told = [each.get("e") for each in parts if isinstance(each, dict)]
    return any(isinstance(each, str) and each in names for each in told)


def _is_json(text: str) -> bool:
    return text[:1] in ("{", "[")
