"""A stage: one venue that fails where the scene says so, and the processes that live with it.

The venue, its endpoints, the clock and the oracle are those of `cowstate chaos`; the process is a
real `PositionManager` with a real `Reconciler`, or whatever other rule is given. Nothing is by
chance: a scene says what happens when, message by message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from cowstate.positions import GridConfig, OrderRequest, OrderUpdate, Side, Trade, VirtualClock
from cowstate.positions.book.model import ActionKind, OrderAction
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.simulation.chaos.client import ChaosExchange, promises_of
from cowstate.positions.simulation.chaos.faults import WorldFaults
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.oracle import Gap, HaltVerdict
from cowstate.positions.simulation.chaos.result import WorldResult
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said, first_save
from cowstate.positions.simulation.chaos.script import START_MS, Dice, Hours, script_of
from cowstate.positions.simulation.chaos.venue import ENDPOINTS, Venue
from cowstate.positions.simulation.chaos.watch import Watch
from cowstate.positions.trading.strategy import action_result, order_request

__all__ = ["ASIDE", "LOT", "Adapter", "Stage"]

LOT = Decimal("0.05")
ASIDE = Decimal(5_000)
"""The slot that holds the position to begin with; its order is never reached."""

_HAND_PRICE = Decimal(1_000)
_LONG_MS = 10**9


class Directed(Venue):
    """A venue whose faults happen when they are asked for, each as bad as it may be."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.next_faults: Counter[str] = Counter()
        self.at_most: dict[str, int] = {}
        self.steady = dict.fromkeys(ENDPOINTS, True)

    def chance(self, name: str) -> bool:
        happens = self.next_faults[name] > 0
        self.next_faults[name] -= happens
        return happens

    def below(self, name: str, limit: int) -> int:
        return min(limit - 1, self.at_most.get(name, limit))

    def travel(self) -> int:
        return self.faults.latency


class Adapter:
    """What stands between a rule and the endpoints: it passes on what a scene does not change."""

    def __init__(self, exchange: ChaosExchange) -> None:
        self.exchange: Any = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exchange, name)


class Stage:
    """One account at a venue, and one process after the other.

    Args:
        rule: makes the process: ours, or a wrong one.
        held: the position to begin with, at the venue and in the book.
        levels: how many purchases the grid keeps below the price.
        interval_ms: from the start of one pass to that of the next.
        told: promises that the rule is told in the place of the true ones.
        adapter: what stands between the rule and the venue's endpoints.
        faults: what the venue is like.
    """

    def __init__(
        self,
        rule: Any = PresentLife,
        *,
        held: str = "2",
        levels: int = 1,
        lot: Decimal = LOT,
        interval_ms: int = 2_000,
        told: dict[str, Any] | None = None,
        adapter: Callable[[ChaosExchange], Any] = lambda exchange: exchange,
        offset_ms: int = 0,
        **faults: float,
    ) -> None:
        self.rule = rule
        self.grid = GridConfig("BTCUSDT", Decimal(10), lot, levels, "grid")
        self.interval_ms = interval_ms
        self.offset_ms = offset_ms
        self.adapter = adapter
        self.faults = WorldFaults(**{"market": 0, "latency": 20, **faults})
        self.promises = promises_of(self.faults).knowing(**(told or {}))
        self.clock = VirtualClock(START_MS)
        self.ledger = Ledger(
            self.grid.symbol,
            fee=Decimal(str(self.faults.fee)),
            reuse=bool(self.faults.reuse),
            held=Decimal(held),
            ours="grid-",
        )
        script = script_of(1, WorldFaults(market=0), 1, 1)._replace(end_ms=START_MS + _LONG_MS)
        self.venue = Directed(self.clock, self.ledger, script, self.faults, Dice(1))
        self.result = WorldResult(1, "stage", getattr(rule, "__name__", "rule"))
        self.asked: list[str] = []
        self.venue.log = self._note
        self.watch = Watch(self.venue, self.grid.prefix, self.result)
        self.short = Decimal("0.7")
        self.said: list[Said] = []
        self.trades = 0
        self.lives = 0
        self.life: Any = None
        self.exchange: ChaosExchange | None = None
        self.start(first_save(ASIDE, Decimal(held)))

    def _note(self, _time_ms: int, who: str, what: str) -> None:
        if who == "rule":
            self.asked.append(what)

    # Processes

    def start(self, saved: Any) -> None:
        self.lives += 1
        number = self.lives

        def waiting(waits: bool) -> None:
            if number == self.lives:
                self.watch.inside = not waits

        self.exchange = ChaosExchange(
            self.venue,
            promises=self.promises,
            waiting=waiting,
            canceled=self.watch.canceled,
            short=lambda: self.short,
        )
        self.life = self.rule(
            self.adapter(self.exchange), self.grid, self.our_ms, self.promises, saved
        )
        self.watch.follow(self.life, self.exchange)
        self.venue.listen(getattr(self.life, "hear", self.life.manager.on_order_update))

    def restart(self, saved: Any = None, down_ms: int = 1_000) -> None:
        """The process dies, and another starts from what it saved, or from what was saved once."""
        saved = self.life.save() if saved is None else saved
        assert self.exchange is not None
        self.exchange.died = True
        self.watch.follow(None, None)
        self.venue.listen(None)
        self.wait(down_ms)
        self.start(saved)

    def our_ms(self) -> int:
        return self.clock.now_ms + self.offset_ms

    # What the process does

    def look(self, passes: int = 1) -> Said:
        """Make passes, one every interval; return what the last one said."""
        for _ in range(passes):
            began = self.clock.now_ms
            self.watch.pass_begins()
            said = self.life.reconcile()
            self.watch.pass_ends(said)
            self.said.append(said)
            self.clock.run_until(max(self.clock.now_ms, began + self.interval_ms))
        return self.said[-1]

    def open(self, most: int = 12) -> Stage:
        """Make passes until trading is allowed."""
        for _ in range(most):
            if self.life.may_trade():
                return self
            self.look()
        raise AssertionError(f"no trading after {most} passes: {self.said[-3:]}")

    def trade(self, price: int) -> list[OrderAction]:
        """The strategy sees the market at *price*, sends what it wants, and hears of it."""
        if not self.life.may_trade():
            return []
        actions = sorted(
            self.life.manager.calculate_adjustments(Decimal(price)),
            key=lambda action: action.kind is ActionKind.PLACE,
        )
        for action in actions:
            self.send(action)
        self.wait(3 * self.faults.latency)
        return actions

    def send(self, action: OrderAction) -> None:
        life, number = self.life, self.lives

        def answered(answer: Any) -> None:
            if number == self.lives:
                result = action_result(action, answer, self.our_ms(), self.grid.prefix)
                life.manager.apply_action_results([result])

        if action.kind is ActionKind.PLACE:
            request = order_request(action, self.grid.symbol)
            self.watch.sends(action.client_oid)
            self.venue.send(partial(self.venue.place, request), answered, coming=action.client_oid)
        else:
            order_id = action.order_id
            assert isinstance(order_id, int)
            self.venue.send(partial(self.venue.cancel, order_id), answered, ending=order_id)

    def buy_at(self, price: int = 1_000) -> OrderUpdate:
        """Have a BUY of ours work at *price*, acknowledged; return it as the venue has it."""
        self.open().trade(price + 5)
        return self.order(f"grid-{price}-B1")

    # What happens at the venue

    def wait(self, ms: int) -> None:
        self.clock.run_until(self.clock.now_ms + ms)

    def at(self, ms: int, fn: Callable[[], Any]) -> None:
        """Have *fn* called so many milliseconds from now, whoever waits then."""
        self.clock.call_at(self.clock.now_ms + ms, fn)

    def fault(self, name: str, times: int = 1) -> None:
        """Have a fault happen the next *times* that it may."""
        self.venue.next_faults[name] += times

    def hours(self, kind: str, ms: int, after_ms: int = 0) -> None:
        """Have an endpoint not do as it should for *ms*, from *after_ms* from now on."""
        begin = self.clock.now_ms + after_ms
        self.venue.script.hours[kind] = Hours([(begin, begin + ms)])

    def silence(self, endpoint: str, ms: int) -> None:
        """Have each request to one *endpoint* fail for *ms*."""
        # Which endpoint it is follows from when the silence began.
        begin = self.clock.now_ms
        while ENDPOINTS[begin % len(ENDPOINTS)] != endpoint:
            begin -= 1
        self.venue.script.hours["silent"] = Hours([(begin, self.clock.now_ms + ms)])

    def fill(self, price: int, quantity: str = "0.05", side: Side = Side.BUY) -> None:
        """Somebody trades with our orders at *price*."""
        self.trades += 1
        self.venue.trade(
            Trade(
                self.clock.now_ms,
                self.trades,
                Decimal(price),
                Decimal(quantity),
                side is Side.BUY,
            )
        )

    def by_hand(self, quantity: str) -> None:
        """Somebody trades in the account, and no list tells."""
        self.ledger.enter(None, Decimal(quantity), _HAND_PRICE, self.clock.now_ms)

    def book(self, kind: TradeKind, quantity: str) -> None:
        """The venue books something that is no trade of ours."""
        self.ledger.enter(kind, Decimal(quantity), _HAND_PRICE, self.clock.now_ms)

    def amend(self, client_oid: str, price: int, quantity: str) -> None:
        """Somebody edits an order of ours by hand."""
        order_id = self.order(client_oid).order_id
        assert isinstance(order_id, int)
        now = self.clock.now_ms
        self.venue.tell(self.ledger.amend(order_id, Decimal(price), Decimal(quantity), now))

    def cancel(self, client_oid: str) -> OrderUpdate:
        """Somebody cancels an order of ours by hand."""
        order_id = self.order(client_oid).order_id
        assert isinstance(order_id, int)
        order = self.ledger.cancel(order_id, self.clock.now_ms)
        self.venue.tell(order)
        return order

    def order_of_others(self, price: int, quantity: str, side: Side = Side.BUY) -> OrderUpdate:
        """Somebody else in the account places an order."""
        request = OrderRequest(
            self.grid.symbol, side, Decimal(quantity), Decimal(price), f"web_{self.clock.now_ms}"
        )
        order = self.ledger.place(request, self.clock.now_ms)
        self.venue.tell(order)
        return order

    # What is so

    def order(self, client_oid: str) -> OrderUpdate:
        """An order as the venue has it."""
        return self.ledger.engine.order(None, client_oid)

    def known(self, client_oid: str) -> Any:
        """An order as the book has it, None if it has not."""
        slots = self.life.manager.snapshot()
        key = slots.find_key("client_oid", client_oid)
        return None if key is None else slots[key].order(client_oid)

    def slot(self, price: int = 1_000) -> Any:
        return self.life.manager.snapshot().get(str(price))

    def total(self) -> Decimal:
        """The position that the book says."""
        return self.life.total(self.life.manager.snapshot())

    def gap(self) -> Gap:
        """How far the book is from the truth, once what is under way has come."""
        return self.watch.gap(self.life.manager.snapshot(), self.watch.truth())

    def heal(self, most: int = 8) -> int:
        """Make passes until all is well and known to be; return how many it took."""
        for passes in range(1, most + 1):
            said = self.look()
            if self.gap().closed and said.claim is Claim.EXACT:
                return passes
        raise AssertionError(f"not well after {most} passes: {self.gap()}, {self.said[-most:]}")

    def did_no_harm(self) -> bool:
        """Whether nothing that was written did harm, and no halt was wrong."""
        return not (
            self.result.harmful
            or self.result.shorts
            or self.result.halts[HaltVerdict.WRONG]
            or self.result.halts[HaltVerdict.SMALL]
        )
