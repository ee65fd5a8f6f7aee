"""A paper account in real time, which outlives the process that trades with it: `PaperVenue`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from functools import partial
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from cowstate import ArgumentValueError, Record

from ..book.model import OrderId, OrderUpdate, Side
from ..book.reports import PositionReport, TradeReport
from ..errors import ExchangeError
from ..exchange.listing import Listing
from ..exchange.promises import VenuePromises
from ..exchange.protocol import OrderRequest
from ..guard import Guard
from ..simulation.asked import (
    check_orders,
    check_symbol,
    check_symbols,
    limit_order,
    named_order,
    order_number,
)
from ..simulation.matching import MatchingEngine
from ..simulation.tape import Trade

if TYPE_CHECKING:
    from cowstate.journal import JournaledStore

__all__ = ["PaperVenue", "Seen", "paper_place"]

_ACCOUNT: Final = "account"
_BESIDE: Final = "-paper"
_SCHEMA: Final = 1
# No request outlives the process, so none is under way for longer than a call.
_LIFETIME_MS: Final = 1_000


class PaperOrder(Record, tag=True):
    """An order of the paper account."""

    order: OrderUpdate


class PaperFill(Record, tag=True):
    """A fill of the paper account."""

    fill: TradeReport


class Seen(Record):
    """How far a market was followed: where its trades come from, how many came, and the last."""

    source: str = ""
    trades: int = 0
    last: Trade | None = None


class PaperAccount(Record, tag=True):
    """What the paper account is beside its orders and fills."""

    symbol: str
    position: Decimal = Decimal(0)
    seen: Seen = Seen()


def paper_place(path: str, name: str | None) -> tuple[str, str | None]:
    """Return where the paper account of the positions at that place is: path, and name. Pure.

    >>> paper_place("grid.db", None), paper_place("postgresql://localhost/trading", "grid")
    (('grid.db-paper', None), ('postgresql://localhost/trading', 'grid-paper'))
    """
    return (path + _BESIDE, None) if name is None else (path, name + _BESIDE)


class PaperVenue(AbstractContextManager["PaperVenue", None]):
    """An `Exchange` of one symbol, in real time, whose account is kept in a file of its own.

    It is to the trader what a venue is: an order that was taken is there after a ``kill -9``. So
    every change is on disk before it is answered. Its market is whatever trades it is shown.
    Thread-safe; no fees, funding or margin. Close it, or use it in a ``with``.

    Args:
        path: the file, or the URL of a database; see `paper_place`.
        symbol: the one market.
        name: on a server, the name of the store.
        time_ms: our clock.
        begins: whether the account may begin; else it must be there.

    Raises:
        ArgumentValueError: the account is one of another market, or is not there.
        WriterActiveError, JournalError: as of `cowstate.journal.open_store`.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "grid.db-paper")
    >>> with PaperVenue(path, "BTC/USDT", time_ms=lambda: 5) as venue:
    ...     order = venue.create_order("BTC/USDT", "limit", Side.BUY, Decimal(2), Decimal(100))
    ...     trade = Trade(5, 1, Decimal(100), Decimal("0.5"), buyer_is_maker=True)
    ...     venue.happen([trade], "tape")
    >>> with PaperVenue(path, "BTC/USDT", time_ms=lambda: 9) as venue:
    ...     [str(each.filled) for each in venue.fetch_open_orders("BTC/USDT")], venue.seen.trades
    (['0.5'], 1)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        symbol: str,
        *,
        name: str | None = None,
        time_ms: Callable[[], int],
        begins: bool = True,
    ) -> None:
        from cowstate import journal

        self.symbol = symbol
        self._time_ms = time_ms
        self._guard = Guard()
        self._store: JournaledStore[str, Any, Any] = journal.open_store(
            path,
            key=str,
            record=PaperOrder | PaperFill | PaperAccount,
            schema=_SCHEMA,
            name=name,
            bounds=journal.Bounds(versions=1),
        )
        self._engine = MatchingEngine(symbol)
        self._latest_ms = 0
        # What has changed and is not on disk: nothing, but where a write failed.
        self._unkept: dict[str, Record] = {}
        self._seen = Seen()
        try:
            self._load(begins)
        except BaseException:
            self.close()
            raise

    def _load(self, begins: bool) -> None:
        kept = self._store.snapshot()
        account: PaperAccount | None = kept.get(_ACCOUNT)
        if account is None:
            if not begins:
                # Held against an empty account, what the positions hold would be corrected away.
                raise ArgumentValueError(
                    "the paper account of these positions is gone; put it back, or name another "
                    "journal"
                )
            self._keep(())
            return
        if account.symbol != self.symbol:
            raise ArgumentValueError(
                f"the paper account beside the positions is one in {account.symbol}, not in "
                f"{self.symbol[:40]}; name that symbol, or another journal"
            )
        orders = [each.order for each in _numbered(kept, "order")]
        fills = [each.fill for each in _numbered(kept, "fill")]
        last = account.seen.last
        price = None if last is None else last.price
        self._engine.go_on(account.position, price, orders, fills)
        self._latest_ms = max((each.time_ms for each in fills), default=0)
        self._seen = account.seen

    # The market

    @property
    def seen(self) -> Seen:
        """How far the market was followed."""
        return self._seen

    @property
    def last_price(self) -> Decimal | None:
        """The price of the last trade that it was shown; None: of none."""
        return self._engine.last_price

    @property
    def has_traded(self) -> bool:
        """Whether it ever took an order."""
        return bool(self._engine.orders())

    def happen(self, trades: Sequence[Trade], source: str) -> None:
        """Let *trades* of the market happen now, one after the other.

        Args:
            trades: in order of time.
            source: where they come from, for `seen`.

        Raises:
            JournalError: what they filled could not be written.
        """
        self._guard.run(self._match, tuple(trades), source)

    # Requests

    @property
    def promises(self) -> VenuePromises:
        """What it keeps to: every answer is all that there is, as of when it was given."""
        return VenuePromises.exact(lifetime_ms=_LIFETIME_MS)

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """See `Exchange.fetch_open_orders`; there is one page."""
        self._check(symbol, cursor)
        return self._guard.run(self._open_orders)

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """See `Exchange.fetch_positions`."""
        check_symbols(symbols, self.symbol)
        return self._guard.run(self._positions, tuple(symbols))

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """See `Exchange.fetch_order`."""
        self._check(symbol)
        number = named_order(order_id, client_oid)
        return self._guard.run(self._order, number, client_oid)

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """See `Exchange.fetch_my_trades`; there is one page."""
        self._check(symbol, cursor)
        return self._guard.run(self._fills, since_ms)

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 -- ccxt's name
        side: Side,
        amount: Decimal,
        price: Decimal,
        params: Mapping[str, object] | None = None,
    ) -> OrderUpdate:
        """See `Exchange.create_order`."""
        request = limit_order(symbol, type, side, amount, price, params)
        check_orders([request], self.symbol)
        return self._place(request)

    def create_orders(
        self, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.create_orders`."""
        check_orders(requests, self.symbol)
        return [_answered(partial(self._place, each)) for each in requests]

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """See `Exchange.cancel_order`."""
        self._check(symbol)
        return self._guard.run(self._cancelled, order_number(order_id))

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.cancel_orders`."""
        return [_answered(partial(self.cancel_order, each, symbol)) for each in order_ids]

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._store.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _place(self, request: OrderRequest) -> OrderUpdate:
        return self._guard.run(self._placed, request)

    def _check(self, symbol: str, cursor: str | None = None) -> None:
        check_symbol(symbol, self.symbol)
        if cursor is not None:
            raise ExchangeError("there is one page here: every answer is all that there is")

    # With the lock held:

    def _now(self) -> int:
        # What could not be written is not told either, or a death would take back what was told.
        if self._unkept:
            self._keep(())
        # Fills are in order of time, whatever somebody does to the machine's clock.
        self._latest_ms = max(self._latest_ms, self._time_ms())
        return self._latest_ms

    def _open_orders(self) -> Listing[OrderUpdate]:
        now = self._now()
        orders = tuple(each.replace(time_ms=now) for each in self._engine.open_orders())
        return Listing(orders, answered_ms=now, as_of_ms=now)

    def _order(self, number: int | None, client_oid: str | None) -> OrderUpdate:
        return self._engine.order(number, client_oid).replace(time_ms=self._now())

    def _fills(self, since_ms: int | None) -> Listing[TradeReport]:
        now = self._now()
        return Listing(tuple(self._engine.fills(since_ms)), answered_ms=now, as_of_ms=now)

    def _positions(self, symbols: tuple[str, ...]) -> Listing[PositionReport]:
        now, held = self._now(), self._engine.position
        reports = tuple(PositionReport(each, held, now) for each in symbols)
        return Listing(reports, answered_ms=now, as_of_ms=now)

    def _placed(self, request: OrderRequest) -> OrderUpdate:
        order = self._engine.place(request, self._now())
        self._keep([order])
        return order

    def _cancelled(self, number: int) -> OrderUpdate:
        order = self._engine.cancel(number, self._now())
        self._keep([order])
        return order

    def _match(self, trades: tuple[Trade, ...], source: str) -> None:
        known = len(self._engine.fills())
        filled: list[OrderUpdate] = []
        for trade in trades:
            filled += self._engine.match(trade, self._now())
        if trades:
            before = self._seen.trades if self._seen.source == source else 0
            self._seen = Seen(source, before + len(trades), trades[-1])
        if filled:
            self._keep(filled, self._engine.fills_from(known), known)

    def _keep(
        self, orders: Iterable[OrderUpdate], fills: Iterable[TradeReport] = (), known: int = 0
    ) -> None:
        self._unkept |= {f"order {each.order_id}": PaperOrder(each) for each in orders}
        self._unkept |= {
            f"fill {number}": PaperFill(each) for number, each in enumerate(fills, known + 1)
        }
        account = PaperAccount(self.symbol, self._engine.position, self._seen)
        with self._store.transaction() as tx:
            tx.update({**self._unkept, _ACCOUNT: account})
        self._unkept = {}


def _numbered(kept: Mapping[str, Any], kind: str) -> list[Any]:
    found: list[Any] = []
    for number in count(1):
        each = kept.get(f"{kind} {number}")
        if each is None:
            break
        found.append(each)
    return found


def _answered(request: Callable[[], OrderUpdate]) -> OrderUpdate | ExchangeError:
    try:
        return request()
    except ExchangeError as error:
        return error
