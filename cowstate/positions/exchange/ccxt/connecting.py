"""Clients of ccxt that are made as ours take them: `client_of`, `streaming_client_of`.

Imports ccxt.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cowstate import ArgumentValueError, MissingExtraError

from .keys import Keys
from .venues import venue_of

__all__ = ["client_of", "streaming_client_of"]

_TIMEOUT_MS = 10_000


def client_of(exchange_id: str, keys: Keys) -> Any:
    """Return a client of the exchange of that id in ccxt: exact, patient for ten seconds.

    Raises:
        ArgumentValueError: ccxt has no such exchange, or its ways are not known here.
        MissingExtraError: ccxt is not installed.
    """
    return _made("ccxt", exchange_id, keys)


def streaming_client_of(exchange_id: str, keys: Keys) -> Any | None:
    """Return one of ``ccxt.pro`` for `OrderStream`; None, where it has no stream of orders.

    Raises:
        ArgumentValueError, MissingExtraError: as of `client_of`.
    """
    try:
        pro: Any = import_module("ccxt.pro")
    except ImportError as error:
        raise MissingExtraError("a stream of orders", "ccxt") from error
    if exchange_id not in pro.exchanges:
        return None
    client = _made("ccxt.pro", exchange_id, keys)
    return client if client.has.get("watchOrders") else None


def _made(module: str, exchange_id: str, keys: Keys) -> Any:
    venue_of(exchange_id)
    try:
        ccxt: Any = import_module(module)
    except ImportError as error:
        raise MissingExtraError("a client of an exchange", "ccxt") from error
    if exchange_id not in ccxt.exchanges:
        raise ArgumentValueError(f"ccxt has no exchange {exchange_id[:40]!r}")
    settings = {"number": str, "timeout": _TIMEOUT_MS, "enableRateLimit": True}
    return getattr(ccxt, exchange_id)({**settings, **keys.settings()})
