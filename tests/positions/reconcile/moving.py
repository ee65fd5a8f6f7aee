"""A world in which everything moves while the reconciler looks, and the measure of harm in it.

A small exact model of an exchange, of the messages under way to and from it, and of the clock.
What a pass writes is judged at once: *were everything in flight delivered now*, would the local
state be further from the exchange's with it than without it? The rule that the reconciler
replaces (missing means cancelled, overwrite the position) is here, too.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from cowstate import Commit
from cowstate.positions import (
    ActionKind,
    ActionOutcome,
    ActionResult,
    CorrectionKind,
    GridConfig,
    InventorySlot,
    Listing,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionReport,
    ReconcilePolicy,
    Reconciler,
    Side,
    Slots,
    SlotStatus,
    TradeReport,
    VenuePromises,
    apply_order_update,
    parse_client_oid,
)
from cowstate.positions.book.ledger import Ledger
from cowstate.positions.errors import (
    NetworkError,
    OrderMismatchError,
    OrderNotFoundError,
    RetiredOrderError,
    ShortfallError,
)

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 3, "grid")
PROMISES = VenuePromises.exact(lifetime_ms=1_000)
POLICY = ReconcilePolicy(
    small_part=Decimal("0.6"), hour_part=Decimal(1), looks=1, lasting_ms=0, repeats=0
)
LOT = Decimal("0.1")
ZERO = Decimal(0)
Op = tuple[str, int]
Distance = tuple[int, Decimal]
OPS = (
    ["reconcile"] * 8
    + ["plan"] * 3
    + ["arrive"] * 5
    + ["fill"] * 6
    + ["deliver"] * 8
    + ["double", "lose", "lose_request", "expire", "ours", "foreign", "cancel_all"]
    + ["drift"] * 2
    + ["calm"] * 4
    + ["tick"] * 5
)


class World:
    """An exchange, the line to it, and the manager at this end of it."""

    def __init__(self, ops: Sequence[Op], rule: type[Any] = Reconciler) -> None:
        self.now = 100_000
        self.ops = deque(ops)
        self.orders: dict[str, OrderUpdate] = {}
        self.promises = PROMISES
        self.position = ZERO
        self.drifted = self.seen_drifted = ZERO
        self.trades: list[TradeReport] = []
        self.requests: list[tuple[int, OrderAction]] = []
        self.events: list[OrderUpdate] = []
        self.harm: list[str] = []
        self.corrections: Counter[CorrectionKind] = Counter()
        self.judging = False
        self.pace = 0
        self.manager = PositionManager(CONFIG, history=0, time_ms=lambda: self.now)
        self.manager.initialize(Decimal(135))
        self.manager.store.subscribe(self.judge)
        self.reconciler = rule(self.manager, self, policy=POLICY, time_ms=lambda: self.now)

    # What happens

    def run(self) -> None:
        while self.ops:
            self.step(*self.ops.popleft())

    def step(self, name: str, number: int) -> None:
        if name == "reconcile":
            self.reconcile((0, 1, 1, 3)[number % 4])
        elif name == "tick":
            self.now += (20, 150, 400, 1_200)[number % 4]
        else:
            getattr(self, name)(number)

    def calm(self, number: int) -> None:
        """Nothing moves for a while: all that is under way arrives, and passes find rest."""
        while self.requests:
            self.arrive(0)
        while self.events:
            self.deliver(0)
        for _ in range(3):
            self.now += 1_500
            self.reconcile()

    def reconcile(self, pace: int = 0) -> Any:
        if self.judging:
            return None
        self.pace, self.judging = pace, True
        try:
            report = self.reconciler.reconcile()
        finally:
            self.judging = False
        self.reconciler.resume(self.reconciler.breaker.state("X").reason)
        self.corrections.update(correction.kind for correction in report.corrections)
        return report

    def meanwhile(self) -> None:
        self.judging, judging = False, self.judging
        for _ in range(self.pace):
            if self.ops:
                name, number = self.ops.popleft()
                if name != "reconcile":
                    self.step(name, number)
        self.judging = judging

    def plan(self, number: int) -> None:
        for action in self.manager.calculate_adjustments(Decimal(95 + 10 * (number % 5))):
            self.requests.append((self.now, action))

    def cancel_all(self, number: int) -> None:
        for action in self.manager.cancel_all_buy_orders()[: number % 3]:
            self.requests.append((self.now, action))

    def arrive(self, number: int) -> None:
        if self.requests:
            sent, action = self.requests.pop(number % len(self.requests))
            update = None
            if self.now <= sent + PROMISES.lifetime_ms:
                update = arrived(self.orders, action, len(self.orders) + 1, self.now)
            if update is None:
                self.no_answer(action)
            self.emit(update)

    def fill(self, number: int) -> None:
        if resting := alive(self.orders.values()):
            order = resting[number % len(resting)]
            quantity = min(((number // 7) % 5 + 1) * LOT, order.quantity - order.filled)
            filled = order.filled + quantity
            full = filled == order.quantity
            self.position += order.side.sign * quantity
            self.trades.append(order_trade(order, quantity, len(self.trades), self.now))
            self.emit(
                order.replace(
                    status=OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED,
                    filled=filled,
                    cost=filled * order.price,
                    time_ms=self.now,
                )
            )

    def expire(self, number: int) -> None:
        if resting := alive(self.orders.values()):
            order = resting[number % len(resting)]
            self.emit(order.replace(status=OrderStatus.EXPIRED, time_ms=self.now))

    def drift(self, number: int) -> None:
        # Of a size that no fills add up to: what looks the same nobody can tell apart.
        moved = (LOT + Decimal(number) / 10_000) * (number % 3 - 1)
        self.position += moved
        self.drifted += moved

    def ours(self, number: int) -> None:
        """Place an order with an id of ours of which nothing is known here."""
        price = Decimal(70 + 10 * (number % 9))
        oid = f"grid-{price}-B{100 + len(self.orders)}"
        action = OrderAction(ActionKind.PLACE, str(price), Side.BUY, price, Decimal("0.5"), oid)
        self.emit(arrived(self.orders, action, len(self.orders) + 1, self.now))

    def foreign(self, number: int) -> None:
        action = OrderAction(ActionKind.PLACE, "", Side.BUY, Decimal(50), LOT, f"web_{number}")
        if f"web_{number}" not in self.orders:
            self.emit(arrived(self.orders, action, len(self.orders) + 1, self.now))

    def emit(self, update: OrderUpdate | None) -> None:
        if update is not None:
            self.orders[update.client_oid] = update
            self.events.append(update)

    def deliver(self, number: int) -> None:
        if self.events:
            self.manager.on_order_update(self.events.pop(number % len(self.events)))

    def double(self, number: int) -> None:
        if self.events:
            self.manager.on_order_update(self.events[number % len(self.events)])

    def lose(self, number: int) -> None:
        if self.events:
            self.events.pop(number % len(self.events))

    def lose_request(self, number: int) -> None:
        if self.requests:
            self.no_answer(self.requests.pop(number % len(self.requests))[1])

    def no_answer(self, action: OrderAction) -> None:
        self.manager.apply_action_results([ActionResult(action, ActionOutcome.UNKNOWN)])

    # The exchange, as the reconciler sees it: things happen before and after every answer

    def answer(self, make: Any) -> Any:
        self.meanwhile()
        if self.pace and self.ops and self.ops[0][1] % 11 == 0:
            raise NetworkError("no answer")
        result = make()
        self.meanwhile()
        return result

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        result: Listing[OrderUpdate] = self.answer(
            lambda: Listing(tuple(alive(self.orders.values())), answered_ms=self.now)
        )
        return result

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        told: tuple[Decimal, Decimal, int] = self.answer(
            lambda: (self.position, self.drifted, self.now)
        )
        position, self.seen_drifted, now = told
        return Listing((PositionReport("X", position),), answered_ms=now)

    def fetch_order(self, order_id: int | None, symbol: str, client_oid: str | None) -> OrderUpdate:
        def find() -> OrderUpdate | None:
            named = (each for each in self.orders.values() if each.order_id == order_id)
            return self.orders.get(client_oid) if client_oid else next(named, None)

        order: OrderUpdate | None = self.answer(find)
        if order is None:
            raise OrderNotFoundError(str(client_oid))
        return order

    def fetch_my_trades(
        self, symbol: str, since_ms: int, cursor: str | None = None
    ) -> Listing[TradeReport]:
        result: Listing[TradeReport] = self.answer(
            lambda: Listing(
                tuple(each for each in self.trades if each.time_ms >= since_ms),
                answered_ms=self.now,
            )
        )
        return result

    def cancel_order(self, order_id: int, symbol: str) -> OrderUpdate:
        def cancel() -> OrderUpdate | None:
            for order in alive(self.orders.values()):
                if order.order_id == order_id:
                    without = self.distance(self.manager.snapshot())
                    self.emit(order.replace(status=OrderStatus.CANCELED, time_ms=self.now))
                    self.compare(without, self.distance(self.manager.snapshot()), "cancellation")
                    return self.orders[order.client_oid]
            return None

        answer: OrderUpdate | None = self.answer(cancel)
        if answer is None:
            raise OrderNotFoundError(str(order_id))
        return answer

    # The measure

    def judge(self, commit: Commit[str, InventorySlot]) -> None:
        if self.judging:
            without, with_it = self.distance(commit.before), self.distance(commit.after)
            self.compare(without, with_it, repr(commit.changes))

    def compare(self, without: Distance, with_it: Distance, what: str) -> None:
        if any(after > before for before, after in zip(without, with_it, strict=True)):
            self.harm.append(f"{without} -> {with_it}: {what}")

    def distance(self, slots: Slots) -> Distance:
        """Return how far *slots* would be from the exchange, were everything delivered.

        The position is compared cause by cause: errors that happen to cancel out are errors. What
        somebody has done by hand since the position was told, and no answer can show, is put back.
        """
        local, orders, events = dict(slots), dict(self.orders), list(self.events)
        for sent, action in self.requests:
            if self.now <= sent + PROMISES.lifetime_ms:
                update = arrived(orders, action, len(orders) + 1, self.now)
                if update is not None:
                    orders[update.client_oid] = update
                    events.append(update)
        for event in events:
            parts = parse_client_oid(event.client_oid, "grid")
            if parts is not None:
                slot = local.get(parts.slot) or InventorySlot(Decimal(parts.slot))
                try:
                    local[parts.slot] = apply_order_update(slot, event)
                except (OrderMismatchError, RetiredOrderError):
                    pass
        known = {order.client_oid: order for slot in local.values() for order in slot.orders}
        here = {oid for oid, order in known.items() if not order.terminal}
        ours = [order for order in orders.values() if is_ours(order)]
        there = {order.client_oid for order in alive(ours)}
        beside = slots.meta.unattributed + slots.meta.ledger.others_total
        seen = self.position - (self.drifted - self.seen_drifted)
        unexplained = seen - beside - sum((slot.position_qty for slot in local.values()), ZERO)
        missed = ZERO
        for order in ours:
            counted = ZERO
            parts = parse_client_oid(order.client_oid, "grid")
            slot = local.get(parts.slot) if parts else None
            if order.client_oid in known:
                counted = known[order.client_oid].filled
            elif parts and slot and parts.sequence <= slot.retired_sequence:
                counted = order.filled
            unexplained -= order.side.sign * (order.filled - counted)
            missed += abs(order.filled - counted)
        return len(here ^ there), missed + abs(unexplained - self.untold(slots.meta.ledger))

    def untold(self, ledger: Ledger) -> Decimal:
        """What others traded and the list of trades has still to tell: to learn it is no harm."""
        known = {entry.trade_id for entry in ledger.entries}
        return sum(
            (
                trade.moved
                for trade in self.trades
                if parse_client_oid(trade.client_oid or "", "grid") is None
                and trade.time_ms >= ledger.since_ms
                and trade.trade_id not in known
            ),
            ZERO,
        )


def alive(orders: Any) -> list[OrderUpdate]:
    return [order for order in orders if not order.status.terminal]


def order_trade(order: OrderUpdate, quantity: Decimal, number: int, now: int) -> TradeReport:
    order_id, side = order.order_id or 0, order.side
    return TradeReport(number, order_id, order.client_oid, "X", side, order.price, quantity, now)


def is_ours(order: OrderUpdate) -> bool:
    return parse_client_oid(order.client_oid, "grid") is not None


def arrived(
    orders: Mapping[str, OrderUpdate], action: OrderAction, order_id: int, now: int
) -> OrderUpdate | None:
    """Return what a request that arrives now makes of its order; None for nothing."""
    order = orders.get(action.client_oid)
    if action.kind is ActionKind.CANCEL:
        if order is None or order.status.terminal:
            return None
        return order.replace(status=OrderStatus.CANCELED, time_ms=now)
    if order is not None:
        return None
    return OrderUpdate(
        "X", action.client_oid, order_id, action.side, action.price, action.quantity,
        OrderStatus.NEW, time_ms=now,
    )  # fmt: skip


class OriginalRule(Reconciler):
    """What the reconciler replaces: missing means cancelled, and the position is overwritten."""

    def __init__(self, manager: PositionManager, world: World, **options: Any) -> None:
        super().__init__(manager, world, **options)
        self.manager = manager
        self.world = world

    def reconcile(self) -> Any:
        before = self.manager.snapshot()
        try:
            listed = {order.client_oid for order in self.world.fetch_open_orders("X")}
            (position,) = self.world.fetch_positions(["X"])
        except NetworkError:
            return super().reconcile()
        for key, slot in before.items():
            order = slot.working
            if order is None or slot.slot_status is SlotStatus.PENDING:
                continue
            if order.client_oid not in listed:
                over = order.replace(status=OrderStatus.CANCELED)
                freed = slot.replace(working=None, tail=(*slot.tail, over))
                self.manager.store.set(key, freed)
        if before.total("position") != position.quantity:
            try:
                self.manager.force_sync(position.quantity)
            except ShortfallError:
                pass
        return super().reconcile()


def random_ops(seed: int, count: int = 120) -> list[Op]:
    random = Random(seed)
    return [(random.choice(OPS), random.randrange(1_000)) for _ in range(count)]
