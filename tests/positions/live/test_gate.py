"""The gate before an exchange: it closes between any two orders, and what stays was not sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import (
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    PaperExchange,
    Side,
    VirtualClock,
)
from cowstate.positions.errors import ExchangeError, NetworkError, RateLimitedError
from cowstate.positions.live.gate import Gate
from cowstate.positions.simulation.line import Faults

PRICES = [Decimal(100), Decimal(101), Decimal(102)]


def requests() -> list[OrderRequest]:
    return [OrderRequest("X", Side.BUY, Decimal(1), each, f"g-{each}-B1") for each in PRICES]


@pytest.mark.parametrize("passes", range(4))
def test_it_can_be_closed_between_any_two_orders(passes: int) -> None:
    exchange, taken = PaperExchange(VirtualClock(), "X"), []

    def closed() -> str:
        return "it ends" if len(taken) == passes else ""

    gate = Gate(exchange, closed, taken.append)
    answers = gate.create_orders(requests())
    working = list(exchange.fetch_open_orders("X"))
    assert [each.price for each in working] == PRICES[:passes]
    assert [each.order_id for each in taken] == [each.order_id for each in working]
    for answer in answers[passes:]:
        assert isinstance(answer, ExchangeError)
        assert not isinstance(answer, NetworkError)
        assert str(answer) == "not sent: it ends"
    # What it kept back itself is no refusal of the venue's.
    assert (gate.taken, gate.refused, gate.why) == (passes, 0, "")


def test_what_goes_the_other_way_always_passes() -> None:
    exchange = PaperExchange(VirtualClock(), "X")
    order = exchange.create_order("X", "limit", Side.BUY, Decimal(1), Decimal(100))
    gate = Gate(exchange, lambda: "it ends")
    assert gate.promises == exchange.promises
    assert [each.order_id for each in gate.fetch_open_orders("X")] == [order.order_id]
    assert gate.fetch_order(order.order_id, "X").order_id == order.order_id
    assert not gate.fetch_my_trades("X").items
    assert gate.fetch_positions(["X"]).items[0].quantity == 0
    assert order.order_id is not None
    gate.cancel_order(order.order_id, "X")
    assert isinstance(gate.cancel_orders([order.order_id], "X")[0], ExchangeError)
    with pytest.raises(ExchangeError, match="not sent"):
        gate.create_order("X", "limit", Side.BUY, Decimal(1), Decimal(100))


def test_it_counts_what_was_refused_and_not_what_had_no_answer() -> None:
    exchange = PaperExchange(VirtualClock(), "X")
    gate = Gate(exchange, lambda: "")
    for _ in range(2):
        gate.create_orders(requests())
    assert (gate.taken, gate.refused) == (3, 3)
    assert "is taken" in gate.why
    gate.begin()
    assert (gate.taken, gate.refused, gate.why) == (0, 0, "")
    silent = Gate(PaperExchange(VirtualClock(), "X", faults=Faults(lose_answer=1)), lambda: "")
    silent.create_orders(requests())
    assert (silent.taken, silent.refused) == (0, 0)
    assert gate.create_order("X", "limit", Side.BUY, Decimal(1), Decimal(100)).order_id == 4


class Busy:
    """A venue that takes *most* requests, and then is asked too often; it counts them.

    It says so in the place of the answer, or *raises* it.
    """

    def __init__(self, most: int, raises: bool) -> None:
        self.most, self.raises = most, raises
        self.asked = 0

    def answer(self, requests: Sequence[object]) -> list[OrderUpdate | ExchangeError]:
        (_,) = requests
        self.asked += 1
        if self.asked > self.most:
            error = RateLimitedError("too many", 7_000)
            if self.raises:
                raise error
            return [error]
        return [OrderUpdate("X", "g-1-B1", 1, Side.BUY, Decimal(1), Decimal(1), OrderStatus.NEW)]

    def create_orders(self, requests: Sequence[OrderRequest]) -> Any:
        return self.answer(requests)

    def cancel_orders(self, order_ids: Sequence[int], symbol: str) -> Any:
        return self.answer(order_ids)


@pytest.mark.parametrize("most", range(4))
@pytest.mark.parametrize("what", ["orders", "cancellations"])
@pytest.mark.parametrize("raises", [False, True])
def test_who_is_told_to_stay_away_asks_no_more_in_this_turn(
    most: int, what: str, raises: bool
) -> None:
    busy = Busy(most, raises)
    gate = Gate(busy, lambda: "")  # type: ignore[arg-type]
    sent = (
        gate.create_orders(requests()) if what == "orders" else gate.cancel_orders([1, 2, 3], "X")
    )
    assert busy.asked == min(most + 1, 3)
    assert [isinstance(each, OrderUpdate) for each in sent] == [n < most for n in range(3)]
    for unsent in sent[most + 1 :]:
        assert not isinstance(unsent, (OrderUpdate, NetworkError))
        assert str(unsent) == "not sent: the venue is asked too often"
    told = most < 3
    assert gate.wait_ms == (7_000 if told else None)
    assert (len(gate.create_orders(requests())), busy.asked) == (3, most + 1 if told else 4)
    gate.begin()
    assert gate.wait_ms is None
    before = busy.asked
    gate.cancel_orders([1], "X")
    assert busy.asked == before + 1


@pytest.mark.parametrize("in_time", range(4))
def test_what_was_noted_too_long_ago_does_not_go_out(in_time: int) -> None:
    """As in a process that is stopped after so many of a batch, and goes on a minute later."""
    exchange, now = PaperExchange(VirtualClock(), "X"), [0.0]

    def stop(_: object) -> None:
        if len(exchange.fetch_open_orders("X")) == in_time:
            now[0] += 60

    gate = Gate(exchange, lambda: "", stop, 3.0, lambda: now[0])
    now[0] += 60 * (in_time == 0)
    answers = gate.create_orders(requests())
    working = list(exchange.fetch_open_orders("X"))
    assert [each.price for each in working] == PRICES[:in_time]
    for answer in answers[in_time:]:
        assert isinstance(answer, ExchangeError)
        assert not isinstance(answer, NetworkError)
    assert (gate.taken, gate.refused) == (in_time, 0)
    # Nor are orders taken away that another process may rely on.
    ids = [each.order_id for each in working if each.order_id is not None]
    gate.cancel_orders(ids, "X")
    assert [each.order_id for each in exchange.fetch_open_orders("X")] == ids
    gate.begin()
    gate.cancel_orders(ids, "X")
    assert not exchange.fetch_open_orders("X")
