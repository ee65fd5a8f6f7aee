"""Which clients of ccxt will do, and what of them must not be told: `ensure_client`. Pure.

A client that rounds, that repeats requests or that prints them would do harm, whatever is made of
its answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import Any, Final

from cowstate import ArgumentTypeError, ArgumentValueError

__all__ = ["ensure_client", "ensure_streaming", "secrets_of"]

_SECRETS: Final = ("apiKey", "secret", "password", "privateKey", "walletAddress", "token", "uid")
_NEEDED: Final = (
    "id",
    "options",
    "number",
    "fetch",
    "on_rest_response",
    "on_json_response",
    "fetch_open_orders",
    "session",
)
_SOCKS: Final = ("socksProxy", "socks_proxy", "socksProxyCallback", "socks_proxy_callback")
_WS_SOCKS: Final = ("wsSocksProxy", "ws_socks_proxy")
_STEPS: Final = 4
_SHORTEST: Final = 6


def ensure_client(client: Any, *, asynchronous: bool = False) -> None:
    """Refuse a client that rounds numbers, or that repeats requests on its own.

    Raises:
        ArgumentTypeError: it is no client of ccxt, or of the other kind than *asynchronous* says.
        ArgumentValueError: its settings would do harm; it says which to make it with.
    """
    for name in _NEEDED:
        if not hasattr(client, name):
            raise ArgumentTypeError(
                f"client is of type {type(client).__name__}, and no client of ccxt: it has no "
                f"{name}; give one such as ccxt.binance({{'number': str}})"
            )
    # That of the object may be an adapter's by now.
    fetch = getattr(type(client), "fetch", client.fetch)
    if iscoroutinefunction(fetch) is not asynchronous:
        raise ArgumentTypeError(
            "client is one of ccxt itself; give one of ccxt.async_support or ccxt.pro with a loop"
            if asynchronous
            else "client is an asynchronous one; give it with the loop that it is to run on "
            "(loop=LoopThread()), or one of ccxt itself"
        )
    if client.number is not str:
        raise ArgumentValueError(
            "this client rounds numbers to floats; make it with {'number': str}"
        )
    if getattr(client, "verbose", False):
        raise ArgumentValueError(
            "this client prints every request, and the key with it (verbose); make it without"
        )
    if getattr(client, "precisionMode", _STEPS) != _STEPS:
        raise ArgumentValueError(
            f"{client.id} counts digits where others name a step (precisionMode), so what it says "
            "of its markets would be misread; take another exchange"
        )
    options: Mapping[str, Any] = client.options or {}
    repeated = [options, *(each for each in options.values() if isinstance(each, dict))]
    if any(each.get("maxRetriesOnFailure") for each in repeated):
        raise ArgumentValueError(
            "this client repeats requests that had no answer (maxRetriesOnFailure): an order that "
            "is placed twice under an id that may be used again is two orders; leave it out"
        )
    if asynchronous and any(getattr(client, each, None) for each in (*_SOCKS, *_WS_SOCKS)):
        raise ArgumentValueError(
            "this client goes through a SOCKS proxy by sessions of its own, which follow redirects "
            "and take the key along; use an HTTP proxy, or a client of ccxt itself"
        )


def ensure_streaming(client: Any) -> None:
    """Refuse a client that cannot bring the events of orders, or that `ensure_client` refuses.

    Raises:
        ArgumentTypeError, ArgumentValueError: likewise.
    """
    ensure_client(client, asynchronous=True)
    if not hasattr(client, "watch_orders") or not client.has.get("watchOrders"):
        raise ArgumentValueError(
            f"{client.id} has no stream of orders here; give a client of ccxt.pro whose "
            "has['watchOrders'] is true, or poll"
        )


def secrets_of(client: Any) -> tuple[str, ...]:
    """Return what of *client* must stand in no text."""
    held = (getattr(client, name, None) for name in _SECRETS)
    # A shorter one stands in half of all texts by chance, and tells nothing.
    return tuple(each for each in held if isinstance(each, str) and len(each) >= _SHORTEST)
