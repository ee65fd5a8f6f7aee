"""What is asked of a simulated exchange, checked before it is sent.

Slips of whoever asks are found here and not where the request arrives: there the error would be
that of whoever drives the clock. What an exchange itself refuses is no matter of this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from cowstate import ArgumentTypeError, ArgumentValueError

from ..book.model import OrderId, Side, check_amount
from ..errors import ExchangeError
from ..exchange.protocol import OrderRequest

__all__ = [
    "check_orders",
    "check_symbol",
    "check_symbols",
    "check_type",
    "limit_order",
    "order_number",
    "named_order",
]

T = TypeVar("T")


def check_type(name: str, value: object, wanted: type[T]) -> T:
    """Return *value*, which is to be of just that type.

    Raises:
        ArgumentTypeError: it is not.

    >>> check_type("since_ms", 5, int)
    5
    """
    if type(value) is not wanted:
        raise ArgumentTypeError(f"{name} must be of type {wanted.__name__}, and is {value!r}")
    return value


def check_symbol(symbol: str, known: str) -> None:
    """Refuse a market other than the one that is *known*.

    Raises:
        ExchangeError: it is another one.
    """
    if symbol != known:
        raise ExchangeError(f"there is no market {symbol!r} here, only {known!r}")


def check_symbols(symbols: Sequence[str], known: str) -> None:
    """Likewise for several, which are not one text.

    Raises:
        ArgumentTypeError: they are one text.
        ExchangeError: another market than the *known* is among them.
    """
    if isinstance(symbols, str):
        raise ArgumentTypeError(f"symbols is a sequence of symbols: give [{symbols!r}]")
    for symbol in symbols:
        check_symbol(symbol, known)


def order_number(order_id: OrderId) -> int:
    """Return the id of an order, which is a number at a simulated exchange.

    Raises:
        ArgumentTypeError: it is none.
    """
    return check_type("order_id", order_id, int)


def named_order(order_id: OrderId | None, client_oid: str | None) -> int | None:
    """Return the number of the order that is meant, None if its client id says which it is.

    Raises:
        ArgumentTypeError: the id is no number, or the client id no text.
        ArgumentValueError: there is neither.
    """
    if order_id is not None:
        return order_number(order_id)
    if client_oid is None:
        raise ArgumentValueError("name the order: by order_id or by client_oid")
    check_type("client_oid", client_oid, str)
    return None


def limit_order(
    symbol: str,
    type: str,  # noqa: A002 -- ccxt's name
    side: Side,
    amount: Decimal,
    price: Decimal,
    params: Mapping[str, object] | None,
) -> OrderRequest:
    """Return what `Exchange.create_order` is given as one request.

    Raises:
        ExchangeError: the type is not ``"limit"``.
        ArgumentTypeError: a param is of a wrong type.
        ArgumentValueError: a param is unknown.

    >>> buy = limit_order("X", "limit", Side.BUY, Decimal(1), Decimal(2), {"postOnly": True})
    >>> buy.client_oid, buy.post_only
    (None, True)
    """
    if type != "limit":
        raise ExchangeError(f"orders of type {type!r} are not taken here; place a limit order")
    extra = dict(params or {})
    client_oid = extra.pop("clientOrderId", None)
    post_only = check_type("postOnly", extra.pop("postOnly", False), bool)
    if extra:
        raise ArgumentValueError(
            f"unknown params: {', '.join(extra)}; known are clientOrderId and postOnly"
        )
    if client_oid is not None:
        client_oid = check_type("clientOrderId", client_oid, str)
    return OrderRequest(symbol, side, amount, price, client_oid, post_only)


def check_orders(requests: Iterable[OrderRequest], known: str) -> None:
    """Refuse requests that make no sense at any exchange, or not at one of the *known* market.

    Raises:
        ExchangeError: it is of another market.
        AmountTypeError, AmountValueError: an amount or a price is none.
        ArgumentTypeError: the side or the client id is none.
    """
    for request in requests:
        check_symbol(request.symbol, known)
        check_amount("amount", request.amount, signed=True)
        check_amount("price", request.price, signed=True)
        check_type("side", request.side, Side)
        if request.client_oid is not None:
            check_type("client_oid", request.client_oid, str)
