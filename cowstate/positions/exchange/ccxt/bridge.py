"""The edge to an asynchronous client of ccxt: `Bridge`, and sessions that send a request once.

What such a client is made of, aiohttp, follows redirects, and repeats a cancellation, unasked, on
whose connection the other side hung up. The second one is refused, and the order that the first one
has cancelled would be taken for one that never was.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from cowstate import ArgumentValueError, MissingExtraError

from ...errors import ExchangeError, NetworkError
from .loops import LoopThread, Running

__all__ = ["Bridge", "ensure_free", "opened", "shut"]

_LIMIT_S: Final = 120.0
_GRACE_S: Final = 2.0
_FAREWELL_S: Final = 1.0


class SentOnceError(Exception):
    """A request was to be sent again, to the same place or another one. It was not."""


class Bridge:
    """Calls of an asynchronous client by a thread that waits. For one thread at a time.

    A call that takes too long is ended. If it is not known to have ended, whether its request left
    is not known either, and no other call begins before it has.

    Args:
        client: of ``ccxt.async_support`` or ``ccxt.pro``.
        loop: where it runs. When that is closed, so is the client.
        limit_s: how long a call may take, beyond what the client allows each of its requests.
        grace_s: how long one that is ended may take to do so.

    Raises:
        ArgumentValueError: the client has run on another loop.
    """

    def __init__(
        self,
        client: Any,
        loop: LoopThread,
        *,
        limit_s: float = _LIMIT_S,
        grace_s: float = _GRACE_S,
    ) -> None:
        ensure_free(client, loop)
        self._client = client
        self._loop = loop
        self._limit_s = limit_s
        self._grace_s = grace_s
        self._under_way: Running[Any] | None = None
        loop.keep(self._shut)

    def call(self, name: str, *args: Any) -> Any:
        """Return what the method of that name comes to.

        Raises:
            NetworkError: it did not come to an end, and what it did is not known.
            ExchangeError: an earlier one has not, or the loop is closed, or this is its thread;
                nothing was sent.
            Exception: whatever the client raised.
        """
        self._loop.ensure_elsewhere()
        before = self._under_way
        if before is not None and not wait([before.outcome], self._grace_s).done:
            raise ExchangeError(f"{name}: an earlier call does not end; nothing was sent")
        running = self._under_way = self._loop.begin(lambda: self._called(name, args))
        try:
            ended = wait([running.outcome], self._limit_s).done
            if not ended:
                running.end()
                ended = wait([running.outcome], self._grace_s).done
        except BaseException:
            running.end()
            raise
        if not ended:
            raise NetworkError(
                f"{name}: it does not end, so what it did is not known: it was done, or not, or "
                "will be; ask again"
            )
        return running.outcome.result()

    async def _called(self, name: str, args: tuple[Any, ...]) -> Any:
        opened(self._client)
        return await getattr(self._client, name)(*args)

    async def _shut(self) -> None:
        await shut(self._client)


def ensure_free(client: Any, loop: LoopThread) -> None:
    """Refuse a client that has run on another loop.

    Raises:
        ArgumentValueError: it has.
    """
    if getattr(client, "asyncio_loop", None) not in (None, loop.loop):
        raise ArgumentValueError("this client has run on another loop already; make one for each")


def opened(client: Any) -> None:
    """Have *client* have a session that sends a request once, and to nobody else. On its loop."""
    client.open()
    traces = client.session.trace_configs
    if not any(_refuse_redirect in each.on_request_redirect for each in traces):
        try:
            aiohttp: Any = import_module("aiohttp")
        except ImportError as error:
            raise MissingExtraError("an asynchronous client of an exchange", "ccxt") from error
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        trace.on_request_headers_sent.append(_refuse_second)
        trace.freeze()
        traces.append(trace)


async def _refuse_redirect(_: Any, __: Any, params: Any) -> None:
    # What answers there knows nothing of what was done here.
    params.response.close()
    raise SentOnceError("the answer is a redirect, which is not followed")


async def _refuse_second(_: Any, request: Any, __: Any) -> None:
    # Called just before the request leaves, with what aiohttp makes for each one.
    if getattr(request, "was_sent", False):
        raise SentOnceError("the other side hung up, and the request is not sent again")
    request.was_sent = True


async def shut(client: Any) -> None:
    """Close all that *client* has open, whether or not the other side takes leave. On its loop."""
    with suppress(Exception):
        await asyncio.wait_for(client.close_ws_clients(), _FAREWELL_S)
    # Whoever does not answer is not asked again; with the session its connection goes.
    client.clients = {}
    with suppress(Exception):
        await client.close()
