"""The strategy: a long-only grid, as a pure function of what is held and where the price is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from operator import itemgetter

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from .errors import ClientIdError
from .ids import MAX_CLIENT_OID, MAX_SEQUENCE, check_prefix, client_order_id, price_key
from .model import EXACT, TAIL, ActionKind, OrderAction, Side, check_amount
from .slots import InventorySlot, Order

__all__ = ["MAX_LEVELS", "GridConfig", "plan_grid"]

# Client ids must fit for every price that may come; no quoted instrument has more digits.
_INTEGER_DIGITS = 10
MAX_LEVELS = 1_000
"""How many purchases a grid may have: a plan costs time for each of them."""

_SLOT_PRICE = itemgetter(0)


class GridConfig(Record):
    """What a grid is made of. Checked when made, by `replace` too.

    Attributes:
        symbol: the instrument.
        price_step: distance between slots; slots lie at its multiples.
        quantity: base quantity of each purchase.
        levels: how many slots below the last price have a BUY, from 1 to 1,000.
        prefix: what our client order ids begin with; it tells our orders from others'.
        post_only_limit: after more post-only refusals in a row than this, a slot's orders
            keep half a step away from the last price.

    Raises:
        AmountTypeError: step or quantity is no `Decimal` (a float is refused).
        AmountValueError: step or quantity is not more than zero, or not finite.
        ArgumentTypeError, ArgumentValueError: symbol, levels or post_only_limit is wrong.
        ClientIdError: the prefix has other characters than letters, digits and underscore,
            or is so long that client order ids could pass the venues' 36 characters.

    >>> GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 20, "grid").levels
    20
    """

    symbol: str
    price_step: Decimal
    quantity: Decimal
    levels: int
    prefix: str
    post_only_limit: int = 3

    def __post_init__(self) -> None:
        check_amount("price_step", self.price_step, positive=True)
        check_amount("quantity", self.quantity, positive=True)
        if not isinstance(self.symbol, str):
            raise ArgumentTypeError(f"symbol is of type {type(self.symbol).__name__}, not str")
        if not self.symbol:
            raise ArgumentValueError("symbol is empty")
        _check_count("levels", self.levels, 1, MAX_LEVELS)
        # The count of refusals is taken over the tail, so it goes no higher.
        _check_count("post_only_limit", self.post_only_limit, 0, TAIL - 1)
        check_prefix(self.prefix)
        fraction = price_key(self.price_step).partition(".")[2]
        key_length = _INTEGER_DIGITS + (1 + len(fraction) if fraction else 0)
        room = MAX_CLIENT_OID - len("--B") - key_length - len(str(MAX_SEQUENCE))
        if len(self.prefix) > room:
            raise ClientIdError(
                f"prefix {self.prefix!r} has {len(self.prefix)} characters; with a price step of "
                f"{self.price_step} only {max(room, 0)} fit in client order ids of "
                f"{MAX_CLIENT_OID}"
            )


def _check_count(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not int")
    if not least <= value <= most:
        raise ArgumentValueError(f"{name} is {value}; it must be from {least} to {most}")


def plan_grid(
    slots: Mapping[str, InventorySlot], last_price: Decimal, config: GridConfig
) -> tuple[OrderAction, ...]:
    """Return what a long-only grid wants done now, sorted by slot price; at most one per slot.

    - The *window* is the nearest ``config.levels`` multiples of the step below the last price.
      There, a slot that is FREE and EMPTY gets a BUY at its price (one that is short buys back
      what it owes). A slot that is not in *slots* counts as FREE and EMPTY: whoever carries
      out the plan makes it.
    - A FREE slot that holds something, the rest of a purchase that was cancelled included,
      gets a SELL of all of it one step above its price.
    - An acknowledged BUY below the window is cancelled, unless that has been requested.
    - A slot whose orders were refused as post-only more than ``config.post_only_limit`` times
      in a row keeps half a step away from the last price: a BUY waits, a SELL goes higher.

    Pure and deterministic: a plan carried out in full leaves nothing to plan at that price,
    unless it cancelled a purchase that was partly filled: what that holds is then for sale.
    Cost: one look at each slot (about 0.2 microseconds) and some microseconds per action.

    Raises:
        AmountTypeError, AmountValueError: *last_price* is no positive finite `Decimal`.
        ClientIdError: a slot has used up its sequence numbers, or its price is too long.

    >>> config = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid")
    >>> for action in plan_grid({}, Decimal("50003.5"), config):
    ...     print(action.kind, action.side, action.quantity, action.price, action.client_oid)
    PLACE BUY 0.05 49990 grid-49990-B1
    PLACE BUY 0.05 50000 grid-50000-B1
    """
    check_amount("last_price", last_price, positive=True)
    step = config.price_step
    top = EXACT.multiply(EXACT.divide_int(last_price, step), step)
    if top == last_price:
        top = EXACT.subtract(top, step)
    low = max(step, EXACT.subtract(top, EXACT.multiply(step, Decimal(config.levels - 1))))
    expected = int(EXACT.divide_int(EXACT.subtract(top, low), step)) + 1 if low <= top else 0

    planned: list[tuple[Decimal, OrderAction]] = []
    seen = 0
    for key, slot in slots.items():
        price = slot.price
        working = slot.working
        in_window = low <= price <= top and not EXACT.remainder(price, step)
        if in_window:
            seen += 1
        if working is not None:
            if (
                price < low
                and working.side is Side.BUY
                and working.order_id is not None
                and not working.cancel_requested
            ):
                planned.append((price, _cancel(key, working)))
            continue
        held = slot.position_qty
        if held > 0:
            ask = _ask(slot, last_price, config)
            planned.append((price, _place(key, slot, Side.SELL, ask, held, config)))
        elif in_window and (
            slot.post_only_fail_count <= config.post_only_limit
            or EXACT.subtract(last_price, price) >= EXACT.divide(step, Decimal(2))
        ):
            wanted = EXACT.minus(held) if held else config.quantity
            planned.append((price, _place(key, slot, Side.BUY, price, wanted, config)))

    # Writing out the keys of the window costs more than the whole loop above, and is needed
    # only until its slots have been made.
    if seen < expected:
        price = low
        while price <= top:
            key = price_key(price)
            if key not in slots:
                slot = InventorySlot(price)
                planned.append((price, _place(key, slot, Side.BUY, price, config.quantity, config)))
            price = EXACT.add(price, step)
    planned.sort(key=_SLOT_PRICE)
    return tuple([action for _, action in planned])


def _ask(slot: InventorySlot, last_price: Decimal, config: GridConfig) -> Decimal:
    step = config.price_step
    ask = EXACT.add(slot.price, step)
    if slot.post_only_fail_count <= config.post_only_limit:
        return ask
    least = EXACT.add(last_price, EXACT.divide(step, Decimal(2)))
    if ask < least:
        missing = EXACT.divide_int(EXACT.subtract(least, ask), step)
        ask = EXACT.add(ask, EXACT.multiply(missing, step))
    return ask if ask >= least else EXACT.add(ask, step)


def _place(
    key: str, slot: InventorySlot, side: Side, price: Decimal, quantity: Decimal, config: GridConfig
) -> OrderAction:
    client_oid = client_order_id(config.prefix, key, side, slot.last_sequence + 1)
    return OrderAction(ActionKind.PLACE, key, side, price, quantity, client_oid)


def _cancel(key: str, working: Order) -> OrderAction:
    return OrderAction(
        ActionKind.CANCEL,
        key,
        working.side,
        working.price,
        working.remaining,
        working.client_oid,
        working.order_id,
    )
