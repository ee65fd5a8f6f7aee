"""What an adapter knows of its venue: how late, how long, how much at once. `VenuePromises`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..book.model import check_amount
from ..book.reports import FeeAsset

__all__ = ["FOREVER", "VenuePromises"]

FOREVER: Final = 2**53
"""A time in milliseconds that does not end, for `VenuePromises`."""

_TIMES = (
    "positions_lag_ms",
    "open_orders_lag_ms",
    "order_lag_ms",
    "trades_lag_ms",
    "hidden_ms",
    "lifetime_ms",
    "stamp_ms",
    "clock_ms",
    "kept_ms",
    "ids_unique_ms",
)
_PAGES = ("trades_page", "orders_page")
_FLAGS = ("trades_carry_client_ids", "hedged", "empty_is_flat")


class VenuePromises(Record, kw_only=True):
    """What a venue keeps to. Made by `careful` or `exact`; checked when made, by `replace` too.

    A promise that is too modest costs width and delay: the reconciler says "to within" where it
    could have said "exactly", and says it later. One that is too bold costs harm. So what nobody
    knows is not left out but listed in *unknown*, and a careful number stands in its place.

    "Lag" is how old that may be which an answer shows: an answer that the venue gave at *t* shows
    the state of one moment from *t* minus the lag to *t*. It is no matter of how long a message
    takes. All times are in milliseconds.

    What the `Reconciler` may conclude from an answer follows from these; what it does about that
    stands in its `ReconcilePolicy`. Where answers contradict a promise, it says so.

    Attributes:
        positions_lag_ms: the lag of ``fetch_positions``.
        open_orders_lag_ms: the lag of ``fetch_open_orders``.
        order_lag_ms: the lag of ``fetch_order``.
        trades_lag_ms: the lag of ``fetch_my_trades``. A list as of *t* holds every trade of ours
            up to *t*, in the order in which they moved the position.
        hidden_ms: for how long an order that the venue has taken may still be "not found".
        lifetime_ms: a request that arrives later than this after it was sent is refused (the
            receive window), so what was not there by then will never come.
        stamp_ms: how far the stamps of answers may be from the clock that stamps our trades.
        clock_ms: how far our own clock may be from the venue's. It counts only where an answer
            has no stamp.
        kept_ms: for how long at least an order that is over can be asked for. 0: it may be
            purged at once. `FOREVER`: never.
        ids_unique_ms: for how long at least a client order id that was used is refused to
            another order. 0: it may be used again as soon as its order is over.
        trades_page: how many trades an answer holds at most; 0: all that there are.
        orders_page: how many open orders an answer holds at most; 0: all that there are.
        trades_carry_client_ids: whether each trade repeats our id of its order.
        fee_asset: what fees are taken from, where a trade does not say.
        base_fee: which part of its quantity a fill loses, where *fee_asset* is BASE and the
            trade does not say.
        hedged: whether the account has a long and a short leg in place of one net position.
        empty_is_flat: whether an empty list of positions means that there is none. Else it says
            nothing.
        unknown: the names of those that nobody knows.

    Raises:
        ArgumentTypeError, ArgumentValueError: a field is of the wrong type or below zero, or
            *unknown* names no promise.
        AmountTypeError, AmountValueError: *base_fee* is no `Decimal` from 0 to below 1.

    >>> promises = VenuePromises.careful(trades_lag_ms=2_000, hedged=False)
    >>> promises.trades_lag_ms, promises.positions_lag_ms
    (2000, 20000)
    >>> "positions_lag_ms" in promises.unknown, "trades_lag_ms" in promises.unknown
    (True, False)
    """

    positions_lag_ms: int
    open_orders_lag_ms: int
    order_lag_ms: int
    trades_lag_ms: int
    hidden_ms: int
    lifetime_ms: int
    stamp_ms: int
    clock_ms: int
    kept_ms: int
    ids_unique_ms: int
    trades_page: int
    orders_page: int
    trades_carry_client_ids: bool
    fee_asset: FeeAsset
    base_fee: Decimal
    hedged: bool
    empty_is_flat: bool
    unknown: frozenset[str]

    def __post_init__(self) -> None:
        for name in (*_TIMES, *_PAGES):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not int")
            if value < 0:
                raise ArgumentValueError(f"{name} is {value}; it must be 0 or more")
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ArgumentTypeError(f"{name} is {getattr(self, name)!r}; say True or False")
        if not isinstance(self.fee_asset, FeeAsset):
            raise ArgumentTypeError(f"fee_asset is {self.fee_asset!r}, not a FeeAsset")
        check_amount("base_fee", self.base_fee)
        if self.base_fee >= 1:
            raise ArgumentValueError(
                f"base_fee is {self.base_fee}; it is a part (0.1 % is Decimal('0.001'))"
            )
        _check_names(self.unknown)

    @classmethod
    def careful(cls, **known: Any) -> VenuePromises:
        """Return what may be relied on where only *known* is known; the rest is `unknown`.

        The careful numbers: every lag, and how long an order may hide, 20 s; a request lives for
        60 s; stamps fit to within 1 s and clocks to within 5 s; ended orders may be purged at
        once, and client ids used again; every page may have been cut; trades name no client id;
        fees are taken from the quote; an empty list of positions says nothing.

        Raises:
            ArgumentValueError: a name is none of the promises.
        """
        careful = cls(
            positions_lag_ms=20_000,
            open_orders_lag_ms=20_000,
            order_lag_ms=20_000,
            trades_lag_ms=20_000,
            hidden_ms=20_000,
            lifetime_ms=60_000,
            stamp_ms=1_000,
            clock_ms=5_000,
            kept_ms=0,
            ids_unique_ms=0,
            trades_page=1,
            orders_page=1,
            trades_carry_client_ids=False,
            fee_asset=FeeAsset.QUOTE,
            base_fee=Decimal(0),
            hedged=False,
            empty_is_flat=False,
            unknown=frozenset(_NAMES),
        )
        return careful.knowing(**known)

    @classmethod
    def exact(cls, **known: Any) -> VenuePromises:
        """Return the promises of a venue whose answers show the present, but for *known*.

        No lag, nothing hidden, pages without end, ids unique and orders kept for ever, a request
        alive for 60 s. `PaperExchange` is one. Nothing is `unknown`.

        Raises:
            ArgumentValueError: a name is none of the promises.

        >>> VenuePromises.exact(positions_lag_ms=6_000).positions_lag_ms
        6000
        """
        exact = cls(
            positions_lag_ms=0,
            open_orders_lag_ms=0,
            order_lag_ms=0,
            trades_lag_ms=0,
            hidden_ms=0,
            lifetime_ms=60_000,
            stamp_ms=0,
            clock_ms=0,
            kept_ms=FOREVER,
            ids_unique_ms=FOREVER,
            trades_page=0,
            orders_page=0,
            trades_carry_client_ids=True,
            fee_asset=FeeAsset.QUOTE,
            base_fee=Decimal(0),
            hedged=False,
            empty_is_flat=True,
            unknown=frozenset(),
        )
        return exact.knowing(**known)

    def knowing(self, **known: Any) -> VenuePromises:
        """Return these promises with *known* in the place of what was promised or unknown.

        Raises:
            ArgumentValueError: a name is none of the promises.
        """
        _check_names(frozenset(known))
        return self.replace(**known, unknown=self.unknown - frozenset(known))


_NAMES: Final = tuple(name for name in VenuePromises.__struct_fields__ if name != "unknown")


def _check_names(names: object) -> None:
    if not isinstance(names, frozenset):
        raise ArgumentTypeError(
            f"unknown is of type {type(names).__name__}, not a frozenset of names"
        )
    for name in sorted(names, key=repr):
        if name not in _NAMES:
            raise ArgumentValueError(
                f"{name!r} is none of a venue's promises; they are {', '.join(_NAMES)}"
            )
