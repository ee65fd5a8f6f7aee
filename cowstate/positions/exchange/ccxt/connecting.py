"""A client of ccxt that is made as `CcxtExchange` takes it: `client_of`. Imports ccxt."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cowstate import ArgumentValueError, MissingExtraError

from .keys import Keys
from .venues import venue_of

__all__ = ["client_of"]

_TIMEOUT_MS = 10_000


def client_of(exchange_id: str, keys: Keys) -> Any:
    """Return a client of the exchange of that id in ccxt: exact, patient for ten seconds.

    Raises:
        ArgumentValueError: ccxt has no such exchange, or its ways are not known here.
        MissingExtraError: ccxt is not installed.
    """
    venue_of(exchange_id)
    try:
        ccxt: Any = import_module("ccxt")
    except ImportError as error:
        raise MissingExtraError("a client of an exchange", "ccxt") from error
    if exchange_id not in ccxt.exchanges:
        raise ArgumentValueError(f"ccxt has no exchange {exchange_id[:40]!r}")
    settings = {"number": str, "timeout": _TIMEOUT_MS, "enableRateLimit": True}
    return getattr(ccxt, exchange_id)({**settings, **keys.settings()})
