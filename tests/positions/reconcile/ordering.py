"""A small world of orders: a venue that hides, lags, forgets and is edited by hand, and a book.

The venue keeps its promises and uses all of them. Requests may be lost or late, events of the
stream lost or late, answers may not come; the book may be set back to an older state.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from cowstate.positions import (
    GridConfig,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    Side,
    TradeReport,
)
from cowstate.positions.book import facts
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ids import client_order_id, parse_client_oid
from cowstate.positions.book.ledger import Ledger
from cowstate.positions.book.orders import apply_order_update, drop_forgotten, open_order
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.errors import RetiredOrderError
from cowstate.positions.exchange.promises import FOREVER, VenuePromises
from cowstate.positions.reconcile import orderfacts, queries
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.looks import TradesReading, complete_until
from cowstate.positions.reconcile.queries import OrderAnswer, OrdersSeen, Query
from cowstate.positions.reconcile.standing import HeldOrder, Standing, remembered, standing_of

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
PRICES = (100, 110, 120)
LOT = Decimal(3)
MOST = 40
"""How many orders a slot may have had: of most it forgets the first ones."""


class VenueOrder:
    """One order at the venue: what it was from when on."""

    def __init__(self, update: OrderUpdate, now: int, hidden_until: int) -> None:
        self.history = [(now, update)]
        self.hidden_until = hidden_until
        self.born = now

    @property
    def now(self) -> OrderUpdate:
        return self.history[-1][1]

    @property
    def alive(self) -> bool:
        return not self.now.status.terminal

    def at(self, moment: int) -> OrderUpdate | None:
        shown = [update for when, update in self.history if when <= moment]
        return shown[-1] if shown else None

    def become(self, now: int, **changes: Any) -> OrderUpdate:
        self.history.append((now, self.now.replace(time_ms=now, **changes)))
        return self.now


class World:
    """The world as it runs. What is told of the venue may be *bold*: it hides orders for longer."""

    def __init__(self, seed: int, bold: bool = False) -> None:
        self.random = random = Random(seed)
        self.bold = bold
        pick = random.choice
        self.promises = VenuePromises.exact(
            open_orders_lag_ms=pick([0, 0, 50]),
            order_lag_ms=pick([0, 0, 30]),
            trades_lag_ms=pick([0, 0, 40]),
            hidden_ms=pick([0, 60]),
            lifetime_ms=100,
            kept_ms=pick([FOREVER, 0, 80]),
            ids_unique_ms=pick([FOREVER, FOREVER, 0]),
            trades_carry_client_ids=pick([True, False]),
        )
        if bold:
            self.promises = self.promises.replace(hidden_ms=200, kept_ms=FOREVER)
        self.told = self.promises.replace(hidden_ms=0, lifetime_ms=9) if bold else self.promises
        self.now = 1_000
        self.orders: dict[int, VenueOrder] = {}
        self.trades: list[TradeReport] = []
        self.position = Decimal(0)
        self.requests: list[tuple[int, str, Side, Decimal]] = []
        self.events: list[OrderUpdate] = []
        self.manager = PositionManager(CONFIG, history=0, time_ms=lambda: self.now)
        self.ledger = Ledger()
        self.findings = Findings()
        self.saved: Any = None
        self.save(0)
        self.quiet = False

    def chance(self, part: float) -> bool:
        return not self.quiet and self.random.random() < part

    # What happens

    def run(self, steps: int) -> None:
        happenings: list[tuple[Callable[[int], None], int]] = [
            (self.place, 8),
            (self.arrive, 8),
            (self.fill, 10),
            (self.cancel, 3),
            (self.edit, 1),
            (self.deliver, 10),
            (self.tick, 12),
            (self.run_pass, 8),
            (self.save, 1),
            (self.restart, 1),
        ]
        kinds = [each for each, _ in happenings]
        weights = [weight for _, weight in happenings]
        for _ in range(steps):
            (happening,) = self.random.choices(kinds, weights)
            happening(self.random.randrange(1_000))

    def rest(self) -> None:
        """Nothing happens any more but passes, until all that lags has come."""
        self.quiet = True
        while self.requests:
            self.arrive(0)
        for _ in range(12):
            self.now += 40
            self.run_pass(0)

    def tick(self, number: int) -> None:
        self.now += (1, 5, 20, 45, 120)[number % 5]
        self.requests = [each for each in self.requests if self.now - each[0] <= 100]

    def place(self, number: int) -> None:
        price = PRICES[number % 3]
        slot = self.manager.snapshot().get(str(price)) or InventorySlot(Decimal(price))
        if slot.working is not None or slot.last_sequence >= MOST:
            return
        side = Side.BUY if number % 2 else Side.SELL
        name = client_order_id("grid", price, side, slot.last_sequence + 1)
        with self.manager.store.transaction() as tx:
            tx[slot.key] = open_order(slot, side, Decimal(price), LOT, name, self.now)
        if not self.chance(0.15):
            self.requests.append((self.now, name, side, Decimal(price)))

    def arrive(self, number: int) -> None:
        if not self.requests:
            return
        sent, name, side, price = self.requests.pop(number % len(self.requests))
        if self.now - sent > self.promises.lifetime_ms:
            return
        same = [each for each in self.orders.values() if each.now.client_oid == name]
        if any(each.alive for each in same) or (same and self.promises.ids_unique_ms):
            return  # refused, and the answer does not come
        number = len(self.orders) + 1
        update = OrderUpdate("X", name, number, side, price, LOT, OrderStatus.NEW, time_ms=self.now)
        hidden = self.now + self.random.randint(0, self.promises.hidden_ms)
        self.orders[number] = VenueOrder(update, self.now, hidden)
        self.events.append(update)

    def alive(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.alive]

    def fill(self, number: int) -> None:
        alive = self.alive()
        if not alive:
            return
        order = alive[number % len(alive)]
        now = order.now
        quantity = min(Decimal(1 + number % 2), now.quantity - now.filled)
        filled = now.filled + quantity
        full = filled == now.quantity
        status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
        cost = now.cost + quantity * now.price
        self.position += now.side.sign * quantity
        self.trades.append(
            TradeReport(
                len(self.trades),
                now.order_id,
                now.client_oid if self.promises.trades_carry_client_ids else None,
                "X",
                now.side,
                now.price,
                quantity,
                self.now,
            )
        )
        self.events.append(order.become(self.now, filled=filled, status=status, cost=cost))

    def cancel(self, number: int) -> None:
        alive = self.alive()
        if alive:
            order = alive[number % len(alive)]
            self.events.append(order.become(self.now, status=OrderStatus.CANCELED))

    def edit(self, number: int) -> None:
        """By hand: another price, or less of it."""
        alive = self.alive()
        if not alive:
            return
        order = alive[number % len(alive)]
        if number % 2:
            self.events.append(order.become(self.now, price=order.now.price + 1))
        elif order.now.filled < 2:
            self.events.append(order.become(self.now, quantity=Decimal(2)))

    def deliver(self, number: int) -> None:
        """An event of the stream comes, in any order, or is lost."""
        if self.events:
            event = self.events.pop(number % len(self.events))
            if not self.chance(0.3):
                self.manager.on_order_update(event)

    def save(self, _: int) -> None:
        self.saved = (self.manager.snapshot(), self.ledger, self.findings)

    def restart(self, _: int) -> None:
        slots, self.ledger, self.findings = self.saved
        self.manager.restore_state(slots)

    # A pass

    def shown(self, lag: int) -> int:
        return self.now - self.random.randint(0, lag)

    def seen_at(self, order: VenueOrder, moment: int) -> OrderUpdate | None:
        """What an answer of *moment* shows, None where it is hidden, purged, or not there yet."""
        update = order.at(moment)
        if update is None or (self.now < order.hidden_until and self.chance(0.7)):
            return None
        over = order.history[-1][0]
        if update.status.terminal and self.now - over > self.promises.kept_ms:
            return None
        return update.replace(time_ms=self.now)

    def listing(self) -> tuple[OrderUpdate, ...]:
        moment = self.shown(self.promises.open_orders_lag_ms)
        shown = [self.seen_at(order, moment) for order in self.orders.values()]
        return tuple(each for each in shown if each is not None and not each.status.terminal)

    def answer(self, query: Query) -> OrderAnswer | None:
        if self.chance(0.2):
            return None
        moment = self.shown(self.promises.order_lag_ms)
        if query.order_id is not None:
            found = [self.orders[query.order_id]]
        else:
            found = [
                each for each in self.orders.values() if each.now.client_oid == query.client_oid
            ]
        asked = self.now
        for order in reversed(found):
            update = self.seen_at(order, moment)
            if update is not None:
                return OrderAnswer(query, asked, Said.TOLD, update)
        return OrderAnswer(query, asked, Said.NOT_FOUND)

    def read_trades(self) -> None:
        moment = self.shown(self.promises.trades_lag_ms)
        reading = TradesReading(self.now, True)
        listed = [trade for trade in self.trades if trade.time_ms <= moment]

        def ours(trade: TradeReport) -> bool | None:
            if trade.client_oid is None:
                known = self.manager.snapshot().find_key("order_id", trade.order_id)
                return None if known is None else True
            return parse_client_oid(trade.client_oid, "grid") is not None

        ledger, _ = self.ledger.absorbed(listed, ours=ours)
        self.ledger = ledger.read(complete_until(reading, self.promises))

    def run_pass(self, number: int) -> None:
        slots = self.manager.snapshot()
        seen = OrdersSeen(self.now)
        if not self.chance(0.15):
            complete = not self.chance(0.2)
            listed = self.listing()
            if not complete:
                listed = listed[:1]
            seen = OrdersSeen(self.now, listed, self.now, complete)
        self.read_trades()
        asked = queries.plan_queries(
            slots,
            seen,
            self.ledger,
            self.findings,
            CONFIG,
            self.told,
            40 if self.quiet else 1 + number % 4,
        )
        self.findings = self.findings.asking([query.name for query in asked], self.now)
        answers = tuple(answer for query in asked if (answer := self.answer(query)) is not None)
        if self.chance(0.2):
            self.deliver(number)
        found = orderfacts.plan_facts(
            slots,
            seen.replace(answers=answers),
            self.ledger,
            self.findings,
            CONFIG,
            self.told,
        )
        self.apply(found)

    def apply(self, found: orderfacts.OrderFacts) -> None:
        before, self.findings = self.findings, found.findings
        for update in found.join:
            self.check_fact(update)
            self.learn(update)
        for ending in found.endings:
            self.end(ending)
        for update in found.cancel:
            assert update.order_id is not None
            order = self.orders[update.order_id]
            ghost = before.ghost(update.order_id)
            since = self.now if ghost is None else ghost.since_ms
            assert order.alive or order.history[-1][0] > since, "cancelled, and over long ago"
            held = self.manager.snapshot().find("order_id", update.order_id)
            if held is not None:
                (known,) = (each for each in held.orders if each.order_id == update.order_id)
                assert known.terminal, "an order at work here was to be cancelled"
            if order.alive:
                self.events.append(order.become(self.now, status=OrderStatus.CANCELED))
        for claim in found.claims:
            self.ledger = self.ledger.claimed(claim.tally, claim.ours, claim.client_oid)
        with self.manager.store.transaction() as tx:
            for key, names in found.dropped:
                tx[key] = drop_forgotten(tx[key], names)
        for tally in found.gone:
            self.ledger = self.ledger.given_up(tally)
        for fold in found.folds:
            self.ledger = self.ledger.folded(fold.tally, fold.counted)

    def learn(self, update: OrderUpdate) -> None:
        parts = parse_client_oid(update.client_oid, "grid")
        assert parts is not None
        with self.manager.store.transaction() as tx:
            slot = tx.get(parts.slot) or InventorySlot(Decimal(parts.slot))
            try:
                tx[parts.slot], disputes = facts.learn(slot, update, self.now)
            except RetiredOrderError:
                return  # forgotten since that was planned
        for dispute in disputes:
            self.findings = self.findings.disputed(dispute)

    def check_fact(self, update: OrderUpdate) -> None:
        assert update.order_id is not None
        there = self.orders[update.order_id].now
        assert update.filled <= there.filled
        assert not update.status.terminal or there.status.terminal or there.price != update.price

    def end(self, ending: orderfacts.Ending) -> None:
        name = ending.order.client_oid
        key = self.manager.snapshot().find_key("client_oid", name)
        if key is None:
            return
        slot = self.manager.snapshot()[key]
        if not any(each is ending.order for each in slot.orders):
            return
        if ending.order.order_id is None:
            there = [each for each in self.orders.values() if each.now.client_oid == name]
            waiting = [sent for sent, each, *_ in self.requests if each == name]
            still = [sent for sent in waiting if self.now - sent <= self.promises.lifetime_ms]
        else:
            there, still = [self.orders[ending.order.order_id]], []
        born = [each for each in there if each.born >= ending.order.time_ms]
        if not self.bold:
            assert not any(each.alive for each in born), "given up, and it works"
            assert not still, "given up, and it is on its way"
        with self.manager.store.transaction() as tx:
            tx[key] = apply_order_update(tx[key], ending.update)

    def standing(self) -> Standing:
        slots = self.manager.snapshot()
        orders = [HeldOrder(*each) for each in remembered(slots)]
        return standing_of(self.ledger, slots.total("position"), orders)

    # The truth, when all is at rest

    def check_rest(self) -> None:
        slots = self.manager.snapshot()
        for slot in slots.values():
            for order in slot.orders:
                if order.order_id is None:
                    assert order.terminal, "an order that never came is still waited for"
                    continue
                there = self.orders[order.order_id]
                assert order.terminal is not there.alive
                assert order.filled == there.now.filled
        for slot in slots.values():
            assert not slot.forgotten, "the list of trades has passed all of them"
        for number, there in self.orders.items():
            if there.alive:
                held = slots.find("order_id", number)
                assert held is not None, "an order works there and is unknown here"
        standing = self.standing()
        assert standing.accounted == self.position
        assert standing.ahead == 0
        # Where trades name no client id, and an order is purged before it was ever told, nobody
        # can know that it was ours. It is accounted for all the same.
        kept = self.promises.kept_ms == FOREVER and not self.bold
        if self.promises.trades_carry_client_ids or kept:
            assert standing.others == 0
