"""What a market takes: steps, limits and the least cost, kept before an order is sent. `Rules`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cowstate import ArgumentValueError, Record

from ...book.model import EXACT, Side, check_amount, check_type
from ...errors import InvalidOrderError
from ..protocol import OrderRequest
from .amounts import exact_in

__all__ = ["Rules", "check_request", "check_types", "rules_of"]

_ONE = Decimal(1)


class Rules(Record):
    """A market as its venue describes it, in base units and quote currency.

    Attributes:
        symbol: ccxt's unified symbol.
        venue_id: the venue's own name of it.
        base: the currency that is bought and sold.
        quote: the currency of the price.
        settle: the currency that profits are paid in; that of the price, on a spot market.
        contract: whether it is a linear future or swap; else it is a spot market.
        contract_size: how many base units one contract is; 1 on a spot market.
        step: of which number, in base units, an amount is a multiple; None: of none.
        tick: likewise for a price.
        least: the least amount, in base units; None: any.
        most: the greatest.
        lowest: the lowest price; None: any.
        highest: the highest.
        least_cost: the least amount times price; None: any.
    """

    symbol: str
    venue_id: str
    base: str
    quote: str
    settle: str
    contract: bool = False
    contract_size: Decimal = _ONE
    step: Decimal | None = None
    tick: Decimal | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    lowest: Decimal | None = None
    highest: Decimal | None = None
    least_cost: Decimal | None = None


def rules_of(market: Mapping[str, Any]) -> Rules:
    """Return the rules in a market of ccxt, whose precisions are steps (``TICK_SIZE``). Pure.

    Raises:
        ArgumentValueError: it is neither a spot market nor a linear one.
        ArgumentTypeError: a number in it is a float.

    >>> rules_of({"symbol": "BTC/USDT", "id": "BTCUSDT", "base": "BTC", "quote": "USDT",
    ...           "spot": True, "precision": {"amount": "0.001", "price": "0.1"},
    ...           "limits": {"amount": {"min": "0.001"}, "cost": {"min": "5"}}}).least_cost
    Decimal('5')
    """
    symbol = str(market["symbol"])
    contract = bool(market.get("contract"))
    if contract and not market.get("linear"):
        raise ArgumentValueError(
            f"{symbol} is an inverse contract or an option; take a spot market or a linear one"
        )
    if not contract and not market.get("spot"):
        raise ArgumentValueError(f"{symbol} is neither a spot market nor a linear contract")
    if market.get("option"):
        raise ArgumentValueError(f"{symbol} is an option; take a spot market or a linear contract")
    size = exact_in(market, "contractSize") if contract else _ONE
    if size is None or size <= 0:
        raise ArgumentValueError(f"{symbol}: how much one contract is, its venue does not say")
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    amount, price, cost = (limits.get(name) or {} for name in ("amount", "price", "cost"))
    quote = str(market["quote"])
    return Rules(
        symbol,
        str(market["id"]),
        str(market["base"]),
        quote,
        str(market.get("settle") or quote),
        contract,
        size,
        _times(exact_in(precision, "amount"), size),
        _positive(exact_in(precision, "price")),
        _times(exact_in(amount, "min"), size),
        _times(exact_in(amount, "max"), size),
        _positive(exact_in(price, "min")),
        _positive(exact_in(price, "max")),
        _positive(exact_in(cost, "min")),
    )


def check_types(request: OrderRequest) -> None:
    """Refuse what is no request, before any of several is sent. Pure.

    Raises:
        ArgumentTypeError, AmountTypeError, AmountValueError: a field is of the wrong type, or a
            number is not finite.
    """
    check_type("request", request, OrderRequest)
    check_type("symbol", request.symbol, str)
    check_type("side", request.side, Side)
    check_amount("amount", request.amount, signed=True)
    check_amount("price", request.price, signed=True)
    if request.client_oid is not None:
        check_type("client_oid", request.client_oid, str)


def check_request(request: OrderRequest, rules: Rules) -> None:
    """Refuse what the venue would refuse, or a client would round. Pure.

    Raises:
        InvalidOrderError: it says which rule is broken, and the nearest that would do.

    >>> from cowstate.positions import Side
    >>> rules = Rules("BTC/USDT", "BTCUSDT", "BTC", "USDT", "USDT", step=Decimal("0.001"))
    >>> wrong = OrderRequest("BTC/USDT", Side.BUY, Decimal("0.0105"), Decimal(61000))
    >>> check_request(wrong, rules)
    Traceback (most recent call last):
        ...
    cowstate.positions.errors.InvalidOrderError: amount 0.0105 is no multiple of 0.001; 0.0100 is
    """
    _check_multiple("amount", request.amount, rules.step)
    _check_multiple("price", request.price, rules.tick)
    _check_between("amount", request.amount, rules.least, rules.most)
    _check_between("price", request.price, rules.lowest, rules.highest)
    cost = EXACT.multiply(request.amount, request.price)
    _check_between("amount times price", cost, rules.least_cost, None)


def _check_multiple(name: str, value: Decimal, step: Decimal | None) -> None:
    if value <= 0:
        raise InvalidOrderError(f"{name} is {value}; it must be more than zero")
    if step is None:
        return
    over = EXACT.remainder(value, step)
    if over:
        below = EXACT.subtract(value, over)
        nearest = below or step
        raise InvalidOrderError(f"{name} {value} is no multiple of {step}; {nearest:f} is")


def _check_between(name: str, value: Decimal, least: Decimal | None, most: Decimal | None) -> None:
    if least is not None and value < least:
        raise InvalidOrderError(f"{name} is {value:f}, and at least {least:f} is taken")
    if most is not None and value > most:
        raise InvalidOrderError(f"{name} is {value:f}, and at most {most:f} is taken")


def _positive(value: Decimal | None) -> Decimal | None:
    # Some venues write 0 for a limit that they do not have.
    return value if value else None


def _times(value: Decimal | None, size: Decimal) -> Decimal | None:
    return EXACT.multiply(value, size) if value else None
