"""An account that the tests make up: its order and position events, as an exchange sends them.

Only the fields that the tests read are there, under the names of the recorded stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

CENT = Decimal("0.01")


class Stream(NamedTuple):
    """Lines of JSON, one an event; and from which example on the account is flat again."""

    lines: list[str]
    stretches: dict[int, int]


def made_up_stream(seed: int, *, stretches: int = 3, orders: int = 40) -> Stream:
    """An account that trades, with one or two orders at work, and is flat between stretches."""
    random = Random(seed)
    lines = []
    for number in range(1, stretches + 1):
        for event in _Account(random, number).live(orders):
            lines.append(json.dumps({"example": number, "event": event}, default=float))
    return Stream(lines, {number: number for number in range(1, stretches + 1)})


class _Account:
    """One stretch of an account's life, told as it happens.

    An order is told to be NEW, is filled in parts or not at all, and ends FILLED, CANCELED or
    EXPIRED. Before the event of each fill comes the one of the position that it made.
    """

    def __init__(self, random: Random, number: int) -> None:
        self.random = random
        self.ids = number * 1_000
        self.now = 1_650_000_000_000 + number * 10**9
        self.position = Decimal(0)
        self.working: list[dict[str, Any]] = []

    def live(self, orders: int) -> Iterator[dict[str, Any]]:
        for _ in range(orders):
            yield from self.place()
            while len(self.working) > self.random.choice((0, 0, 1)):
                yield from self.go_on(self.random.choice(self.working))
            if self.random.random() < 0.1:
                yield self.account([])
        while self.working:
            yield from self.go_on(self.working[0])

    def place(self) -> Iterator[dict[str, Any]]:
        self.ids += 1
        is_limit = self.random.random() < 0.7
        order = {
            "symbol": "BNBUSDT",
            "clientOrderId": f"web_{self.ids}",
            "orderSide": self.random.choice(("BUY", "SELL")),
            "originalQuantity": self.random.randint(1, 300) * CENT,
            "originalPrice": Decimal(self.random.randint(3_900, 4_100)) / 10 if is_limit else 0,
            "orderId": 37_000_000_000 + self.ids,
            "orderFilledAccumulatedQuantity": Decimal(0),
        }
        self.working.append(order)
        yield self.told(order, "NEW", "NEW")

    def go_on(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Fill *order* a little or whole, or end it."""
        filled, quantity = order["orderFilledAccumulatedQuantity"], order["originalQuantity"]
        if self.random.random() < 0.15:
            self.working.remove(order)
            status = self.random.choice(("CANCELED", "EXPIRED"))
            yield self.told(order, status, status)
            return
        whole = self.random.random() < 0.6
        left = quantity - filled
        last = left if whole else self.random.randint(1, int(left / CENT)) * CENT
        order["orderFilledAccumulatedQuantity"] = filled + last
        self.position += last if order["orderSide"] == "BUY" else -last
        status = "FILLED" if last == left else "PARTIALLY_FILLED"
        if status == "FILLED":
            self.working.remove(order)
        yield self.account([{"symbol": "BNBUSDT", "positionAmount": self.position}])
        price = order["originalPrice"] or Decimal(self.random.randint(39_000, 41_000)) / 100
        yield self.told(order, "TRADE", status, last, price)

    def told(
        self,
        order: dict[str, Any],
        execution: str,
        status: str,
        last: Decimal = Decimal(0),
        price: Decimal = Decimal(0),
    ) -> dict[str, Any]:
        self.now += self.random.randint(0, 60_000)
        state = {"executionType": execution, "orderStatus": status}
        fill = {"lastFilledQuantity": last, "lastFilledPrice": price}
        return {
            "eventType": "ORDER_TRADE_UPDATE",
            "eventTime": self.now,
            "order": {**order, **state, **fill},
        }

    def account(self, positions: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "eventType": "ACCOUNT_UPDATE",
            "eventTime": self.now,
            "updateData": {"updatedPositions": positions},
        }
