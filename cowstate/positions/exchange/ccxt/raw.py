"""Bybit's own lists, where ccxt's unified methods leave something out: what to ask, what came.

ccxt's ``fetch_my_trades`` asks there for trades alone, so liquidations and funding are missing; and
its ``fetch_order`` cannot name an order by our id. What came is still taken apart by the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import OrderNotFoundError
from .rules import Rules
from .trades import Step

__all__ = ["order_asked", "order_in", "trades_asked", "trades_in"]


def _market(rules: Rules) -> dict[str, Any]:
    return {"category": "linear" if rules.contract else "spot", "symbol": rules.venue_id}


def trades_asked(step: Step, rules: Rules, page: int) -> dict[str, Any]:
    """Return what is asked for a *step* of a walk through the list of trades. Pure.

    >>> trades_asked(Step(5, 9), Rules("X/Y", "XY", "X", "Y", "Y"), 100)["startTime"]
    5
    """
    window = {"startTime": step.since_ms, "endTime": step.until_ms, "limit": page}
    return {**_market(rules), **window, **dict(step.params)}


def trades_in(client: Any, said: Any, rules: Rules) -> tuple[list[Mapping[str, Any]], str | None]:
    """Return ccxt's trades of an answer, and the cursor of the next page."""
    result = said["result"]
    market = client.market(rules.symbol)
    found = [client.parse_trade(each, market) for each in result["list"]]
    return found, result.get("nextPageCursor") or None


def order_asked(name: str, written: str, rules: Rules) -> dict[str, Any]:
    """Return what is asked for the order whose client id, as the venue takes it, is *written*.

    >>> order_asked("orderLinkId", "g-1-B1", Rules("X/Y", "XY", "X", "Y", "Y"))["category"]
    'spot'
    """
    return {**_market(rules), name: written}


def order_in(client: Any, said: Any, rules: Rules) -> Mapping[str, Any]:
    """Return ccxt's order of an answer: the newest, where its id was used again.

    Raises:
        OrderNotFoundError: there is none.
    """
    found = said["result"]["list"]
    if not found:
        raise OrderNotFoundError("no order under that client id")
    order: Mapping[str, Any] = client.parse_order(found[0], client.market(rules.symbol))
    return order
