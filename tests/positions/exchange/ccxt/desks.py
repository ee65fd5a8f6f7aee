"""A real client of ccxt at a server of one's own: what trades there, and what goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from cowstate.positions import Leg
from cowstate.positions.command import account
from cowstate.positions.exchange.ccxt import CcxtExchange, LoopThread
from cowstate.positions.exchange.ccxt.connecting import client_of
from cowstate.positions.exchange.ccxt.keys import Keys
from tests.positions.exchange.ccxt.binance import KEY, SECRET, Binance
from tests.positions.exchange.ccxt.serving import Served, serving
from tests.positions.simulation.chaos.desk import Desk

__all__ = [
    "TIMEOUT_MS",
    "At",
    "async_client",
    "async_led_to",
    "at_binance",
    "binance_client",
    "bybit_client",
    "commanded",
    "led_to",
    "real_ms",
]

TIMEOUT_MS = 400


def real_ms() -> int:
    return time.time_ns() // 1_000_000


def led_to(client: Any, address: str) -> None:
    """Have the requests of *client* go to *address*, and let it think that they go to its venue.

    What an error means, ccxt looks up by the host that it asked.
    """
    adapters = pytest.importorskip("requests.adapters")

    class Adapter(adapters.HTTPAdapter):  # type: ignore[misc, name-defined]
        def send(self, request: Any, *args: Any, **named: Any) -> Any:
            scheme, _, rest = request.url.partition("://")
            assert scheme == "https"
            request.url = f"{address}/{rest.partition('/')[2]}"
            return super().send(request, *args, **named)

    client.session.trust_env = False
    client.session.mount("https://", Adapter())


def binance_client(address: str, contract: bool = True, **settings: Any) -> Any:
    """The real client, whose requests go to *address*."""
    ccxt = pytest.importorskip("ccxt", reason="the client is not installed here")
    kind = "linear" if contract else "spot"
    client = ccxt.binance(
        {
            "number": str,
            "apiKey": KEY,
            "secret": SECRET,
            "timeout": TIMEOUT_MS,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": [kind]}},
            **settings,
        }
    )
    led_to(client, address)
    return client


def bybit_client(address: str, **settings: Any) -> Any:
    """The real client of another venue, whose requests go to *address*."""
    ccxt = pytest.importorskip("ccxt", reason="the client is not installed here")
    keys = {"apiKey": KEY, "secret": SECRET}
    kinds = {"fetchMarkets": {"types": ["linear"]}}
    client = ccxt.bybit(
        {"number": str, **keys, "timeout": TIMEOUT_MS, "options": kinds, **settings}
    )
    led_to(client, address)
    return client


def async_led_to(client: Any, address: str, streams: str = "") -> None:
    """Have what an asynchronous *client* asks go to *address*, and connect to *streams*."""
    opened = client.open

    def leading(lazy: bool = False) -> None:
        opened(lazy)
        session = client.session
        if "_request" in vars(session):
            return
        ask = session._request

        async def lead(method: str, url: Any, **named: Any) -> Any:
            scheme, _, rest = str(url).partition("://")
            assert scheme in ("https", "wss"), url
            place = streams if scheme == "wss" else address
            led = yarl.URL(f"{place}/{rest.partition('/')[2]}", encoded=True)
            return await ask(method, led, **named)

        # As an attribute of its own it is discouraged, and warned of.
        object.__setattr__(session, "_request", lead)

    yarl = pytest.importorskip("yarl")
    client.aiohttp_trust_env = False
    client.open = leading


def async_client(name: str, address: str, streams: str = "", **settings: Any) -> Any:
    """The real asynchronous client, of ``ccxt.pro``, which goes to these."""
    pytest.importorskip("ccxt", reason="the client is not installed here")
    pro = pytest.importorskip("ccxt.pro", reason="the client is not installed here")
    keys = {"apiKey": KEY, "secret": SECRET}
    client = getattr(pro, name)(
        {"number": str, **keys, "timeout": TIMEOUT_MS, "enableRateLimit": False, **settings}
    )
    client.timeout_on_exit = 0
    async_led_to(client, address, streams)
    return client


@contextmanager
def commanded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Have the clients that a command makes go to a server of one's own, which knows the keys."""
    pytest.importorskip("ccxt", reason="the client is not installed here")
    desk = Desk()
    with serving(Binance(desk.exchange, real_ms)) as served:

        def local(exchange_id: str, keys: Keys) -> Any:
            client = client_of(exchange_id, keys)
            client.options["fetchMarkets"] = {"types": ["linear"]}
            led_to(client, served.address)
            return client

        monkeypatch.setattr(account, "client_of", local)
        monkeypatch.setenv("COWSTATE_API_KEY", KEY)
        monkeypatch.setenv("COWSTATE_SECRET", SECRET)
        yield served


class At:
    """A client at a venue, and the venue."""

    def __init__(self, desk: Desk, app: Binance, served: Served, symbol: str, client: Any) -> None:
        self.desk, self.app, self.served, self.symbol = desk, app, served, symbol
        self.client = client
        self.exchange: CcxtExchange


@contextmanager
def at_binance(
    *,
    contract: bool = True,
    virtual: bool = False,
    leg: Leg = Leg.NET,
    settings: dict[str, Any] | None = None,
    asynchronous: bool = False,
    **faults: float,
) -> Iterator[At]:
    """Yield a client at Binance. *virtual*: by the venue's own clock, which stands still."""
    desk = Desk(**faults)

    def now_ms() -> int:
        return desk.clock.now_ms

    app = Binance(
        desk.exchange,
        now_ms if virtual else real_ms,
        contract=contract,
        checks_clock=not virtual,
    )
    with ExitStack() as stack:
        served = stack.enter_context(serving(app))
        loop = None
        if asynchronous:
            loop = stack.enter_context(LoopThread())
            kinds = {"fetchMarkets": {"types": ["linear" if contract else "spot"]}}
            given = {"options": kinds, **(settings or {})}
            client = async_client("binance", served.address, **given)
        else:
            client = binance_client(served.address, contract, **(settings or {}))
        symbol = "BTC/USDT:USDT" if contract else "BTC/USDT"
        at = At(desk, app, served, symbol, client)
        time_ms = now_ms if virtual else real_ms
        at.exchange = CcxtExchange(client, symbol, leg=leg, time_ms=time_ms, loop=loop)
        served.asked.clear()
        yield at
