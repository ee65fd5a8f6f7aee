"""A position is closed: purchases are cancelled, and what is held is sold at the market."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import (
    ActionKind,
    GridConfig,
    InventorySlot,
    PaperExchange,
    Permit,
    PositionManager,
    Side,
    Trade,
    VirtualClock,
)
from cowstate.positions.book.store import new_book
from cowstate.positions.trading.flatten import plan_flatten
from cowstate.positions.trading.strategy import GridStrategy

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 3, "grid")
PRICE = Decimal(105)
CLOSED = Permit(trade=False, flatten=True, why="a liquidation")
HALTED = Permit(trade=False, why="a divergence")


class Desk:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.exchange = PaperExchange(self.clock, "X", latency_ms=5)
        self.manager = PositionManager(CONFIG, time_ms=lambda: self.clock.now_ms)
        self.exchange.subscribe(self.manager.on_order_update)
        self.permit = Permit()
        self.strategy = GridStrategy(
            self.manager, self.exchange, lambda: self.clock.now_ms, lambda: self.permit
        )

    def trade(self, price: int, quantity: str) -> None:
        self.exchange.on_trade(
            Trade(self.clock.now_ms, 1, Decimal(price), Decimal(quantity), buyer_is_maker=True)
        )
        self.clock.run_until(self.clock.now_ms + 100)

    def held(self) -> Decimal:
        total: Decimal = self.manager.snapshot().total("position")
        return total


def test_while_trading_is_not_permitted_nothing_is_sent() -> None:
    desk = Desk()
    desk.permit = HALTED
    assert desk.strategy.step(PRICE) == 0
    assert desk.exchange.audit().orders == ()
    desk.permit = Permit()
    assert desk.strategy.step(PRICE) == 3


def test_a_position_is_closed_by_a_few_steps_and_then_nothing_is_left_to_do() -> None:
    desk = Desk()
    desk.strategy.step(PRICE)
    desk.trade(80, "2")
    desk.strategy.step(PRICE)
    assert desk.held() == Decimal("1.5")
    desk.permit = CLOSED
    for _ in range(4):
        desk.strategy.step(PRICE)
        # Somebody buys what is offered: the resting sales are gone by then.
        desk.exchange.on_trade(Trade(desk.clock.now_ms, 1, PRICE, Decimal(5), buyer_is_maker=False))
        desk.clock.run_until(desk.clock.now_ms + 100)
    assert desk.held() == 0
    assert desk.strategy.step(PRICE) == 0
    assert desk.exchange.audit().open_orders == ()
    assert desk.exchange.audit().position == 0


quantities = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(quantities, st.integers(-3, 1), st.integers(20, 200))
def test_no_more_is_offered_than_is_held_and_nothing_is_bought(
    held: list[int], beside: int, price: int
) -> None:
    slots = {
        str(100 + 10 * place): InventorySlot(Decimal(100 + 10 * place), Decimal(quantity))
        for place, quantity in enumerate(held)
    }
    book = new_book(slots)
    book.update_meta(lambda account: account.corrected(Decimal(beside), 0))
    actions = plan_flatten(book.snapshot(), Decimal(price), CONFIG)
    assert {action.kind for action in actions} <= {ActionKind.PLACE}
    assert {action.side for action in actions} <= {Side.SELL}
    offered = sum((action.quantity for action in actions), Decimal(0))
    assert offered == max(sum(held) + min(beside, 0), 0)
    assert all(0 < action.price <= price for action in actions)
