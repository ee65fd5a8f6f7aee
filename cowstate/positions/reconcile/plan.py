"""What a look at the exchange means: pure plans of (before, after, what it said, policy).

Nothing here talks to anybody. `plan_orders` says which orders are in doubt, which facts are to
be joined, what is to be cancelled or reported, and of which slots nothing can be said now.
`plan_position` compares the totals, and only when nothing is open: every fill that the
exchange's position contains is then known here, so what remains is a divergence and no delay.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from cowstate import ArgumentValueError, Record

from ..book.config import GridConfig
from ..book.ids import ClientOid, parse_client_oid, split_client_oid
from ..book.model import EXACT, OrderId, OrderStatus, OrderUpdate, Side, check_amount, check_count
from ..book.orders import join_order
from ..book.reports import TradeReport
from ..book.slots import InventorySlot, Order
from ..book.store import Slots
from ..errors import OrderMismatchError

__all__ = [
    "Answer",
    "Divergence",
    "ExchangeView",
    "Look",
    "OrderPlan",
    "OrderQuery",
    "PositionPlan",
    "PositionVerdict",
    "ReconcilePolicy",
    "plan_orders",
    "plan_position",
]

_ZERO = Decimal(0)


class ReconcilePolicy(Record):
    """When the reconciler judges, and what it may do. Checked when made, by `replace` too.

    Attributes:
        auto_correct_below: a divergence under this part of the larger of the two positions
            is corrected, one at or above it opens the circuit breaker. From 0 to 1.
        grace_ms: a slot of which something happened so recently is not judged: parts of the
            exchange may not have heard of it yet.
        request_lifetime_ms: the exchange refuses a request that arrives later than this (its
            receive window). A PENDING order that it does not know after that will never come.
        passes: in how many judged passes in a row the same divergence must be found.
        trades_back_ms: how far back our trades are searched for what explains a divergence.

    Raises:
        AmountTypeError, AmountValueError: the threshold is no `Decimal`, or not from 0 to 1.
        ArgumentTypeError, ArgumentValueError: another field is no int, or too small.

    >>> ReconcilePolicy(passes=2).auto_correct_below
    Decimal('0.05')
    """

    auto_correct_below: Decimal = Decimal("0.05")
    grace_ms: int = 2_000
    request_lifetime_ms: int = 60_000
    passes: int = 3
    trades_back_ms: int = 86_400_000

    def __post_init__(self) -> None:
        check_amount("auto_correct_below", self.auto_correct_below)
        if self.auto_correct_below > 1:
            raise ArgumentValueError(
                f"auto_correct_below is {self.auto_correct_below}; it is a part, from 0 to 1 "
                "(5 % is Decimal('0.05'))"
            )
        for name, least in (
            ("grace_ms", 0),
            ("request_lifetime_ms", self.grace_ms),
            ("passes", 1),
            ("trades_back_ms", 0),
        ):
            check_count(name, getattr(self, name), least)


class Look(Record):
    """What the exchange listed at one look: the open orders, then the position (signed)."""

    open_orders: tuple[OrderUpdate, ...]
    position: Decimal

    def agrees_with(self, other: Look) -> bool:
        """Whether both show the same orders, equally filled, and the same position.

        Filled quantities never fall, so whatever two agreeing looks both show was so at every
        moment between them.
        """
        return self.position == other.position and self._filled() == other._filled()

    def _filled(self) -> dict[str, tuple[OrderStatus, Decimal]]:
        return {order.client_oid: (order.status, order.filled) for order in self.open_orders}


class Answer(Record):
    """What the exchange said of one order that was asked for; None: there is no such order.

    Where it said nothing at all there is no answer.
    """

    client_oid: str
    update: OrderUpdate | None


class ExchangeView(Record):
    """Everything that the exchange said in one pass.

    *time_ms* is our clock when the pass began. *second* is another look, after the answers
    and the *trades*; a pass that finds no divergence needs neither.
    """

    time_ms: int
    first: Look
    answers: tuple[Answer, ...] = ()
    trades: tuple[TradeReport, ...] = ()
    second: Look | None = None


class OrderQuery(Record):
    """One order in doubt: to be asked for by the exchange's id, or by ours where that is None."""

    client_oid: str
    order_id: OrderId | None


class OrderPlan(Record):
    """What is to be done about orders.

    Attributes:
        query: orders in doubt of which no answer is there yet.
        join: facts that tell something new.
        adopted: client ids of PENDING orders that turn out, by *join*, to exist.
        expired: orders that were sent so long ago, and are unknown to the exchange, that they
            will never arrive; as the update that says so.
        cancel: orders of ours that the exchange lists and that should not exist.
        foreign: listed orders of somebody else.
        denied: client ids of orders that the exchange once acknowledged and now does not know.
        unsettled: keys of slots about which nothing can be said now.
    """

    query: tuple[OrderQuery, ...] = ()
    join: tuple[OrderUpdate, ...] = ()
    adopted: tuple[str, ...] = ()
    expired: tuple[OrderUpdate, ...] = ()
    cancel: tuple[OrderUpdate, ...] = ()
    foreign: tuple[OrderUpdate, ...] = ()
    denied: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether all facts are in and no slot is in motion, so that positions compare."""
        return not (
            self.query or self.join or self.expired or self.cancel or self.denied or self.unsettled
        )


class _Planner:
    """One run of `plan_orders`: what was found so far."""

    def __init__(
        self,
        before: Slots,
        after: Slots,
        view: ExchangeView,
        config: GridConfig,
        policy: ReconcilePolicy,
    ) -> None:
        self.after = after
        self.view = view
        self.config = config
        self.policy = policy
        self.listed = {order.client_oid: order for order in self._under_our_ids(view)}
        self.answers = {answer.client_oid: answer.update for answer in view.answers}
        self.unsettled: dict[str, None] = dict.fromkeys(after.diff(before))
        self.query: dict[str, OrderQuery] = {}
        self.join: list[OrderUpdate] = []
        self.adopted: list[str] = []
        self.expired: list[OrderUpdate] = []
        self.cancel: list[OrderUpdate] = []
        self.foreign: list[OrderUpdate] = []
        self.denied: list[str] = []

    def _under_our_ids(self, view: ExchangeView) -> Iterator[OrderUpdate]:
        # Some sources do not repeat our client id: then the exchange's id names the order.
        for update in view.first.open_orders:
            known = None
            if (
                update.order_id is not None
                and parse_client_oid(update.client_oid, self.config.prefix) is None
            ):
                known = self.after.find("order_id", update.order_id)
            if known is not None:
                for order in known.orders:
                    if order.order_id == update.order_id:
                        update = update.replace(client_oid=order.client_oid)
            yield update

    def run(self) -> OrderPlan:
        now = self.view.time_ms
        for key, slot in self.after.items():
            # In flight is what may or may not exist: an order not acknowledged, and those are
            # found below. A cancellation under way can only end an order, which two looks show.
            if self._age(slot.orders, now) < self.policy.grace_ms:
                self.unsettled[key] = None
            for order in slot.orders:
                if not order.terminal and order.client_oid not in self.listed:
                    self._not_listed(key, order)
        for update in self.listed.values():
            self._listed(update)
        for client_oid, answer in self.answers.items():
            if answer is not None and client_oid not in self.listed:
                self._learn(answer)
        self._search_trades()
        # The slots come in the map's order, which hash seeds change; what goes out must not.
        return OrderPlan(
            tuple(sorted(self.query.values(), key=lambda query: _place(query.client_oid))),
            tuple(self.join),
            tuple(self.adopted),
            tuple(sorted(self.expired, key=lambda update: _place(update.client_oid))),
            tuple(self.cancel),
            tuple(self.foreign),
            tuple(sorted(self.denied, key=_place)),
            tuple(sorted(self.unsettled, key=Decimal)),
        )

    @staticmethod
    def _age(orders: tuple[Order, ...], now: int) -> float:
        return now - max(order.time_ms for order in orders) if orders else float("inf")

    def _not_listed(self, key: str, order: Order) -> None:
        client_oid = order.client_oid
        age = self.view.time_ms - order.time_ms
        stable = key not in self.unsettled
        never_acknowledged = order.status is OrderStatus.PENDING and order.order_id is None
        if client_oid not in self.answers:
            if age >= self.policy.grace_ms:
                self.query[client_oid] = OrderQuery(client_oid, order.order_id)
        elif self.answers[client_oid] is None:
            if never_acknowledged:
                # Not knowing it is final only once the request can no longer arrive. The draft
                # that says so conflicts if anything was heard of it meanwhile.
                if age > self.policy.request_lifetime_ms:
                    self.expired.append(self._never_arrived(order))
            elif stable:
                self.denied.append(client_oid)
        self.unsettled[key] = None

    def _listed(self, update: OrderUpdate) -> None:
        parts = parse_client_oid(update.client_oid, self.config.prefix)
        if parts is None:
            self.foreign.append(update)
            return
        slot = self.after.get(parts.slot)
        order = _order_of(slot, update.client_oid)
        if order is None or order.terminal:
            # Over for us, or never begun: so it should not be there. Not so if the slot has
            # just changed: then the list may be the older news.
            if parts.slot not in self.unsettled:
                self.cancel.append(update)
            return
        if order.filled > update.filled:
            # The list is behind the stream, and so may be the position.
            self.unsettled[parts.slot] = None
        if self._learn(update) and order.status is OrderStatus.PENDING:
            self.adopted.append(update.client_oid)

    def _learn(self, update: OrderUpdate) -> bool:
        parts = parse_client_oid(update.client_oid, self.config.prefix)
        slot = None if parts is None else self.after.get(parts.slot)
        order = _order_of(slot, update.client_oid)
        try:
            if order is not None and join_order(order, update) is order:
                return False
        except OrderMismatchError:
            pass  # told by the manager when it is joined
        self.join.append(update)
        return True

    def _search_trades(self) -> None:
        filled: dict[str, Decimal] = {}
        ids: dict[str, OrderId | None] = {}
        for trade in self.view.trades:
            client_oid = trade.client_oid
            if client_oid is None:
                continue
            filled[client_oid] = EXACT.add(filled.get(client_oid, _ZERO), trade.quantity)
            ids[client_oid] = trade.order_id
        for client_oid, quantity in filled.items():
            parts = parse_client_oid(client_oid, self.config.prefix)
            if parts is None or client_oid in self.answers:
                continue
            slot = self.after.get(parts.slot)
            order = _order_of(slot, client_oid)
            if order is None:
                unknown = slot is None or parts.sequence > slot.retired_sequence
            else:
                unknown = quantity > order.filled
            if unknown:
                self.query[client_oid] = OrderQuery(client_oid, ids[client_oid])

    def _never_arrived(self, order: Order) -> OrderUpdate:
        return OrderUpdate(
            self.config.symbol,
            order.client_oid,
            None,
            order.side,
            order.price,
            order.quantity,
            OrderStatus.REJECTED,
            time_ms=self.view.time_ms,
        )


def _place(client_oid: str) -> tuple[Decimal, int]:
    _, parts = split_client_oid(client_oid) or ("", ClientOid("0", Side.BUY, 0))
    return Decimal(parts.slot), parts.sequence


def _order_of(slot: InventorySlot | None, client_oid: str) -> Order | None:
    return None if slot is None else slot.order(client_oid)


def plan_orders(
    before: Slots, after: Slots, view: ExchangeView, config: GridConfig, policy: ReconcilePolicy
) -> OrderPlan:
    """Return what is to be done about orders, from the slots before and after the look.

    Facts are to be joined whatever moves meanwhile. Verdicts are passed on settled slots only:
    the same object before and after, no order of unknown fate, older than the grace period. O(N).
    """
    return _Planner(before, after, view, config, policy).run()


class Divergence(Record):
    """A difference of position (exchange less local) that was found in *passes* in a row."""

    difference: Decimal
    passes: int


class PositionVerdict(StrEnum):
    """What a comparison of positions comes to.

    AGREES. UNSETTLED: they cannot be compared now. DIVERGES: they differ, not yet often enough.
    CORRECT: it is small and lasts. BREAK: it is large and lasts.
    """

    AGREES = "AGREES"
    UNSETTLED = "UNSETTLED"
    DIVERGES = "DIVERGES"
    CORRECT = "CORRECT"
    BREAK = "BREAK"


class PositionPlan(Record):
    """The verdict, the two totals, and the divergence to remember for the next pass."""

    verdict: PositionVerdict
    local: Decimal
    remote: Decimal
    divergence: Divergence | None


def plan_position(
    before: Slots,
    after: Slots,
    view: ExchangeView,
    orders: OrderPlan,
    last: Divergence | None,
    policy: ReconcilePolicy,
) -> PositionPlan:
    """Return what is to be done about the position. Pure; O(slots changed).

    The positions are compared only if *orders* leaves nothing open and no slot has changed,
    and a difference counts only if two looks agree. *last* is the divergence that the pass
    before returned; a pass without a verdict hands it on.

    Say an order is filled between the first look and the moment for which the position is
    told. Then the second look differs from the first, and nothing is concluded.
    """
    local, remote = after.total("position"), view.first.position
    difference = EXACT.subtract(remote, local)
    unsettled = PositionPlan(PositionVerdict.UNSETTLED, local, remote, last)
    if not orders.settled or after.diff(before):
        return unsettled
    if not difference:
        return PositionPlan(PositionVerdict.AGREES, local, remote, None)
    if view.second is None or not view.first.agrees_with(view.second):
        return unsettled
    lasted = last is not None and last.difference == difference
    divergence = Divergence(difference, last.passes + 1 if last is not None and lasted else 1)
    if divergence.passes < policy.passes:
        return PositionPlan(PositionVerdict.DIVERGES, local, remote, divergence)
    larger = max(local.copy_abs(), remote.copy_abs())
    small = difference.copy_abs() < EXACT.multiply(policy.auto_correct_below, larger)
    verdict = PositionVerdict.CORRECT if small else PositionVerdict.BREAK
    return PositionPlan(verdict, local, remote, divergence)
