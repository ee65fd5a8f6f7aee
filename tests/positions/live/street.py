"""A venue behind a server of one's own, and the trader that is a process beside it: `Street`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from cowstate.cli import main
from cowstate.positions import GridConfig, OrderUpdate, Trade
from cowstate.positions.book.account import held
from cowstate.positions.book.kept import read_book
from cowstate.positions.live.venue import PaperVenue
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import real_ms
from tests.positions.exchange.ccxt.serving import Served, serving
from tests.positions.live.life import Life
from tests.positions.live.marketplace import Marketplace

__all__ = ["GRID", "LEVELS", "SYMBOL", "Street", "on_street", "street"]

SYMBOL = "BTC/USDT:USDT"
LEVELS = 4
GRID = GridConfig(SYMBOL, Decimal(10), Decimal("0.5"), LEVELS, "grid")
"""What the arguments of a life say."""


class Street:
    """A venue, its market, and where the positions of who trades there are kept."""

    def __init__(self, app: Marketplace, served: Served, journal: Path) -> None:
        self.app, self.served, self.journal = app, served, journal
        self.trades = 0

    def life(self, *more: str, **environ: str) -> Life:
        keys = {"COWSTATE_API_KEY": KEY, "COWSTATE_SECRET": SECRET, **environ}
        arguments = [
            *("--exchange", "binance", "--symbol", SYMBOL, "--journal", str(self.journal)),
            *("--step", "10", "--quantity", "0.5", "--levels", str(LEVELS)),
            *("--lag", "0", "--every", "0.05", "--reconcile", "0.5", *more),
        ]
        return Life(self.served.address, arguments, **keys)

    def trade(self, price: str, quantity: str = "0.5", buyer_is_maker: bool = True) -> None:
        self.trades += 1
        trade = Trade(real_ms(), self.trades, Decimal(price), Decimal(quantity), buyer_is_maker)
        self.app.venue.happen([trade], "street")

    @property
    def working(self) -> tuple[OrderUpdate, ...]:
        return tuple(self.app.venue.fetch_open_orders("X"))

    @property
    def position(self) -> Decimal:
        (report,) = self.app.venue.fetch_positions(["X"])
        return report.quantity

    def agrees(self) -> None:
        """What the file holds is so at the venue, to the last digit, and its log adds up."""
        slots = read_book(self.journal)
        assert held(slots) == self.position
        mine = {
            each.client_oid: (each.order_id, each.side, each.price, each.quantity, each.filled)
            for slot in slots.values()
            for each in slot.orders
            if not each.terminal
        }
        assert mine == {
            each.client_oid: (str(each.order_id), each.side, each.price, each.quantity, each.filled)
            for each in self.working
        }
        assert main(["verify", str(self.journal)]) == 0


@contextmanager
def on_street(directory: Path, *, hedged: bool = False) -> Iterator[Street]:
    """Yield a venue whose market stands still, and nobody there yet."""
    pytest.importorskip("ccxt", reason="the client is not installed here")
    with PaperVenue(directory / "venue.db", "X", time_ms=real_ms) as venue:
        app = Marketplace(venue, hedged=hedged)
        with serving(app) as served:
            yield Street(app, served, directory / "grid.db")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with on_street(tmp_path) as made:
        yield made
