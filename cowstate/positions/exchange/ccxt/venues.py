"""What is known of each venue: its promises, with the page that makes them, and its ways. `Venue`.

A promise stands here only if a page of the venue's makes it. No venue says how far its answers may
lag, so those stay the careful numbers of `VenuePromises.careful`, and `unknown`. Who has measured
better gives them to the adapter.

Binance and Bybit are tested against servers that speak their shapes, with a venue behind. Of OKX
and Kraken all that stands here is from their documents, and single answers are tested as those
show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cowstate import ArgumentValueError, Record

from ...book.reports import Leg, TradeKind
from ...errors import (
    DuplicateOrderIdError,
    ExchangeError,
    NetworkError,
    OrderNotFoundError,
    OrderPurgedError,
)
from ..promises import VenuePromises
from .failures import Mark
from .lists import Place
from .names import ALNUM, ANY, NO_DOT, Alphabet
from .trades import Paging, Walk

__all__ = ["BINANCE", "BYBIT", "KRAKEN", "OKX", "VENUES", "Venue", "venue_of"]

_SECOND: Final = 1_000
_DAY: Final = 86_400_000


class Venue(Record, kw_only=True):
    """One venue, as ccxt names it.

    Attributes:
        name: its id in ccxt.
        alphabet: in which characters it takes client ids.
        spot: what is known of its promises on spot markets: pairs of name and value.
        linear: likewise for linear contracts; None: those are not known here.
        window_ms: for how long a request may be on its way where the client sets no
            ``recvWindow``; None: it has no such window.
        slack_ms: how much longer than that the venue may take before it lets a request go.
        walk: how its list of trades is walked.
        orders_page: how many open orders are asked for at once; 0: all there are.
        token: under which name an answer brings the cursor of the next page of open orders.
        by_client_oid: the param that names an order by its client id; None: it cannot be.
        order_params: what else is to be said when an order is asked for.
        raw_positions: the client's method that gives positions as the venue lists them; None:
            ccxt's own is to be believed. Its Binance leaves out what has no entry price.
        raw_trades: likewise, the method for the list of trades; None: ccxt's own. Its Bybit asks
            for trades alone, and leaves out what else moved the position.
        raw_order: likewise, the method for an order that is named by our id.
        linear_clock: the params that ask for the time of its contracts.
        legs: for each leg the params that place an order for it.
        leg_key: where an entry of the list of trades says of which leg it is; None: nowhere.
        kind_key: where it says what it is.
        kinds: what that may be; anything else is a trade.
        client_key: where it repeats our id of its order; None: nowhere.
        original_key: where the answer to a cancellation repeats it, which may name the
            cancellation in its usual place; None: it does not.
        listed: where in the body of an answer a list stands; None: that is not looked at.
        listed_else: likewise for some of ``orders``, ``positions``, ``trades`` and ``balance``.
        market_key: where an order or a trade says of which market it is, by the venue's name of it;
            None: ccxt, which takes an unknown market for the one that was asked for, is believed.
        filled_key: where an order says what it filled; None: ccxt, which makes it up where it is
            missing, is believed.
        all_markets: whether open orders and trades are listed of all markets, and the client
            picks out those of one.
        balance: the params that ask for what is held on a spot market.
        costs: where an order says what its fills cost.
        taking: what stands in an ended order that would have taken liquidity.
        streamed: what of the above has another name in an event of the stream of orders, as pairs
            of field and value.
        stream_ends: the events by which it says that there will be no more of them.
        marks: what its errors are known by, whatever class ccxt gives them.
    """

    name: str
    alphabet: Alphabet
    spot: tuple[tuple[str, Any], ...]
    linear: tuple[tuple[str, Any], ...] | None
    window_ms: int | None
    slack_ms: int
    walk: Walk
    orders_page: int = 0
    token: str | None = None
    by_client_oid: str | None = None
    order_params: tuple[tuple[str, Any], ...] = ()
    raw_positions: str | None = None
    raw_trades: str | None = None
    raw_order: str | None = None
    linear_clock: tuple[tuple[str, Any], ...] = ()
    legs: tuple[tuple[Leg, tuple[tuple[str, Any], ...]], ...] = ()
    leg_key: str | None = None
    kind_key: str | None = None
    kinds: tuple[tuple[str, TradeKind], ...] = ()
    client_key: str | None = None
    original_key: str | None = None
    listed: Place | None = None
    listed_else: tuple[tuple[str, Place], ...] = ()
    market_key: str | None = None
    filled_key: str | None = None
    all_markets: bool = False
    balance: tuple[tuple[str, Any], ...] = ()
    costs: tuple[str, ...] = ()
    taking: tuple[str, ...] = ()
    streamed: tuple[tuple[str, Any], ...] = ()
    stream_ends: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()

    def promises(self, *, contract: bool, hedged: bool, window_ms: int | None) -> VenuePromises:
        """Return what it keeps to, in one kind of market. Pure.

        Raises:
            ArgumentValueError: contracts, or legs, are not known here.
        """
        known = self.linear if contract else self.spot
        if known is None:
            raise ArgumentValueError(f"of {self.name} only spot markets are known here")
        if hedged and not (contract and self.legs and self.leg_key):
            raise ArgumentValueError(f"the legs of {self.name} are not known in this market")
        window = self.window_ms if window_ms is None else window_ms
        lives = {} if window is None else {"lifetime_ms": window + self.slack_ms}
        # A Date header, which all of them send, is cut to the second.
        return VenuePromises.careful(
            **dict(known),
            **lives,
            hedged=hedged,
            stamp_ms=_SECOND,
            trades_page=self.walk.page,
            orders_page=self.orders_page,
            trades_carry_client_ids=self.client_key is not None,
        )

    def kind_of(self, info: Mapping[str, Any]) -> TradeKind:
        """Return what an entry of the list of trades is."""
        said = info.get(self.kind_key) if self.kind_key is not None else None
        return dict(self.kinds).get(str(said), TradeKind.TRADE)

    def leg_in(self, info: Mapping[str, Any]) -> Leg:
        """Return of which leg it is."""
        said = info.get(self.leg_key) if self.leg_key is not None else None
        return {"LONG": Leg.LONG, "SHORT": Leg.SHORT}.get(str(said).upper(), Leg.NET)

    def in_events(self) -> Venue:
        """Return its ways in the events of its stream. Pure.

        >>> BINANCE.filled_key, BINANCE.in_events().filled_key, BYBIT.in_events() == BYBIT
        ('executedQty', 'z', True)
        """
        return self.replace(**dict(self.streamed))

    def listed_at(self, what: str) -> Place | None:
        """Return where in an answer a list of *what* stands."""
        return dict(self.listed_else).get(what, self.listed)

    def leg_params(self, leg: Leg) -> dict[str, Any]:
        """Return what places an order for *leg*."""
        return dict(dict(self.legs).get(leg, ()))


# Spot:    https://developers.binance.com/docs/binance-spot-api-docs/rest-api
# Futures: https://developers.binance.com/docs/derivatives/usds-margined-futures
BINANCE: Final = Venue(
    name="binance",
    # newClientOrderId: "^[\.A-Z\:/a-z0-9_-]{1,36}$"
    # https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/New-Order
    alphabet=ANY,
    spot=(
        # "Order was canceled or expired with no executed qty over 90 days ago and has been
        # archived": https://developers.binance.com/docs/binance-spot-api-docs/errors
        ("kept_ms", 90 * _DAY),
        # "A unique id among open orders [...] accepted only when the previous one is filled"
        # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints
        ("ids_unique_ms", 0),
    ),
    linear=(
        # An order that ended without a fill is not found once "created time + 3 days < current
        # time": of one that had worked for three days nothing is kept.
        # https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Query-Order
        ("kept_ms", 0),
        # "A unique id among open orders":
        # https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/New-Order
        ("ids_unique_ms", 0),
        # "only symbol that has position or open orders will be returned":
        # https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Position-Information-V3
        ("empty_is_flat", True),
    ),
    # recvWindow "defaults to 5000 milliseconds"; a timestamp may be 1 s ahead; and the "timeout of
    # 10 seconds when processing a request" after which its status is unknown.
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-api-information
    window_ms=5 * _SECOND,
    slack_ms=11 * _SECOND,
    # "If fromId is set, it will get trades >= that fromId"; "The time between startTime and endTime
    # can't be longer than 24 hours" (futures: 7 days); "Maximum: 1000":
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints
    walk=Walk(Paging.BY_ID, _DAY, 1_000),
    by_client_oid="origClientOrderId",
    raw_positions="fapiPrivateV3GetPositionRisk",
    linear_clock=(("type", "swap"),),
    legs=(
        (Leg.LONG, (("positionSide", "LONG"),)),
        (Leg.SHORT, (("positionSide", "SHORT"),)),
    ),
    leg_key="positionSide",
    # "clientOrderId" of a cancellation is its own, and "origClientOrderId" that of the order:
    # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints
    original_key="origClientOrderId",
    market_key="symbol",
    filled_key="executedQty",
    listed=Place(),
    listed_else=(("balance", Place(("balances",))),),
    balance=(("type", "spot"),),
    costs=("cummulativeQuoteQty", "cumQuote"),
    # Futures tell no sum there:
    # https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream
    # https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Order-Update
    streamed=(
        *(("market_key", "s"), ("filled_key", "z"), ("costs", ("Z",))),
        *(("original_key", None), ("client_key", None)),
    ),
    # "The user data stream will be closed" a day after it began, and when its key expires:
    # https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-User-Data-Stream-Expired
    stream_ends=("listenKeyExpired", "eventStreamTerminated"),
    marks=(
        # https://developers.binance.com/docs/binance-spot-api-docs/errors
        Mark("Duplicate order sent", DuplicateOrderIdError),
        Mark('"code":-4116', DuplicateOrderIdError),
        Mark("ClientOrderId is duplicated", DuplicateOrderIdError),
        Mark("has been archived", OrderPurgedError),
        # Under the code of an order that is not there; this one is, and works.
        Mark("cancel restrictions", ExchangeError),
        Mark('"code":-2026', OrderPurgedError),
        Mark("xecution status unknown", NetworkError),
        Mark('"code":-1006', NetworkError),
        Mark('"code":-1007', NetworkError),
    ),
)

# https://bybit-exchange.github.io/docs/v5/intro
BYBIT: Final = Venue(
    name="bybit",
    # "Combinations of numbers, letters (upper and lower cases), dashes, and underscores":
    # https://bybit-exchange.github.io/docs/v5/order/create-order
    alphabet=NO_DOT,
    # "orders with Cancelled [...] in the last 24 hours" are listed, and it is not said from when
    # that is counted; orderLinkId is "always unique", and it is not said for how long:
    # https://bybit-exchange.github.io/docs/v5/order/order-list
    spot=(("kept_ms", 0), ("ids_unique_ms", 0)),
    linear=(("kept_ms", 0), ("ids_unique_ms", 0)),
    # "server_time - recv_window <= timestamp < server_time + 1000", "default value is 5,000":
    # https://bybit-exchange.github.io/docs/v5/guide#parameters-for-authenticated-endpoints
    window_ms=5 * _SECOND,
    slack_ms=_SECOND,
    # Newest first, "endTime - startTime <= 7 days", "Limit for data size per page. [1, 100]":
    # https://bybit-exchange.github.io/docs/v5/order/execution
    walk=Walk(Paging.BY_CURSOR, 7 * _DAY, 100, "cursor"),
    # https://bybit-exchange.github.io/docs/v5/order/open-order
    orders_page=50,
    token="nextPageCursor",
    by_client_oid="orderLinkId",
    order_params=(("acknowledged", True),),
    raw_trades="privateGetV5ExecutionList",
    raw_order="privateGetV5OrderRealtime",
    # https://bybit-exchange.github.io/docs/v5/enum#exectype
    kind_key="execType",
    kinds=(
        ("Funding", TradeKind.FUNDING),
        ("BustTrade", TradeKind.LIQUIDATION),
        ("AdlTrade", TradeKind.LIQUIDATION),
        ("Delivery", TradeKind.ADJUSTMENT),
        ("MovePosition", TradeKind.ADJUSTMENT),
        ("CorporateAction", TradeKind.ADJUSTMENT),
    ),
    client_key="orderLinkId",
    market_key="symbol",
    filled_key="cumExecQty",
    listed=Place(("result", "list")),
    costs=("cumExecValue",),
    taking=("EC_PostOnlyWillTakeLiquidity",),
    marks=(
        # https://bybit-exchange.github.io/docs/v5/error
        Mark('"retCode":110072', DuplicateOrderIdError),
        Mark('"retCode":170141', DuplicateOrderIdError),
        Mark('"retCode":10000,', NetworkError),
        Mark('"retCode":10016', NetworkError),
        Mark('"retCode":170146', NetworkError),
        Mark('"retCode":170147', NetworkError),
    ),
)

# https://www.okx.com/docs-v5/en/
OKX: Final = Venue(
    name="okx",
    # clOrdId: "A combination of case-sensitive alphanumerics [...] of up to 32 characters":
    # https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order
    alphabet=ALNUM,
    spot=(
        # "The incomplete orders that have been canceled are only reserved for 2 hours":
        # https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-history-last-7-days
        ("kept_ms", 2 * 3_600_000),
        # "If the clOrdId is associated with multiple orders, only the latest one will be returned":
        # https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-order-details
        ("ids_unique_ms", 0),
    ),
    linear=(("kept_ms", 2 * 3_600_000), ("ids_unique_ms", 0)),
    # "The server rejects requests where this differs from server time by more than 30 seconds", so
    # one whose stamp is as much ahead lives for twice as long:
    # https://www.okx.com/docs-v5/en/#overview-rest-authentication-making-requests
    window_ms=30 * _SECOND,
    slack_ms=30 * _SECOND,
    # "Number of results per request. The maximum is 100", by billId, for the last three months:
    # https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-months
    walk=Walk(Paging.BY_LAST, 7 * _DAY, 100, "billId"),
    orders_page=100,
    by_client_oid="clOrdId",
    legs=((Leg.LONG, (("posSide", "long"),)), (Leg.SHORT, (("posSide", "short"),))),
    leg_key="posSide",
    # Liquidations and deleveraging; transfers, delivery, conversions and moved positions. The rest
    # are trades, those in blocks among them. On the page of the list:
    # https://www.okx.com/docs-v5/en/#order-book-trading-trade-get-transaction-details-last-3-months
    kind_key="subType",
    kinds=(
        *((str(each), TradeKind.LIQUIDATION) for each in (*range(100, 108), *range(125, 129))),
        *((str(each), TradeKind.ADJUSTMENT) for each in (*range(110, 114), 118, 119, 212, 213)),
        *((str(each), TradeKind.ADJUSTMENT) for each in (236, 237, *range(324, 330), 376, 377)),
    ),
    client_key="clOrdId",
    market_key="instId",
    filled_key="accFillSz",
    listed=Place(("data",)),
    marks=(
        # https://www.okx.com/docs-v5/en/#error-code -- of 50004 this was read there; 51149, that an
        # order timed out, is what other clients say, and was not verified.
        Mark('"51016"', DuplicateOrderIdError),
        Mark('"50004"', NetworkError),
        Mark('"51054"', NetworkError),
        Mark('"51149"', NetworkError),
    ),
)

# https://docs.kraken.com/api/docs/guides/spot-rest-intro
KRAKEN: Final = Venue(
    name="kraken",
    # "Free text: up to 18 characters": https://docs.kraken.com/api/docs/guides/spot-clordid -- the
    # page was read as far as the uniqueness; of the number other clients say the same.
    alphabet=ANY.replace(longest=18),
    # "Kraken verifies cl_ord_id uniqueness across open orders for each client": the same page.
    spot=(("kept_ms", 0), ("ids_unique_ms", 0)),
    linear=None,
    # A request without a deadline has none: its life is not promised.
    window_ms=None,
    slack_ms=0,
    # "50 results are returned at a time, the most recent by default":
    # https://docs.kraken.com/api-reference/account-data/get-trades-history
    walk=Walk(Paging.BY_OFFSET, 7 * _DAY, 50, "ofs"),
    listed=Place(("result",), named=True),
    listed_else=(
        ("orders", Place(("result", "open"), named=True)),
        ("trades", Place(("result", "trades"), named=True)),
    ),
    filled_key="vol_exec",
    all_markets=True,
    costs=("cost",),
    # https://docs.kraken.com/exchange/guides/general/errors -- that these two stand there was not
    # verified; ccxt knows the second.
    marks=(
        Mark("EService:Deadline elapsed", NetworkError),
        Mark("EOrder:Unknown order", OrderNotFoundError),
    ),
)

VENUES: Final = (BINANCE, BYBIT, OKX, KRAKEN)
"""Those whose promises and ways are known here."""


def venue_of(exchange_id: str) -> Venue:
    """Return what is known of the exchange of that id in ccxt.

    Raises:
        ArgumentValueError: nothing is; it says of which something is.

    >>> venue_of("binanceusdm") is venue_of("binance")
    True
    """
    name = {"binanceusdm": "binance", "okxus": "okx", "myokx": "okx"}.get(exchange_id, exchange_id)
    for venue in VENUES:
        if venue.name == name:
            return venue
    known = ", ".join(venue.name for venue in VENUES)
    raise ArgumentValueError(
        f"the ways of {exchange_id[:40]!r} are not known here; give a Venue of your own "
        f"(venue=...), or take one of {known}"
    )
