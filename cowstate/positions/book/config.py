"""What a grid is made of: where its slots lie, what each buys, what its order ids begin with."""

from __future__ import annotations

from decimal import Decimal

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..errors import ClientIdError
from .ids import MAX_CLIENT_OID, MAX_SEQUENCE, check_prefix, price_key
from .model import TAIL, check_amount, check_count

__all__ = ["MAX_LEVELS", "GridConfig"]

# Client ids must fit for every price that may come; no quoted instrument has more digits.
_INTEGER_DIGITS = 10
MAX_LEVELS = 1_000
"""How many purchases a grid may have: a plan costs time for each of them."""


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
        check_count("levels", self.levels, 1, MAX_LEVELS)
        # The count of refusals is taken over the tail, so it goes no higher.
        check_count("post_only_limit", self.post_only_limit, 0, TAIL - 1)
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
