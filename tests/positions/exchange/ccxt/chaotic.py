"""A rule of `cowstate chaos` that asks its venue by a real client of ccxt, over real HTTP.

One thing happens at a time: who asks waits for the answer, and whoever answers lets the time of the
world pass meanwhile. So a world is as it always is, in whichever threads it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cowstate.positions import Exchange, GridConfig, Leg, Listing, VenuePromises
from cowstate.positions.errors import NetworkError
from cowstate.positions.exchange.ccxt import CcxtExchange
from cowstate.positions.simulation.chaos.client import ChaosExchange, ProcessDied
from cowstate.positions.simulation.chaos.rules import Line, PresentLife, RuleMaker
from tests.positions.exchange.ccxt.binance import Binance
from tests.positions.exchange.ccxt.desks import binance_client
from tests.positions.exchange.ccxt.serving import Served, serving

__all__ = ["Ours", "through_ccxt"]

SYMBOL = "BTC/USDT:USDT"
PATIENCE_MS = 60_000


class Behind:
    """The venue as its server sees it: what goes wrong in a world is not the server's business."""

    def __init__(self, chaos: ChaosExchange, broken: list[BaseException]) -> None:
        self._chaos = chaos
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._chaos, name)

        def answer(*args: Any, **named: Any) -> Any:
            try:
                return asked(*args, **named)
            except ProcessDied:
                raise NetworkError("whoever asked is no more") from None
            except NetworkError:
                raise
            except Exception as error:
                if not type(error).__module__.startswith("cowstate."):
                    self._broken.append(error)
                raise

        return answer


class Ours:
    """The `Line` of one life: the adapter, with the symbol and the ids of the world."""

    def __init__(self, chaos: ChaosExchange, inner: CcxtExchange, symbol: str) -> None:
        self._chaos = chaos
        self._inner = inner
        self._symbol = symbol
        # Binance repeats no id of ours in its trades, and a Date header is cut to the second.
        self.promises: VenuePromises = chaos.promises.knowing(
            stamp_ms=1_000, trades_carry_client_ids=False
        )

    def pause(self, seconds: float) -> None:
        self._chaos.pause(seconds)

    def fetch_positions(self, symbols: Sequence[str]) -> Any:
        return self._ask(lambda: self._inner.fetch_positions([SYMBOL]))

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Any:
        return self._ask(lambda: self._inner.fetch_open_orders(SYMBOL, cursor))

    def fetch_order(self, order_id: Any, symbol: str, client_oid: str | None = None) -> Any:
        return self._ask(lambda: self._inner.fetch_order(order_id, SYMBOL, client_oid))

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Any:
        return self._ask(lambda: self._inner.fetch_my_trades(SYMBOL, since_ms, cursor))

    def cancel_order(self, order_id: Any, symbol: str) -> Any:
        return self._ask(lambda: self._inner.cancel_order(order_id, SYMBOL))

    def cancel_orders(self, order_ids: Sequence[Any], symbol: str) -> Any:
        found = self._ask(lambda: self._inner.cancel_orders(order_ids, SYMBOL))
        return [self._ours(each) for each in found]

    def create_order(self, *args: Any, **named: Any) -> Any:
        raise AssertionError("a reconciler places no orders")

    create_orders = create_order

    def _ask(self, asked: Callable[[], Any]) -> Any:
        try:
            answer = asked()
        finally:
            if self._chaos.died:
                raise ProcessDied
        return self._ours(answer)

    def _ours(self, answer: Any) -> Any:
        if isinstance(answer, Listing):
            return answer.replace(items=tuple(self._ours(each) for each in answer))
        if not hasattr(answer, "symbol"):
            return answer
        answer = answer.replace(symbol=self._symbol)
        for name in ("order_id", "trade_id"):
            number = getattr(answer, name, None)
            if number is not None:
                answer = answer.replace(**{name: int(number)})
        return answer


@contextmanager
def through_ccxt() -> Iterator[tuple[RuleMaker, Served, list[BaseException]]]:
    """Yield our rule, which asks through a client; the server; and what broke in it."""
    broken: list[BaseException] = []
    app = Binance(None, lambda: 0, symbol="BTCUSDT", checks_clock=False)  # type: ignore[arg-type]
    with serving(app) as served:

        def make(
            chaos: Line,
            config: GridConfig,
            time_ms: Callable[[], int],
            promises: VenuePromises,
            saved: Any,
        ) -> PresentLife:
            assert isinstance(chaos, ChaosExchange)
            behind: Exchange = Behind(chaos, broken)  # type: ignore[assignment]
            app.exchange = behind
            # The moment at which the answer left that is about to be sent.
            app.now_ms = lambda: chaos.last_left_ms
            client = binance_client(served.address, timeout=PATIENCE_MS)
            leg = Leg.LONG if promises.hedged else Leg.NET
            inner = CcxtExchange(client, SYMBOL, leg=leg, time_ms=time_ms)
            return PresentLife(Ours(chaos, inner, config.symbol), config, time_ms, promises, saved)

        yield make, served, broken
