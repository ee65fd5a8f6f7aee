"""What is shown of a file that a `PositionManager` keeps: the ladder, the position, the alarms.

Pure functions over the records of `cowstate.positions`. A file of anything else has no account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from cowstate.journal.view import Encoded
from cowstate.positions.book.account import Account
from cowstate.positions.book.model import EXACT
from cowstate.positions.book.slots import InventorySlot, Order
from cowstate.positions.reconcile.standing import HeldOrder, standing_of
from cowstate.showing import cut

from .texts import KEY

__all__ = ["account_of", "ladder_row", "position_of", "slot_of"]

FILLS: Final = 3
"""How many of a slot's last fills are shown."""

ALARMS: Final = 50
"""How many alarms are shown; if there are more, it says so."""

_ZERO: Final = Decimal(0)
_accounts: Final = (msgspec.json.Decoder(Account), msgspec.msgpack.Decoder(Account))
_slots: Final = (msgspec.json.Decoder(InventorySlot), msgspec.msgpack.Decoder(InventorySlot))


def account_of(meta: Encoded | None) -> Account | None:
    """Return the account that a meta value is, of a file that a manager keeps; else None.

    >>> account_of('{"grid": 3}') is account_of(None) is account_of("17") is None
    True
    """
    found = None if meta is None else _decoded(_accounts, meta)
    return found if isinstance(found, Account) and found.grid is not None else None


def slot_of(value: Encoded | None) -> InventorySlot | None:
    """Return the slot that a record is, None if it is none."""
    found = None if value is None else _decoded(_slots, value)
    return found if isinstance(found, InventorySlot) else None


def _decoded(decoders: tuple[Any, Any], value: Encoded) -> object:
    try:
        return decoders[isinstance(value, bytes)].decode(value)
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        return None  # what msgspec says, and what the records say of what is in them


def ladder_row(slot: InventorySlot) -> dict[str, Any]:
    """Return one rung of the ladder: what a slot holds, its order at work, its last fills.

    Raises:
        ArithmeticError: it has a number that no manager writes, such as a NaN.

    >>> row = ladder_row(InventorySlot(Decimal(50), position_qty=Decimal("0.1")))
    >>> row["price"], row["position"], row["order"], row["fills"]
    ('50', '0.1', None, [])
    """
    filled = [order for order in slot.orders if order.filled]
    filled.sort(key=_filled_ms)
    return {
        "price": _number(slot.price),
        "position": _number(slot.position_qty),
        "order": None if slot.working is None else _order(slot.working),
        "fills": [_order(order) for order in filled[: -FILLS - 1 : -1]],
    }


def _filled_ms(order: Order) -> tuple[int, int]:
    return order.filled_ms, order.sequence


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.client_oid[:KEY],
        "side": order.side.value,
        "status": order.status.value,
        "price": _number(order.price),
        "quantity": _number(order.quantity),
        "filled": _number(order.filled),
        "ms": order.filled_ms,
        "cancel": order.cancel_requested,
    }


def position_of(slots: Iterable[InventorySlot], account: Account) -> dict[str, Any]:
    """Return what is held, within which bounds, and what somebody should look at. O(orders).

    ``held`` is what the reconciler accounts for: slots, what belongs to none, trades of orders that
    no slot has taken in, and what others did. ``lowest`` and ``highest`` are what it may be at the
    venue, as far as the orders alone tell: each that is at work may have been filled, unheard of,
    by all that is left of it. That is the interval that a reconciler begins with; what it makes of
    the venue's answers is in its process, and in no file.

    Raises:
        ArithmeticError: there are numbers that no manager writes, and that cannot be added up.

    >>> from cowstate.positions import GridConfig
    >>> grid = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 20, "grid")
    >>> told = position_of([InventorySlot(Decimal(50), Decimal("0.1"))], Account(grid=grid))
    >>> told["symbol"], told["held"], told["lowest"], told["highest"], told["alarms"]
    ('BTCUSDT', '0.1', '0.1', '0.1', [])
    """
    total, profit, buys, sells, working = _ZERO, _ZERO, _ZERO, _ZERO, 0
    held: list[HeldOrder] = []
    for slot in slots:
        total = EXACT.add(total, slot.position_qty)
        profit = EXACT.add(profit, slot.realized_profit)
        for order in slot.orders:
            held.append(HeldOrder(order.client_oid, order.order_id, order.signed_filled))
            if not order.terminal:
                working += 1
                if order.side.sign > 0:
                    buys = EXACT.add(buys, order.remaining)
                else:
                    sells = EXACT.add(sells, order.remaining)
        held += (HeldOrder(each.client_oid, each.order_id, each.filled) for each in slot.forgotten)
    accounted = standing_of(account.ledger, total, held).accounted
    alarms = list(_alarms(account))
    breaker = account.breaker
    return {
        "symbol": "" if account.grid is None else account.grid.symbol[:KEY],
        "held": _number(accounted),
        "slots": _number(total),
        "beside": _number(account.unattributed),
        "lowest": _number(EXACT.subtract(accounted, sells)),
        "highest": _number(EXACT.add(accounted, buys)),
        "working": working,
        "profit": _number(profit),
        "agreed_ms": account.agreed_ms,
        "corrections": len(account.corrections),
        "breaker": {
            "open": breaker.open,
            "reason": breaker.reason[:KEY],
            "opened_ms": breaker.opened_ms,
            "trips": breaker.trips,
        },
        "alarms": alarms[:ALARMS],
        "more_alarms": len(alarms[ALARMS:]),
    }


def _alarms(account: Account) -> Iterator[dict[str, Any]]:
    findings = account.findings
    for dispute in findings.disputes:
        why = (
            f"order {dispute.client_oid[:KEY]}: its {dispute.about[:KEY]} is "
            f"{dispute.ours[:KEY]} here, and the venue says {dispute.theirs[:KEY]}"
        )
        yield {"kind": "DISPUTE", "since_ms": dispute.since_ms, "why": why}
    for ghost in findings.ghosts:
        why = f"order {ghost.client_oid[:KEY]} is listed by the venue, and over here"
        yield {"kind": "LISTED", "since_ms": ghost.since_ms, "why": why}
    for absent in findings.absent:
        why = f"order {absent.client_oid[:KEY]} is at work here, and the venue did not find it"
        yield {"kind": "NOT FOUND", "since_ms": absent.since_ms, "why": why}


def _number(value: Decimal) -> str:
    """Write *value* out; with an exponent, if it would be long, and cut if that is long, too."""
    _, digits, exponent = value.as_tuple()
    plain = isinstance(exponent, int) and max(len(digits), abs(exponent)) < KEY
    return f"{value:f}" if plain else cut(str(value), KEY)
