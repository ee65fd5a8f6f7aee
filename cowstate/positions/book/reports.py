"""What a venue reports of an account: positions, and all that has moved them."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from cowstate import Record

from ..errors import AmountValueError
from .model import EXACT, OrderId, Side, check_amount, check_order_id, check_type

__all__ = ["FeeAsset", "Leg", "PositionReport", "TradeKind", "TradeReport"]

_ZERO = Decimal(0)


class Leg(StrEnum):
    """Which position of a symbol is meant.

    NET: the one that there is. A hedged account has two, LONG and SHORT, which are held, moved
    and judged apart: to close one is not to open the other. A grid that buys first is about the
    LONG one.
    """

    NET = "NET"
    LONG = "LONG"
    SHORT = "SHORT"


class TradeKind(StrEnum):
    """Why an entry stands in the list of our trades.

    TRADE: an order was filled. LIQUIDATION: the venue closed a position by an order of its own.
    FUNDING: a payment for holding, or interest. ADJUSTMENT: anything else that the venue booked:
    a transfer, a delivery, a correction. Of these, only a TRADE can be of an order of ours.
    """

    TRADE = "TRADE"
    LIQUIDATION = "LIQUIDATION"
    FUNDING = "FUNDING"
    ADJUSTMENT = "ADJUSTMENT"


class FeeAsset(StrEnum):
    """What a fee is taken from: the BASE quantity, which it lessens, the QUOTE, or an OTHER."""

    BASE = "BASE"
    QUOTE = "QUOTE"
    OTHER = "OTHER"


class PositionReport(Record):
    """What the exchange says of one position.

    *quantity* is signed, in base units: what a SHORT leg holds is negative. *time_ms* is the
    venue's stamp on it, 0 without one; it is often the time of the last change of the position
    and not that of the answer, so nothing relies on it: see `Listing`.

    Raises:
        AmountTypeError, AmountValueError: *quantity* is no finite `Decimal`, or has a sign that
            its leg cannot have.

    >>> PositionReport("BTCUSDT", Decimal("-0.5"), leg=Leg.SHORT).quantity
    Decimal('-0.5')
    """

    symbol: str
    quantity: Decimal
    time_ms: int = 0
    leg: Leg = Leg.NET

    def __post_init__(self) -> None:
        check_amount("quantity", self.quantity, signed=True)
        check_type("leg", self.leg, Leg)
        wrong = (self.leg is Leg.LONG and self.quantity < _ZERO) or (
            self.leg is Leg.SHORT and self.quantity > _ZERO
        )
        if wrong:
            raise AmountValueError(
                "quantity",
                self.quantity,
                f"a {self.leg} leg has the other sign; give what a short leg holds as a negative "
                "number",
            )


class TradeReport(Record):
    """One entry in the list of our trades (``fetch_my_trades``).

    Attributes:
        trade_id: the venue's id of it, as the venue writes it. Both sides of a trade with
            ourselves may have the same: an entry is known by this and *order_id* together.
        order_id: the venue's id of the order, None for an entry without one.
        client_oid: our id of the order, None where the venue does not repeat it.
        symbol: the instrument.
        side: which way it moved the position.
        price: price of the trade; may be 0 for what is no trade.
        quantity: by how much, unsigned, in base units, before any fee; may be 0 for what moved
            no position (funding, mostly).
        time_ms: when it happened, by the venue's clock.
        fee: what it cost, negative for a rebate; None where the venue does not say.
        fee_asset: in what that was taken.
        kind: why it stands in the list.
        leg: which position it moved.

    Raises:
        AmountTypeError, AmountValueError: an amount is no usable `Decimal`.
        ArgumentTypeError, ArgumentValueError: another field is of the wrong type, or empty.

    >>> bought = TradeReport(9, 7, "g-50000-B1", "BTCUSDT", Side.BUY, Decimal(50000),
    ...                      Decimal("0.5"), 1000, Decimal("0.0005"), FeeAsset.BASE)
    >>> bought.filled, bought.moved
    (Decimal('0.5'), Decimal('0.4995'))
    """

    trade_id: OrderId
    order_id: OrderId | None
    client_oid: str | None
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    time_ms: int = 0
    fee: Decimal | None = None
    fee_asset: FeeAsset = FeeAsset.QUOTE
    kind: TradeKind = TradeKind.TRADE
    leg: Leg = Leg.NET

    def __post_init__(self) -> None:
        real = self.kind in (TradeKind.TRADE, TradeKind.LIQUIDATION)
        check_amount("price", self.price, positive=real)
        check_amount("quantity", self.quantity, positive=real)
        check_order_id("trade_id", self.trade_id)
        if self.order_id is not None:
            check_order_id("order_id", self.order_id)
        if self.client_oid is not None:
            check_type("client_oid", self.client_oid, str)
        if self.fee is not None:
            check_amount("fee", self.fee, signed=True)
        for name, wanted in _TYPES.items():
            check_type(name, getattr(self, name), wanted)

    @property
    def filled(self) -> Decimal:
        """The signed quantity, before any fee: what it adds to the fill of its order."""
        return self.quantity if self.side is Side.BUY else self.quantity.copy_negate()

    @property
    def moved(self) -> Decimal:
        """By how much it moved the position, signed: a fee in the base asset is taken off."""
        if self.fee is None or self.fee_asset is not FeeAsset.BASE:
            return self.filled
        return EXACT.subtract(self.filled, self.fee)


_TYPES = {"side": Side, "time_ms": int, "fee_asset": FeeAsset, "kind": TradeKind, "leg": Leg}
