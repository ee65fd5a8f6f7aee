"""ccxt's unified dicts, read into our reports: orders, trades, positions, balances. All pure.

What is missing is not made up. ccxt works out a cost from the limit price where a venue says none;
it is left 0 here, so that a later answer may say it. A status that is not known says nothing but
that the order is there. What is of another order or market than was asked for is no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from cowstate import ArgumentValueError

from ...book.model import EXACT, OrderStatus, OrderUpdate, Side
from ...book.reports import FeeAsset, Leg, PositionReport, TradeKind, TradeReport
from .amounts import exact, exact_in, whole_ms
from .names import Alphabet
from .rules import Rules
from .venues import Venue

__all__ = [
    "balance_of",
    "listed_position",
    "order_of",
    "position_of",
    "trade_of",
    "without_amount",
]

_ZERO: Final = Decimal(0)
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_ENDED: Final = {
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}


def order_of(
    said: Mapping[str, Any],
    rules: Rules,
    venue: Venue,
    *,
    order_id: str | None = None,
    client_oid: str | None = None,
    side: Side | None = None,
    price: Decimal | None = None,
    quantity: Decimal | None = None,
) -> OrderUpdate:
    """Return what a unified order says; what it leaves out, from what it was asked with.

    A *closed* order that is not full was ended by the venue in a way that ccxt does not tell: it
    is CANCELED. One without a status is PENDING: it was taken, and no more is known.

    Args:
        said: ccxt's unified order.
        rules: the market.
        venue: who said it.
        order_id: which order was asked for, by the venue's id.
        client_oid: or by ours, in our own notation.
        side: of an order that was placed: on which side.
        price: likewise.
        quantity: likewise, in base units.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be read, or is of another order.
    """
    found = said.get("id")
    if not isinstance(found, str) or not found:
        raise ArgumentValueError("the answer names no order")
    info: Mapping[str, Any] = said.get("info") or {}
    _ensure_here(said, info, rules, venue)
    amount = exact_in(said, "amount")
    whole = quantity if amount is None else EXACT.multiply(amount, rules.contract_size)
    limit = exact_in(said, "price")
    limit = price if limit is None or (not limit and price is not None) else limit
    told = _SIDES.get(str(said.get("side")), side)
    named = _name_in(info, venue.original_key, venue.alphabet)
    named = named or _name_in(said, "clientOrderId", venue.alphabet)
    other_name = order_id is None and client_oid is not None and named not in (None, client_oid)
    if order_id not in (None, found) or other_name or (side is not None and told is not side):
        raise ArgumentValueError(f"the answer is of another order: {named or found!s:.60}")
    if whole is None or told is None:
        raise ArgumentValueError("the answer says neither how much was ordered nor on which side")
    contracts = exact_in(said, "filled")
    filled = _ZERO if contracts is None else EXACT.multiply(contracts, rules.contract_size)
    status = _status(said.get("status"), filled, whole)
    untold = venue.filled_key is not None and info.get(venue.filled_key) in (None, "")
    if (contracts is None or untold) and status.terminal and status is not OrderStatus.REJECTED:
        raise ArgumentValueError("the answer says that the order is over, and not what it filled")
    update = OrderUpdate(
        rules.symbol,
        named or client_oid or found,
        found,
        told,
        _ZERO if limit is None else limit,
        whole,
        status,
        filled,
        _cost(info, venue, filled),
        whole_ms(said.get("lastUpdateTimestamp") or said.get("timestamp")),
    )
    refused = any(mark in str(value) for mark in venue.taking for value in info.values())
    return update.replace(post_only_reject=True) if refused and update.status.terminal else update


def trade_of(said: Mapping[str, Any], rules: Rules, venue: Venue) -> TradeReport:
    """Return what a unified trade says: an entry in the list of what moved the account.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be read.
    """
    info: Mapping[str, Any] = said.get("info") or {}
    _ensure_here(said, info, rules, venue)
    trade_id, moment = said.get("id"), whole_ms(said.get("timestamp"))
    if not isinstance(trade_id, str) or not trade_id or not moment:
        raise ArgumentValueError("a trade without an id, or of no moment")
    kind = venue.kind_of(info)
    amount = EXACT.multiply(exact("amount", said["amount"]), rules.contract_size)
    if kind is TradeKind.FUNDING:
        # It tells the size of the position that was paid for, and moves none of it.
        amount = _ZERO
    fee = said.get("fee") or {}
    cost = exact_in(fee, "cost")
    order = said.get("order")
    return TradeReport(
        trade_id,
        str(order) if order else None,
        _name_in(info, venue.client_key, venue.alphabet),
        rules.symbol,
        _SIDES[str(said["side"])],
        exact("price", said["price"]),
        amount,
        moment,
        cost,
        _fee_asset(fee.get("currency"), rules),
        kind,
        venue.leg_in(info),
    )


def position_of(said: Mapping[str, Any], rules: Rules) -> PositionReport:
    """Return what a unified position says, signed, in base units.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be read.
    """
    contracts = exact("contracts", said.get("contracts")).copy_abs()
    quantity = EXACT.multiply(contracts, rules.contract_size)
    side = said.get("side")
    if quantity and side not in ("long", "short"):
        raise ArgumentValueError(f"a position of {quantity} that is neither long nor short")
    if side == "short":
        quantity = quantity.copy_negate()
    leg = Leg.NET
    if said.get("hedged"):
        leg = Leg.SHORT if side == "short" else Leg.LONG
    return PositionReport(rules.symbol, quantity, whole_ms(said.get("timestamp")), leg)


def listed_position(said: Mapping[str, Any], rules: Rules, venue: Venue) -> PositionReport:
    """Return what an entry of Binance's own list of positions says: signed, in base units.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be read.
    """
    quantity = EXACT.multiply(exact("positionAmt", said["positionAmt"]), rules.contract_size)
    return PositionReport(
        rules.symbol, quantity, whole_ms(said.get("updateTime")), venue.leg_in(said)
    )


def balance_of(said: Mapping[str, Any], rules: Rules) -> PositionReport:
    """Return what a unified balance says is held of a spot market's base currency, in all.

    Raises:
        ArgumentTypeError, ArgumentValueError: it cannot be read.
    """
    of_base = said.get(rules.base)
    # What is not listed is not held; of what is listed it must stand there how much.
    held = _ZERO if of_base is None else exact(rules.base, of_base.get("total"))
    return PositionReport(rules.symbol, held)


def without_amount(said: Mapping[str, Any]) -> bool:
    """Return whether a unified order waits for a price to close all that is held by then.

    It says no amount, and moves nothing before it becomes another order. None of ours is one.
    """
    waits = said.get("triggerPrice") is not None or said.get("type") not in ("limit", None)
    return waits and not exact_in(said, "amount")


def _ensure_here(
    said: Mapping[str, Any], info: Mapping[str, Any], rules: Rules, venue: Venue
) -> None:
    raw = info.get(venue.market_key) if venue.market_key is not None else None
    for symbol, ours in ((said.get("symbol"), rules.symbol), (raw, rules.venue_id)):
        if symbol not in (None, ours):
            raise ArgumentValueError(f"the answer is of another market: {symbol!s:.60}")


def _name_in(said: Mapping[str, Any], key: str | None, alphabet: Alphabet) -> str | None:
    name = said.get(key) if key is not None else None
    return alphabet.read(name) if isinstance(name, str) and name else None


def _status(said: object, filled: Decimal, whole: Decimal) -> OrderStatus:
    if said == "open":
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW
    ended = _ENDED.get(str(said))
    if ended is OrderStatus.FILLED and filled < whole:
        return OrderStatus.CANCELED
    if ended is not None:
        return ended
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.PENDING


def _cost(info: Mapping[str, Any], venue: Venue, filled: Decimal) -> Decimal:
    cost = exact_in(info, *venue.costs)
    return cost if cost is not None and cost > 0 and filled else _ZERO


def _fee_asset(currency: object, rules: Rules) -> FeeAsset:
    if currency == rules.base:
        return FeeAsset.BASE
    return FeeAsset.QUOTE if currency in (rules.quote, rules.settle) else FeeAsset.OTHER
