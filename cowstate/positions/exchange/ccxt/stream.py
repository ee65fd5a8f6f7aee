"""The events of our orders as a client of ccxt.pro hears them: `OrderStream`. Needs ``ccxt``."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

from cowstate import CowstateError

from ...book.model import OrderUpdate, check_type
from ...book.reports import Leg
from ...errors import NetworkError
from ..streamed import Hearing
from .bridge import ensure_free, opened, shut
from .calls import readable
from .clients import ensure_streaming, secrets_of
from .failures import without_secrets
from .frames import Frames
from .loops import LoopThread
from .reader import Reader, market_in
from .readings import without_amount
from .venues import Venue, venue_of

__all__ = ["OrderStream", "wait_s"]

_MOST: Final = 10_000
_STEADY_S: Final = 10.0
_LIMITED: Final = ("RateLimitExceeded", "DDoSProtection")


class OrderStream:
    """The stream of our orders in one market, which connects again whenever it breaks.

    For `StreamedOrders`. It runs on *loop* from now on; whoever takes what it heard may be any one
    thread. A message that cannot be read is none, and so is one of another market; each that could
    not be read is counted, for it may have been of ours. The client is for this object alone, and
    is closed with the loop.

    Args:
        client: of ``ccxt.pro``, made with ``{"number": str}``, not that of a `CcxtExchange`.
        symbol: ccxt's unified symbol.
        loop: where it runs.
        leg: as of `CcxtExchange`.
        venue: what is known of the venue; None: as its id says.
        shortest_s: seconds before it connects again after the first failure.
        longest_s: the most that this grows to, doubling.
        clock: seconds, from any moment on; that of `StreamedOrders`.

    Raises:
        ArgumentTypeError, ArgumentValueError: the client or the venue will not do.
        ExchangeError: the loop is closed.

    Example::

        with LoopThread() as loop:
            client = ccxt.pro.binanceusdm({"number": str, "apiKey": key, "secret": secret})
            stream = OrderStream(client, "BTC/USDT:USDT", loop)
            orders = StreamedOrders(exchange, "BTC/USDT:USDT", stream)
            for update in orders.poll():
                manager.on_order_update(update)
    """

    def __init__(
        self,
        client: Any,
        symbol: str,
        loop: LoopThread,
        *,
        leg: Leg = Leg.NET,
        venue: Venue | None = None,
        shortest_s: float = 1.0,
        longest_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_type("symbol", symbol, str)
        ensure_streaming(client)
        ensure_free(client, loop)
        known = venue_of(str(client.id)) if venue is None else venue
        self._client = client
        self._symbol = symbol
        self._leg = leg
        self._venue = known.in_events()
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._clock = clock
        self._loop = loop
        # Both are written on the loop and read by others, whole each time.
        self._hearing = Hearing()
        self._heard: deque[OrderUpdate] = deque()
        # At the level DEBUG its own logger writes every request with its headers.
        client.logger = logging.Logger("ccxt", logging.CRITICAL + 1)
        self._begins_with: dict[str, Any] = deepcopy(dict(client.options))
        self._frames = Frames(client, known.stream_ends, self._stands, self._fell, self._missed)
        loop.keep(self._shut)
        loop.begin(self._listen)

    # For who listens

    def hearing(self) -> Hearing:
        """Return how it does now."""
        return self._hearing

    def take(self) -> tuple[OrderUpdate, ...]:
        """Return what came since, in the order in which it did."""
        return tuple(self._heard.popleft() for _ in range(len(self._heard)))

    def restart(self, why: str) -> None:
        """Have it connect anew. Does not wait for that."""
        with suppress(CowstateError):
            self._loop.begin(lambda: self._fail(why))

    # On the loop:

    async def _fail(self, why: str) -> None:
        # One that is just being connected has not been found deaf.
        if self._hearing.up:
            self._frames.fail(StreamDeafError(why))

    async def _shut(self) -> None:
        self._frames.forget()
        await shut(self._client)

    async def _listen(self) -> None:
        try:
            await self._live()
        finally:
            # Whatever ended it: who polls is not to wait for what nobody hears.
            self._hearing = self._hearing.replace(up=False, why="it is listened to no longer")

    async def _live(self) -> None:
        failures = lives = 0
        while True:
            why, limited = await self._life()
            hearing = self._hearing
            # A venue that takes a connection and ends it at once is not to be asked at once.
            steady = hearing.life > lives and self._clock() - hearing.up_since_s >= _STEADY_S
            failures, lives = 0 if steady else failures + 1, hearing.life
            self._hearing = hearing.replace(up=False, why=why)
            await self._forget()
            await asyncio.sleep(
                self._longest_s if limited else wait_s(failures, self._shortest_s, self._longest_s)
            )

    async def _life(self) -> tuple[str, bool]:
        """Hear until that ends; return why, and whether the venue is asked too often."""
        try:
            await self._hear()
        except Exception as error:
            limited = any(each.__name__ in _LIMITED for each in type(error).__mro__)
            return self._told(error), limited
        except asyncio.CancelledError:
            # Where the client closes a connection, it cancels what is waited for on it.
            if _is_ended():
                raise
            return "the client closed the connection", False
        return "", False

    async def _hear(self) -> None:
        client = self._client
        opened(client)
        markets = await client.load_markets()
        rules = market_in(markets, self._symbol, self._venue)
        # Where its default is another kind of market, ccxt's Binance renews no key of this one.
        client.options["defaultType"] = markets[self._symbol]["type"]
        reader = Reader(client, rules, self._venue, self._leg)
        while self._frames.error is None:
            self._learn(await client.watch_orders(self._symbol), reader)
        raise self._frames.error

    def _learn(self, found: Any, reader: Reader) -> None:
        # Read before anything else runs: the client changes what it has given.
        for said in found:
            try:
                update = readable("watch_orders", lambda each: _read(each, reader), said)
            except NetworkError:
                self._missed()
                continue
            if update is not None:
                self._heard.append(update)
        for _ in range(len(self._heard) - _MOST):
            self._heard.popleft()
            self._missed()

    async def _forget(self) -> None:
        """Have nothing left of the connection that broke: a key that is over is not used again."""
        self._frames.forget()
        await shut(self._client)
        self._client.orders = None
        self._client.options.clear()
        self._client.options.update(deepcopy(self._begins_with))

    def _stands(self) -> None:
        hearing = self._hearing
        self._hearing = hearing.replace(
            up=True, up_since_s=self._clock(), life=hearing.life + 1, why=""
        )

    def _fell(self, error: Exception | None) -> None:
        why = "the venue closed the connection" if error is None else self._told(error)
        self._hearing = self._hearing.replace(up=False, why=why)

    def _missed(self) -> None:
        self._hearing = self._hearing.replace(missed=self._hearing.missed + 1)

    def _told(self, error: Exception) -> str:
        text = without_secrets(f"{type(error).__name__}: {error}", secrets_of(self._client))
        # The key of a stream, and what a message was signed with.
        return re.sub(r"[0-9A-Za-z]{32,}", "***", text)


class StreamDeafError(Exception):
    """Whoever listens has found that it brings nothing any more."""


def wait_s(failures: int, shortest_s: float, longest_s: float) -> float:
    """Return how long to wait after so many failures in a row. Pure.

    >>> [wait_s(each, 1.0, 60.0) for each in (0, 1, 2, 3, 99)]
    [1.0, 1.0, 2.0, 4.0, 60.0]
    """
    return float(min(shortest_s * 2 ** min(max(failures - 1, 0), 30), longest_s))


def _is_ended() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _read(said: Mapping[str, Any], reader: Reader) -> OrderUpdate | None:
    return None if without_amount(said) else reader.order(said)
