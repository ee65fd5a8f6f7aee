"""As much of Bybit's REST interface (v5, linear) as a grid needs, over a simulated venue.

The shapes are those of https://bybit-exchange.github.io/docs/v5/intro. Placing and cancelling are
answered before they are carried out there, so the answer names the order and says no more of it;
and the list of executions comes newest first, a page at a time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cowstate.positions import (
    Exchange,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Side,
    TradeKind,
    TradeReport,
)
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    OrderNotFoundError,
)
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.serving import Answered, Asked, DropError

__all__ = ["Bybit"]

_STATUSES = {
    OrderStatus.NEW: "New",
    OrderStatus.PARTIALLY_FILLED: "PartiallyFilled",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
}
_KINDS = {
    TradeKind.TRADE: "Trade",
    TradeKind.LIQUIDATION: "BustTrade",
    TradeKind.FUNDING: "Funding",
    TradeKind.ADJUSTMENT: "MovePosition",
}


class CodeError(Exception):
    """An answer with an error code, under status 200, as all of Bybit's are."""


class Bybit:
    """One market, BTCUSDT."""

    def __init__(self, exchange: Exchange, now_ms: Callable[[], int], symbol: str = "X") -> None:
        self.exchange = exchange
        self.now_ms = now_ms
        self.symbol = symbol
        self.page = 50
        self.knows_key = False

    def answer(self, asked: Asked) -> Answered:
        """Answer a request, as Bybit does."""
        code, message, result = 0, "OK", {}
        try:
            result = self._route(asked)
        except CodeError as error:
            code, message = error.args
        said = {"retCode": code, "retMsg": message, "result": result, "time": self.now_ms()}
        return Answered(200, json.dumps(said, separators=(",", ":")), {}, self.now_ms())

    def _route(self, asked: Asked) -> Any:
        name = asked.path.removeprefix("/v5/").replace("/", "_").replace("-", "_")
        if not name.startswith("market_"):
            self._check_signed(asked)
        body = json.loads(asked.body) if asked.body else {}
        try:
            return getattr(self, name)({**asked.params, **body})
        except NetworkError:
            raise DropError from None
        except OrderNotFoundError:
            raise CodeError(110001, "order not exists or too late to cancel") from None
        except DuplicateOrderIdError:
            raise CodeError(110072, "OrderLinkedID is duplicate") from None
        except InsufficientFundsError:
            raise CodeError(110007, "ab not enough for new order") from None
        except ExchangeError as error:
            raise CodeError(10016, f"Server error: {error}") from None

    def _check_signed(self, asked: Asked) -> None:
        given = {name.lower(): value for name, value in asked.headers.items()}
        stamp, window = given["x-bapi-timestamp"], given["x-bapi-recv-window"]
        text = f"{stamp}{KEY}{window}{asked.query or asked.body}"
        wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if given["x-bapi-sign"] != wanted:
            raise CodeError(10004, "error sign! origin_string[...]")

    # What is asked first

    def market_time(self, params: dict[str, str]) -> Any:
        return {"timeSecond": str(self.now_ms() // 1000), "timeNano": str(self.now_ms() * 10**6)}

    def market_instruments_info(self, params: dict[str, str]) -> Any:
        market = {
            "symbol": "BTCUSDT",
            "contractType": "LinearPerpetual",
            "status": "Trading",
            "baseCoin": "BTC",
            "quoteCoin": "USDT",
            "settleCoin": "USDT",
            "launchTime": "1585526400000",
            "deliveryTime": "0",
            "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
            "lotSizeFilter": {
                "minOrderQty": "0.001",
                "maxOrderQty": "1190.000",
                "qtyStep": "0.001",
                "minNotionalValue": "5",
            },
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00"},
        }
        return {"category": "linear", "list": [market], "nextPageCursor": ""}

    def asset_coin_query_info(self, params: dict[str, str]) -> Any:
        return {"rows": []}

    def user_query_api(self, params: dict[str, str]) -> Any:
        return {"uta": 1, "unified": 0}

    def account_info(self, params: dict[str, str]) -> Any:
        return {"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN"}

    # What is so

    def position_list(self, params: dict[str, str]) -> Any:
        found = []
        for each in self.exchange.fetch_positions([self.symbol]):
            side = "" if not each.quantity else "Buy" if each.quantity > 0 else "Sell"
            size = f"{abs(each.quantity):f}"
            found.append({"positionIdx": 0, "symbol": "BTCUSDT", "side": side, "size": size})
        return {"category": "linear", "list": found, "nextPageCursor": ""}

    def order_realtime(self, params: dict[str, str]) -> Any:
        if "orderId" in params or "orderLinkId" in params:
            number = params.get("orderId")
            try:
                named = int(number) if number else None
                found = [self.exchange.fetch_order(named, self.symbol, params.get("orderLinkId"))]
            except OrderNotFoundError:
                found = []
            return {"list": [self._order(each) for each in found], "nextPageCursor": ""}
        newest = list(self.exchange.fetch_open_orders(self.symbol))[::-1]
        shown, token = self._paged([self._order(each) for each in newest], params)
        return {"category": "linear", "list": shown, "nextPageCursor": token}

    def _order(self, each: OrderUpdate) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT",
            "orderId": str(each.order_id),
            "orderLinkId": each.client_oid,
            "side": each.side.value.title(),
            "orderType": "Limit",
            "orderStatus": _STATUSES[each.status],
            "price": f"{each.price:f}",
            "qty": f"{each.quantity:f}",
            "cumExecQty": f"{each.filled:f}",
            "cumExecValue": f"{each.cost:f}",
            "leavesQty": f"{each.quantity - each.filled:f}",
            "avgPrice": "",
            "rejectReason": "EC_NoError",
            "timeInForce": "PostOnly",
            "createdTime": str(each.time_ms),
            "updatedTime": str(each.time_ms),
            "tpslMode": "",
        }

    # The stream of orders

    def welcome(self, path: str, query: str) -> bool | None:
        """Take who connects to a stream."""
        return False if path == "/v5/private" else None

    def replies(self, said: Any) -> tuple[list[Any], bool]:
        """Answer a message there."""
        answer = {"success": True, "ret_msg": "", "op": said["op"], "conn_id": "c-1"}
        match said["op"]:
            case "ping":
                return [{**answer, "op": "pong", "args": [str(self.now_ms())]}], False
            case "auth":
                key, expires, signature = said["args"]
                text = f"GET/realtime{expires}"
                wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
                self.knows_key = key == KEY and signature == wanted
                if not self.knows_key:
                    answer |= {"success": False, "ret_msg": "error:USVC1111", "request": said}
                return [answer], False
            case "subscribe":
                assert said["args"] == ["order"]
                assert self.knows_key
                return [{**answer, "req_id": said["req_id"]}], True
        raise AssertionError(said)

    def event(self, each: OrderUpdate) -> Any:
        """Tell of a change of an order, as the stream does."""
        return {
            "id": "e-1",
            "topic": "order",
            "creationTime": each.time_ms,
            "data": [{**self._order(each), "category": "linear"}],
        }

    def order_create(self, params: dict[str, str]) -> Any:
        request = OrderRequest(
            self.symbol,
            Side(params["side"].upper()),
            Decimal(params["qty"]),
            Decimal(params["price"]),
            params["orderLinkId"],
        )
        (answer,) = self.exchange.create_orders([request])
        if isinstance(answer, ExchangeError):
            raise answer
        return {"orderId": str(answer.order_id), "orderLinkId": answer.client_oid}

    def order_cancel(self, params: dict[str, str]) -> Any:
        self.exchange.cancel_order(int(params["orderId"]), self.symbol)
        return {"orderId": params["orderId"], "orderLinkId": ""}

    def execution_list(self, params: dict[str, str]) -> Any:
        start, end = int(params["startTime"]), int(params["endTime"])
        if end - start > 7 * 86_400_000:
            raise CodeError(10001, "The time range between startTime and endTime is over 7 days")
        listed = self.exchange.fetch_my_trades(self.symbol, start)
        wanted = params.get("execType")
        newest = [
            self._trade(each)
            for each in reversed(listed.items)
            if each.time_ms <= end and wanted in (None, _KINDS[each.kind])
        ]
        shown, token = self._paged(newest, params)
        return {"category": "linear", "list": shown, "nextPageCursor": token}

    def _paged(self, found: list[Any], params: dict[str, str]) -> tuple[list[Any], str]:
        first = int(params.get("cursor") or 0)
        last = first + min(int(params.get("limit", 20)), self.page)
        return found[first:last], str(last) if last < len(found) else ""

    def _trade(self, each: TradeReport) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT",
            "orderId": str(each.order_id or ""),
            "orderLinkId": each.client_oid or "",
            "side": each.side.value.title(),
            "execId": f"e-{each.trade_id}",
            "execPrice": f"{each.price:f}",
            "execQty": f"{each.quantity or 1:f}",
            "execValue": "0",
            "execFee": f"{each.fee or 0:f}",
            "execType": _KINDS[each.kind],
            "execTime": str(each.time_ms),
            "isMaker": True,
            "feeRate": "0",
            "seq": each.trade_id,
            "closedSize": "0",
        }
