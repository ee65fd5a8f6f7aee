"""A real client of ccxt at the shapes of OKX and of Kraken, as their documents show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import FeeAsset, Leg, OrderStatus, Side, TradeKind
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    NetworkError,
    OrderNotFoundError,
)
from cowstate.positions.exchange.ccxt import CcxtExchange
from cowstate.positions.exchange.pages import read_pages
from tests.positions.exchange.ccxt.binance import KEY
from tests.positions.exchange.ccxt.desks import led_to, real_ms
from tests.positions.exchange.ccxt.serving import Answered, Asked, Served, serving

NOW = real_ms() // 1_000 * 1_000
Said = dict[str, Callable[[Asked], Any]]


class Canned:
    """Answers by the last word of the path."""

    def __init__(self, said: Said) -> None:
        self.said = said

    def answer(self, asked: Asked) -> Answered:
        said = self.said[asked.path.rsplit("/", 1)[-1]](asked)
        return Answered(200, json.dumps(said), {}, NOW)


@contextmanager
def at(name: str, symbol: str, said: Said) -> Iterator[tuple[CcxtExchange, Served]]:
    ccxt = pytest.importorskip("ccxt", reason="the client is not installed here")
    keys = {"apiKey": KEY, "secret": "c2VjcmV0LW9mLW5vYm9keQ==", "password": "word-of-nobody"}
    client = getattr(ccxt, name)(
        {
            "number": str,
            **keys,
            "timeout": 2_000,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["swap"]}},
        }
    )
    with serving(Canned(said)) as served:
        led_to(client, served.address)
        exchange = CcxtExchange(client, symbol)
        served.asked.clear()
        yield exchange, served


# OKX: amounts are contracts of a hundredth


def okx(data: list[dict[str, Any]], code: str = "0") -> dict[str, Any]:
    return {"code": code, "msg": "", "data": data}


OKX_MARKET = {
    "instType": "SWAP",
    "instId": "BTC-USDT-SWAP",
    "uly": "BTC-USDT",
    "ctVal": "0.01",
    "ctMult": "1",
    "ctValCcy": "BTC",
    "ctType": "linear",
    "settleCcy": "USDT",
    "baseCcy": "",
    "quoteCcy": "",
    "tickSz": "0.1",
    "lotSz": "1",
    "minSz": "1",
    "state": "live",
    "listTime": "1",
    "expTime": "",
    "lever": "100",
}


def okx_order(number: int, **named: Any) -> dict[str, Any]:
    return {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "ordId": str(number),
        "clOrdId": f"gZ100D5ZB{number}",
        "px": "100.5",
        "sz": "5",
        "accFillSz": "2",
        "avgPx": "100.5",
        "state": "partially_filled",
        "side": "buy",
        "posSide": "net",
        "ordType": "limit",
        "cTime": str(NOW + number),
        "uTime": str(NOW + number),
        **named,
    }


def okx_fill(number: int, **named: Any) -> dict[str, Any]:
    return {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "tradeId": str(number),
        "billId": str(1_000 + number),
        "ordId": "7",
        "clOrdId": "gZ100D5ZB7",
        "fillPx": "100.5",
        "fillSz": "2",
        "side": "buy",
        "posSide": "net",
        "subType": "1",
        "execType": "M",
        "fee": "-0.01",
        "feeCcy": "USDT",
        "ts": str(NOW - 50_000 + number),
        **named,
    }


def okx_said(**more: Callable[[Asked], Any]) -> Said:
    said: Said = {
        "currencies": lambda asked: okx([]),
        "instruments": lambda asked: okx([OKX_MARKET]),
    }
    return said | {name.replace("_", "-"): each for name, each in more.items()}


OKX_SYMBOL = "BTC/USDT:USDT"


def test_contracts_are_told_in_base_units_and_sent_as_contracts() -> None:
    position = {
        "instType": "SWAP",
        "instId": "BTC-USDT-SWAP",
        "posSide": "net",
        "pos": "-5",
        "mgnMode": "cross",
        "avgPx": "100",
    }
    said = okx_said(
        batch_orders=lambda asked: okx([{"ordId": "7", "clOrdId": "gZ100D5ZB7", "sCode": "0"}]),
        positions=lambda asked: okx([position]),
    )
    with at("okx", OKX_SYMBOL, said) as (exchange, served):
        assert (exchange.rules.contract_size, exchange.rules.step) == (
            Decimal("0.01"),
            Decimal("0.01"),
        )
        order = exchange.create_order(
            OKX_SYMBOL,
            "limit",
            Side.BUY,
            Decimal("0.05"),
            Decimal("100.5"),
            {"clientOrderId": "g-100.5-B7"},
        )
        sent = json.loads(served.asked[-1].body)[0]
        assert (sent["sz"], sent["px"], sent["clOrdId"]) == ("5", "100.5", "gZ100D5ZB7")
        assert (order.quantity, order.status) == (Decimal("0.05"), OrderStatus.PENDING)
        (held,) = exchange.fetch_positions([OKX_SYMBOL])
        assert (held.quantity, held.leg) == (Decimal("-0.05"), Leg.NET)


def test_a_position_of_unknown_size_is_not_flat() -> None:
    position = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "posSide": "net", "pos": ""}
    said = okx_said(positions=lambda asked: okx([position]))
    with at("okx", OKX_SYMBOL, said) as (exchange, _), pytest.raises(NetworkError):
        exchange.fetch_positions([OKX_SYMBOL])


def test_more_open_orders_than_one_page_are_all_read() -> None:
    orders = [okx_order(number) for number in range(250, 0, -1)]

    def pending(asked: Asked) -> Any:
        last = int(asked.params.get("after", 1_000))
        older = [each for each in orders if int(each["ordId"]) < last]
        return okx(older[: int(asked.params.get("limit", 100))])

    with at("okx", OKX_SYMBOL, okx_said(orders_pending=pending)) as (exchange, _):
        pages = read_pages(lambda cursor: exchange.fetch_open_orders(OKX_SYMBOL, cursor), budget=9)
        assert pages.complete
        assert pages.requests == 3
        assert len({each.order_id for each in pages.items}) == 250
        assert {each.client_oid for each in pages.items} == {
            f"g-100.5-B{number}" for number in range(1, 251)
        }
        assert (pages.items[0].quantity, pages.items[0].filled) == (
            Decimal("0.05"),
            Decimal("0.02"),
        )


def test_what_moved_the_account_is_told_by_its_kind() -> None:
    kinds = {"1": TradeKind.TRADE, "127": TradeKind.LIQUIDATION, "107": TradeKind.LIQUIDATION}
    kinds |= {"324": TradeKind.ADJUSTMENT, "204": TradeKind.TRADE, "128": TradeKind.LIQUIDATION}
    fills = [okx_fill(number, subType=kind) for number, kind in enumerate(kinds, 1)]
    said = okx_said(fills_history=lambda asked: okx(fills[::-1]))
    with at("okx", OKX_SYMBOL, said) as (exchange, _):
        trades = exchange.fetch_my_trades(OKX_SYMBOL, NOW - 60_000)
        assert [each.kind for each in trades] == list(kinds.values())
        first = trades[0]
        assert (first.filled, first.fee, first.fee_asset) == (
            Decimal("0.02"),
            Decimal("0.01"),
            FeeAsset.QUOTE,
        )
        assert first.client_oid == "g-100.5-B7"


def test_errors_of_one_order_are_told_apart_under_status_200() -> None:
    errors: list[tuple[str, type[Exception]]] = [
        ("51016", DuplicateOrderIdError),
        ("51149", NetworkError),
        ("51054", NetworkError),
        ("59999", NetworkError),
    ]
    codes: list[str] = []
    said = okx_said(
        batch_orders=lambda asked: okx(
            [{"ordId": "", "clOrdId": "", "sCode": codes[-1], "sMsg": "what happened"}], "1"
        )
    )
    with at("okx", OKX_SYMBOL, said) as (exchange, _):
        for code, error in errors:
            codes.append(code)
            with pytest.raises(error):
                exchange.create_order(OKX_SYMBOL, "limit", Side.BUY, Decimal(1), Decimal(100))


# Kraken: lists of all markets, and names with their entries


def kraken_market(name: str, base: str) -> dict[str, Any]:
    return {
        "altname": name,
        "wsname": f"{name[:3]}/USD",
        "base": base,
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def kraken(result: Any, *errors: str) -> dict[str, Any]:
    return {"error": list(errors), "result": result}


def kraken_said(**more: Callable[[Asked], Any]) -> Said:
    names = {"XXBT": "XBT", "ZUSD": "USD", "XETH": "ETH"}
    assets = {
        name: {"aclass": "currency", "altname": each, "decimals": 10, "display_decimals": 5}
        for name, each in names.items()
    }
    pairs = {
        "XXBTZUSD": kraken_market("XBTUSD", "XXBT"),
        "XETHZUSD": kraken_market("ETHUSD", "XETH"),
    }
    said: Said = {
        "Assets": lambda asked: kraken(assets),
        "AssetPairs": lambda asked: kraken(pairs),
    }
    return said | more


KRAKEN_SYMBOL = "BTC/USD"


def test_trades_of_other_markets_do_not_end_the_list() -> None:
    trades = {
        f"T{number:03}": {
            "ordertxid": "O1",
            "pair": "XXBTZUSD" if number % 3 == 0 else "XETHZUSD",
            "time": (NOW - 50_000) / 1_000 + number / 10,
            "type": "buy",
            "ordertype": "limit",
            "price": "100",
            "cost": "10",
            "fee": "0.01",
            "vol": "0.1",
        }
        for number in range(120)
    }

    def history(asked: Asked) -> Any:
        start, end = (float(asked.params[name]) for name in ("start", "end"))
        newest = [name for name in reversed(trades) if start < trades[name]["time"] <= end]  # type: ignore[operator]
        skipped = int(asked.params.get("ofs", 0))
        page = newest[skipped : skipped + 50]
        return kraken({"trades": {name: trades[name] for name in page}, "count": len(newest)})

    with at("kraken", KRAKEN_SYMBOL, kraken_said(TradesHistory=history)) as (exchange, served):
        found = exchange.fetch_my_trades(KRAKEN_SYMBOL, NOW - 60_000)
        assert [each.trade_id for each in found] == [f"T{number:03}" for number in range(0, 120, 3)]
        assert found.complete
        assert served.count("POST", "TradesHistory") == 3


def test_open_orders_and_balances_are_named_lists() -> None:
    order = {
        "status": "open",
        "opentm": NOW / 1_000,
        "cl_ord_id": "g-100-B1",
        "vol": "0.5",
        "vol_exec": "0.2",
        "cost": "20",
        "price": "100",
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "100"},
    }
    other = order | {"descr": order["descr"] | {"pair": "ETHUSD"}}  # type: ignore[operator]
    listed: list[Any] = [{"open": {"O1": order, "O2": other}}]
    held: list[Any] = [{"XXBT": {"balance": "1.5", "hold_trade": "0.5"}}]
    said = kraken_said(
        OpenOrders=lambda asked: kraken(listed[-1]), BalanceEx=lambda asked: kraken(held[-1])
    )
    with at("kraken", KRAKEN_SYMBOL, said) as (exchange, _):
        (found,) = exchange.fetch_open_orders(KRAKEN_SYMBOL)
        assert (found.client_oid, found.filled, found.cost) == ("g-100-B1", Decimal("0.2"), 20)
        (balance,) = exchange.fetch_positions([KRAKEN_SYMBOL])
        assert balance.quantity == Decimal("1.5")
        for nothing in ({}, [], None, {"open": []}):
            listed.append(nothing)
            with pytest.raises(NetworkError):
                exchange.fetch_open_orders(KRAKEN_SYMBOL)
        for nothing in ([], None):
            held.append(nothing)
            with pytest.raises(NetworkError):
                exchange.fetch_positions([KRAKEN_SYMBOL])


def test_an_order_that_is_not_known_is_not_found() -> None:
    said = kraken_said(
        QueryOrders=lambda asked: kraken({}, "EOrder:Unknown order"),
        CancelOrder=lambda asked: kraken({}, "EOrder:Unknown order"),
    )
    with at("kraken", KRAKEN_SYMBOL, said) as (exchange, _):
        for ask in (exchange.fetch_order, exchange.cancel_order):
            with pytest.raises(OrderNotFoundError):
                ask("OABCDE-00000-AAAAAA", KRAKEN_SYMBOL)
