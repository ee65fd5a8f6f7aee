"""The words of the grid trader: enumerations, order facts, actions, results and fills.

Everything here is an immutable record. Prices and quantities are `decimal.Decimal`; a float is
refused, because 0.1 as a float is already another number. What enters from outside is checked
once, when its record is made; the records inside (`Order`, `InventorySlot`) trust what was
checked.
"""

from __future__ import annotations

from decimal import Context, Decimal
from enum import StrEnum
from typing import TypeAlias

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..errors import AmountTypeError, AmountValueError

__all__ = [
    "EXACT",
    "FORGOTTEN",
    "TAIL",
    "ActionKind",
    "ActionOutcome",
    "ActionResult",
    "Fill",
    "OrderAction",
    "OrderId",
    "OrderStatus",
    "OrderUpdate",
    "PositionStatus",
    "Side",
    "SlotStatus",
    "check_amount",
    "check_count",
    "check_order_id",
    "check_type",
]

OrderId: TypeAlias = int | str
"""The venue's id of an order or of a trade, as the venue writes it: a number, or text."""

EXACT = Context(prec=100)
"""The context for sums of money: exact to 100 digits, whatever context the caller's thread has."""

TAIL = 8
"""How many closed orders a slot remembers; facts of an older one are refused as retired."""

FORGOTTEN = 32
"""Of how many forgotten orders a slot still knows what it counted, until it is told to drop it."""

_ZERO = Decimal(0)
# Beyond this power of ten a number is a mistake, and writing it out would take its digits.
_MAX_MAGNITUDE = 36


class Side(StrEnum):
    """The side of an order; position moves up with BUY and down with SELL.

    `sign` is +1 for BUY and -1 for SELL.
    """

    sign: int

    BUY = "BUY", 1
    SELL = "SELL", -1

    def __new__(cls, value: str, sign: int = 0) -> Side:
        """Make a member with its sign."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sign = sign
        return member


class OrderStatus(StrEnum):
    """Where an order stands, in the exchange's words (PENDING is ours: sent, not yet answered).

    `rank` orders what is known: of two reports the higher rank is believed. `terminal` says
    that an order in this status is over; it never leaves it. Among terminal statuses, which
    can contradict each other only if the exchange contradicts itself, FILLED ranks highest,
    because a fill cannot be undone.
    """

    rank: int
    terminal: bool

    PENDING = "PENDING", 0
    NEW = "NEW", 1
    PARTIALLY_FILLED = "PARTIALLY_FILLED", 2
    REJECTED = "REJECTED", 3
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH", 4
    EXPIRED = "EXPIRED", 5
    CANCELED = "CANCELED", 6
    FILLED = "FILLED", 7

    # Plain attributes, made once: a property, or a set of members, costs several times as
    # much at each look, and every order event looks.
    def __new__(cls, value: str, rank: int = 0) -> OrderStatus:
        """Make a member with its rank."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = rank
        member.terminal = rank > 2
        return member


class SlotStatus(StrEnum):
    """What a slot can do now: FREE takes an order, the others have one at work.

    PENDING: sent, not acknowledged. LOCKED: acknowledged by the exchange and not over.
    """

    FREE = "FREE"
    PENDING = "PENDING"
    LOCKED = "LOCKED"


class PositionStatus(StrEnum):
    """Whether a slot holds a position: FILLED if it does, of either sign."""

    EMPTY = "EMPTY"
    FILLED = "FILLED"


class ActionKind(StrEnum):
    """What the strategy wants done: an order placed, or one cancelled."""

    PLACE = "PLACE"
    CANCEL = "CANCEL"


class ActionOutcome(StrEnum):
    """How the exchange answered an action. UNKNOWN (no answer) does not mean "not done"."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


def check_amount(
    name: str, value: object, *, positive: bool = False, signed: bool = False
) -> Decimal:
    """Return *value* if it is a usable amount, refuse it otherwise.

    An amount is a finite `Decimal`, zero or more; with *positive* more than zero, with
    *signed* of either sign.

    Raises:
        AmountTypeError: it is no `Decimal` (it is also a `TypeError`).
        AmountValueError: it is NaN, infinite, or has the wrong sign (also a `ValueError`).

    >>> check_amount("price", Decimal("50000.5"))
    Decimal('50000.5')
    >>> check_amount("price", 0.1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    cowstate.positions.errors.AmountTypeError: price is of type float (0.1); give a ...
    """
    if not isinstance(value, Decimal):
        raise AmountTypeError(name, value)
    if not value.is_finite():
        raise AmountValueError(name, value, "it must be finite")
    if value:
        if not -_MAX_MAGNITUDE <= value.adjusted() <= _MAX_MAGNITUDE:
            raise AmountValueError(name, value, "no price or quantity is of that size")
        if not signed and value < _ZERO:
            raise AmountValueError(name, value, "it must not be negative")
    elif positive:
        raise AmountValueError(name, value, "it must be more than zero")
    return value


def check_count(name: str, value: object, least: int, most: int | None = None) -> None:
    """Refuse *value* unless it is an int from *least* to *most*; None: without an upper bound.

    Raises:
        ArgumentTypeError: it is of another type; a bool is no int here.
        ArgumentValueError: it is too small or too large.

    >>> check_count("levels", 20, 1, 1_000)
    """
    check_type(name, value, int)
    assert isinstance(value, int)
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ArgumentValueError(f"{name} is {value}; it must be {bounds}")


def check_type(name: str, value: object, wanted: type) -> None:
    """Refuse *value* unless it is a *wanted*; a bool is no int here.

    Raises:
        ArgumentTypeError: it is of another type.

    >>> check_type("time_ms", 1_000, int)
    """
    # bool is an int to isinstance, and True is nobody's order id.
    if not isinstance(value, wanted) or isinstance(value, bool):
        hint = f": use {wanted.__name__}({value!r})" if isinstance(value, str) else ""
        raise ArgumentTypeError(
            f"{name} is of type {type(value).__name__}, not {wanted.__name__}{hint}"
        )


def check_order_id(name: str, value: object) -> None:
    """Refuse *value* unless it can be the venue's id of an order or trade: an int, or text.

    The text "7" and the number 7 are two ids: write a venue's ids in one way everywhere.

    Raises:
        ArgumentTypeError: it is of another type.
        ArgumentValueError: it is empty.

    >>> check_order_id("order_id", "7c1f-22")
    """
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not int or str")
    if value == "":
        raise ArgumentValueError(f"{name} is empty; use None where the venue has given none")


class OrderUpdate(Record):
    """What is known of one order at one moment: an event of the stream, or a query's answer.

    All quantities are cumulative over the life of the order, so an update is a *fact* that
    stays true however late, often or out of order it arrives.

    Attributes:
        symbol: the instrument.
        client_oid: the client order id, by which the order is known.
        order_id: the exchange's id, None while it has given none.
        side: BUY or SELL.
        price: limit price in quote currency; 0 for an order without one.
        quantity: original quantity in base currency.
        status: where the order stands.
        filled: cumulative filled quantity; may pass *quantity* (an overfill is kept).
        cost: cumulative quote amount of the fills (sum of price times quantity); 0 where the
            source does not say, then a later answer that says it fills it in.
        time_ms: time of the event or answer, in milliseconds since 1970 UTC.
        post_only_reject: REJECTED or EXPIRED because it would have taken liquidity.

    Raises:
        AmountTypeError: a price or quantity is no `Decimal`.
        AmountValueError: one is negative, NaN or infinite, or a FILLED order is not full.
        ArgumentTypeError: another field is of the wrong type.
        ArgumentValueError: the client id is empty.

    >>> OrderUpdate(  # doctest: +ELLIPSIS
    ...             "BTCUSDT", "g-50000-B1", 7, Side.BUY, Decimal(50000), Decimal("0.5"),
    ...             OrderStatus.FILLED)
    Traceback (most recent call last):
        ...
    cowstate.positions.errors.AmountValueError: filled is 0: a FILLED order of 0.5 ...
    """

    symbol: str
    client_oid: str
    order_id: OrderId | None
    side: Side
    price: Decimal
    quantity: Decimal
    status: OrderStatus
    filled: Decimal = _ZERO
    cost: Decimal = _ZERO
    time_ms: int = 0
    post_only_reject: bool = False

    def __post_init__(self) -> None:
        check_amount("price", self.price)
        check_amount("quantity", self.quantity)
        check_amount("filled", self.filled)
        check_amount("cost", self.cost)
        check_type("side", self.side, Side)
        check_type("status", self.status, OrderStatus)
        check_type("client_oid", self.client_oid, str)
        check_type("time_ms", self.time_ms, int)
        if self.order_id is not None:
            check_order_id("order_id", self.order_id)
        if not self.client_oid:
            raise ArgumentValueError("client_oid is empty; an order is known by its client id")
        if self.status is OrderStatus.FILLED and self.filled < self.quantity:
            raise AmountValueError(
                "filled",
                self.filled,
                f"a FILLED order of {self.quantity} has filled {self.quantity} or more; "
                "give the cumulative filled quantity",
            )


class OrderAction(Record):
    """One thing that the strategy wants done. Marked in the slot before it is sent.

    *slot* is the key of the slot that the order belongs to; the order's own *price* differs
    from it for the SELL that closes a slot. *order_id* is the exchange's id of the order to
    cancel, None for PLACE.
    """

    kind: ActionKind
    slot: str
    side: Side
    price: Decimal
    quantity: Decimal
    client_oid: str
    order_id: OrderId | None = None


class ActionResult(Record):
    """What came back for an action.

    ACCEPTED carries the exchange's answer as *update* if it gave one. REJECTED says why, and
    whether it was because the order would have taken liquidity. UNKNOWN means that no answer
    came: the order may exist, and stays PENDING until it is reconciled.
    """

    action: OrderAction
    outcome: ActionOutcome
    update: OrderUpdate | None = None
    reason: str = ""
    post_only_reject: bool = False
    time_ms: int = 0


class Fill(Record):
    """One growth of an order's filled quantity, as seen here.

    *quantity* and *cost* (quote amount) are the growth, not cumulative; *slot* is the key of
    the slot and *time_ms* that of the update that told it.
    """

    slot: str
    client_oid: str
    order_id: OrderId | None
    side: Side
    quantity: Decimal
    cost: Decimal
    time_ms: int

    @property
    def price(self) -> Decimal:
        """Average price of this fill: cost by quantity, in quote currency."""
        return self.cost / self.quantity
