"""As much of Binance's REST interface as a grid needs, over a simulated venue: spot and futures.

The shapes of requests and answers, the error codes and the order of checks are those of its
documents: https://developers.binance.com/docs/binance-spot-api-docs/rest-api and
https://developers.binance.com/docs/derivatives/usds-margined-futures. What is so, and how it is
answered, is the business of the `Exchange` behind.
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
    Leg,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Side,
    TradeReport,
)
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    OrderNotFoundError,
    RateLimitedError,
)
from tests.positions.exchange.ccxt.serving import Answered, Asked, DropError

__all__ = ["KEY", "SECRET", "Binance"]

KEY = "key-of-nobody-000000"
SECRET = "secret-of-nobody-111111"


class RefusedError(Exception):
    """An answer with an error code."""

    def __init__(self, code: int, message: str, status: int = 400, **headers: str) -> None:
        super().__init__(message)
        self.code, self.status, self.headers = code, status, headers


class Binance:
    """One market, BTCUSDT.

    Args:
        exchange: what is so; its symbol, and its ids, are its own.
        now_ms: the venue's clock.
        contract: futures in place of spot.
    """

    def __init__(
        self,
        exchange: Exchange,
        now_ms: Callable[[], int],
        *,
        symbol: str = "X",
        contract: bool = True,
        checks_clock: bool = True,
    ) -> None:
        self.exchange = exchange
        self.now_ms = now_ms
        self.symbol = symbol
        self.contract = contract
        self.checks_clock = checks_clock
        self.stamped = True
        self.stamp_off_ms = 0
        self.dual = False
        self.archived: set[str] = set()
        # Those of streams that are valid, the newest last.
        self.listen_keys: list[str] = []
        self.keys_given = 0

    def answer(self, asked: Asked) -> Answered:
        """Answer a request, as Binance does."""
        arrived = self.now_ms()
        try:
            said = self._route(asked, arrived)
        except RefusedError as refused:
            said = json.dumps({"code": refused.code, "msg": str(refused)})
            return self._answered(refused.status, said, refused.headers)
        return self._answered(200, json.dumps(said), {})

    def _answered(self, status: int, body: str, headers: dict[str, str]) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answered(
            status, body, named, self.now_ms() + self.stamp_off_ms if self.stamped else None
        )

    def _route(self, asked: Asked, arrived: int) -> Any:
        place = asked.path.rsplit("/", 1)[-1]
        if place == "time":
            return {"serverTime": self.now_ms()}
        if place == "exchangeInfo":
            return self._info()
        if place == "listenKey":
            self._check_key(asked)
        else:
            self._check_signed(asked, arrived)
        name = f"{asked.method.lower()}_{place}"
        handler: Callable[[dict[str, str]], Any] | None = getattr(self, name, None)
        if handler is None:
            raise RefusedError(-1020, "This operation is not supported.")
        try:
            return handler(asked.params)
        except NetworkError:
            raise DropError from None
        except RateLimitedError as error:
            wait = -(-(error.retry_after_ms or 0) // 1_000)
            raise RefusedError(-1003, "Too many requests.", 429, Retry_After=str(wait)) from None
        except OrderNotFoundError:
            if asked.method == "DELETE":
                raise RefusedError(-2011, "Unknown order sent.") from None
            raise RefusedError(-2013, "Order does not exist.") from None
        except DuplicateOrderIdError:
            if self.contract:
                raise RefusedError(-4116, "ClientOrderId is duplicated.") from None
            raise RefusedError(-2010, "Duplicate order sent.") from None
        except InsufficientFundsError:
            if self.contract:
                raise RefusedError(-2019, "Margin is insufficient.") from None
            message = "Account has insufficient balance for requested action."
            raise RefusedError(-2010, message) from None
        except ExchangeError as error:
            raise RefusedError(-1000, f"An unknown error occurred: {error}") from None

    def _check_key(self, asked: Asked) -> None:
        given = {name.lower(): value for name, value in asked.headers.items()}
        if given.get("x-mbx-apikey") != KEY:
            raise RefusedError(-2015, "Invalid API-key, IP, or permissions for action.", 401)

    def _check_signed(self, asked: Asked, arrived: int) -> None:
        self._check_key(asked)
        text = asked.query or asked.body
        signed, _, signature = text.rpartition("&signature=")
        wanted = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if signature != wanted:
            raise RefusedError(-1022, "Signature for this request is not valid.")
        if not self.checks_clock:
            return
        stamp, window = int(asked.params["timestamp"]), int(asked.params.get("recvWindow", 5_000))
        if stamp >= arrived + 1_000 or arrived - stamp > window:
            raise RefusedError(-1021, "Timestamp for this request is outside of the recvWindow.")

    # Markets

    def _info(self) -> Any:
        filters = [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "1.00",
                "maxPrice": "1000000.00",
                "tickSize": "0.10",
            },
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        ]
        market: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "filters": filters,
        }
        if self.contract:
            filters.append({"filterType": "MIN_NOTIONAL", "notional": "5"})
            market |= {
                "pair": "BTCUSDT",
                "contractType": "PERPETUAL",
                "deliveryDate": 4133404800000,
                "onboardDate": 1569398400000,
                "marginAsset": "USDT",
                "pricePrecision": 2,
                "quantityPrecision": 3,
                "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            }
        else:
            filters.append({"filterType": "NOTIONAL", "minNotional": "5.00000000"})
            market |= {"isSpotTradingAllowed": True, "permissions": ["SPOT"]}
        return {"timezone": "UTC", "serverTime": self.now_ms(), "symbols": [market]}

    def get_getall(self, params: dict[str, str]) -> Any:
        return []

    def get_allPairs(self, params: dict[str, str]) -> Any:
        return []

    # What is held

    def get_leverageBracket(self, params: dict[str, str]) -> Any:
        return [{"symbol": "BTCUSDT", "brackets": []}]

    def get_positionRisk(self, params: dict[str, str]) -> Any:
        found = []
        for each in self.exchange.fetch_positions([self.symbol]):
            side = "BOTH" if each.leg is Leg.NET else each.leg.value
            found.append(
                {
                    "symbol": "BTCUSDT",
                    "positionSide": side,
                    "positionAmt": f"{each.quantity:f}",
                    "entryPrice": "0.0",
                    "markPrice": "61000.0",
                    "unRealizedProfit": "0.0",
                    "liquidationPrice": "0",
                    "notional": "0",
                    "marginAsset": "USDT",
                    "isolatedMargin": "0",
                    "isolatedWallet": "0",
                    "initialMargin": "0",
                    "maintMargin": "0",
                    "updateTime": each.time_ms,
                }
            )
        return found

    def get_account(self, params: dict[str, str]) -> Any:
        (held,) = self.exchange.fetch_positions([self.symbol])
        balances = [
            {"asset": "BTC", "free": f"{held.quantity - 1:f}", "locked": "1.00000000"},
            {"asset": "USDT", "free": "1000.00000000", "locked": "0.00000000"},
        ]
        return {"accountType": "SPOT", "updateTime": self.now_ms(), "balances": balances}

    # Orders

    def get_openOrders(self, params: dict[str, str]) -> Any:
        return [self._order(each) for each in self.exchange.fetch_open_orders(self.symbol)]

    def get_order(self, params: dict[str, str]) -> Any:
        number = params.get("orderId")
        if number in self.archived:
            raise RefusedError(
                -2026,
                "Order was canceled or expired with no executed qty over 90 days ago and has "
                "been archived.",
            )
        named = None if number is None else int(number)
        update = self.exchange.fetch_order(named, self.symbol, params.get("origClientOrderId"))
        return self._order(update)

    def post_order(self, params: dict[str, str]) -> Any:
        post_only = params["type"] == "LIMIT_MAKER" or params.get("timeInForce") == "GTX"
        request = OrderRequest(
            self.symbol,
            Side(params["side"]),
            Decimal(params["quantity"]),
            Decimal(params["price"]),
            params["newClientOrderId"],
            post_only,
        )
        (answer,) = self.exchange.create_orders([request])
        if isinstance(answer, ExchangeError):
            raise answer
        if answer.status is OrderStatus.REJECTED and answer.post_only_reject:
            if self.contract:
                message = "Due to the order could not be executed as maker, it was rejected."
                raise RefusedError(-5022, message)
            raise RefusedError(-2010, "Order would immediately match and take.")
        return self._order(answer)

    def delete_order(self, params: dict[str, str]) -> Any:
        said = self._order(self.exchange.cancel_order(int(params["orderId"]), self.symbol))
        if not self.contract:
            # There a cancellation has a client id of its own, and it stands in the usual place.
            own = f"cancel{said['orderId']}"
            said |= {"origClientOrderId": said["clientOrderId"], "clientOrderId": own}
        return said

    def _order(self, each: OrderUpdate) -> dict[str, Any]:
        cost = f"{each.cost:f}"
        said: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "orderId": each.order_id,
            "clientOrderId": each.client_oid,
            "price": f"{each.price:f}",
            "origQty": f"{each.quantity:f}",
            "executedQty": f"{each.filled:f}",
            "status": each.status.value,
            "timeInForce": "GTC",
            "type": "LIMIT",
            "side": each.side.value,
            "time": each.time_ms,
            "updateTime": each.time_ms,
        }
        if self.contract:
            average = each.cost / each.filled if each.filled else Decimal(0)
            said |= {"avgPrice": f"{average:f}", "cumQuote": cost, "positionSide": "BOTH"}
        else:
            # "For some historical orders [it] will be < 0, meaning the data is not available."
            said |= {"cummulativeQuoteQty": "-1.0" if each.filled and not each.cost else cost}
        return said

    # The stream of orders: that of futures by a key, that of spot by a signature

    def post_listenKey(self, params: dict[str, str]) -> Any:
        # The same one as long as it is valid.
        if not self.listen_keys:
            self.keys_given += 1
            self.listen_keys.append(f"{self.keys_given}".rjust(64, "k"))
        return {"listenKey": self.listen_keys[-1]}

    def put_listenKey(self, params: dict[str, str]) -> Any:
        if not self.listen_keys:
            raise RefusedError(-1125, "This listenKey does not exist.")
        return {"listenKey": self.listen_keys[-1]}

    def welcome(self, path: str, query: str) -> bool | None:
        """Take who connects to a stream: with a key that is over they hear nothing."""
        if not self.contract:
            return False if path == "/ws-api/v3" else None
        return query.partition("listenKey=")[2] in self.listen_keys

    def replies(self, said: Any) -> tuple[list[Any], bool]:
        """Answer a message on the stream of spot."""
        params = {name: str(value) for name, value in said.get("params", {}).items()}
        signature = params.pop("signature", "")
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        wanted = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if said.get("method") != "userDataStream.subscribe.signature" or signature != wanted:
            error = {"code": -1022, "msg": "Signature for this request is not valid."}
            return [{"id": said.get("id"), "status": 400, "error": error}], False
        return [{"id": said["id"], "status": 200, "result": {"subscriptionId": 0}}], True

    def event(self, each: OrderUpdate) -> Any:
        """Tell of a change of an order, as the stream does."""
        kinds = {OrderStatus.PARTIALLY_FILLED: "TRADE", OrderStatus.FILLED: "TRADE"}
        said: dict[str, Any] = {
            "s": "BTCUSDT",
            "c": each.client_oid,
            "S": each.side.value,
            "o": "LIMIT",
            "f": "GTC",
            "q": f"{each.quantity:f}",
            "p": f"{each.price:f}",
            "x": kinds.get(each.status, each.status.value),
            "X": each.status.value,
            "i": each.order_id,
            "l": "0",
            "z": f"{each.filled:f}",
            "L": "0",
            "n": "0",
            "N": None,
            "T": each.time_ms,
            "t": 0,
            "m": True,
        }
        if self.contract:
            average = each.cost / each.filled if each.filled else Decimal(0)
            said |= {"ap": f"{average:f}", "sp": "0", "R": False, "ps": "BOTH", "rp": "0"}
            return {"e": "ORDER_TRADE_UPDATE", "E": each.time_ms, "T": each.time_ms, "o": said}
        ended = each.status is OrderStatus.CANCELED
        said |= {
            "e": "executionReport",
            "E": each.time_ms,
            # A cancellation has an id of its own there, and tells that of the order beside it.
            **({"c": f"cancel{each.order_id}", "C": each.client_oid} if ended else {"C": ""}),
            "P": "0.00000000",
            "F": "0.00000000",
            "g": -1,
            "r": "NONE",
            "w": not each.status.terminal,
            "O": each.time_ms,
            "Z": f"{each.cost:f}",
            "Y": "0",
            "Q": "0",
        }
        return {"subscriptionId": 0, "event": said}

    # Trades

    def get_userTrades(self, params: dict[str, str]) -> Any:
        return self._trades(params, 7 * 86_400_000)

    def get_myTrades(self, params: dict[str, str]) -> Any:
        return self._trades(params, 86_400_000)

    def _trades(self, params: dict[str, str], window: int) -> Any:
        limit = int(params.get("limit", 500))
        start, end, first = (params.get(name) for name in ("startTime", "endTime", "fromId"))
        if first is not None:
            if start is not None or end is not None:
                raise RefusedError(-1128, "Combination of optional parameters invalid.")
            cursor = str(int(first) - 1) if int(first) > 0 else None
            found = list(self.exchange.fetch_my_trades(self.symbol, None, cursor))
        else:
            if start is None or end is None:
                raise RefusedError(-1128, "Combination of optional parameters invalid.")
            if int(end) - int(start) > window:
                raise RefusedError(-1127, "Lookup interval is too big.")
            listed = self.exchange.fetch_my_trades(self.symbol, int(start))
            found = [each for each in listed if each.time_ms <= int(end)]
        return [self._trade(each) for each in found[:limit]]

    def _trade(self, each: TradeReport) -> dict[str, Any]:
        said: dict[str, Any] = {
            "symbol": "BTCUSDT",
            "id": each.trade_id,
            "orderId": each.order_id,
            "price": f"{each.price:f}",
            "qty": f"{each.quantity:f}",
            "quoteQty": f"{each.price * each.quantity:f}",
            "commission": f"{each.fee or 0:f}",
            "commissionAsset": "BTC" if each.fee_asset == "BASE" else "USDT",
            "time": each.time_ms,
        }
        buyer = each.side is Side.BUY
        if self.contract:
            leg = "BOTH" if each.leg is Leg.NET else each.leg.value
            return said | {"side": each.side.value, "buyer": buyer, "positionSide": leg}
        return said | {"isBuyer": buyer, "isMaker": True, "isBestMatch": True}
