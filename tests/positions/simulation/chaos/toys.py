"""Toy rules: one that sees the truth, and twins of it that are each wrong in one way."""

from __future__ import annotations

from decimal import Decimal

from cowstate.positions import InventorySlot, OrderStatus, OrderUpdate
from cowstate.positions.book.model import ActionOutcome
from cowstate.positions.book.orders import adjust_position
from cowstate.positions.errors import ExchangeError, OrderNotFoundError
from cowstate.positions.simulation.chaos.faults import TIMEOUT_MS
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said
from cowstate.positions.simulation.chaos.script import START_MS

ASIDE = "5000"
"""The slot that holds so much from the start that it never becomes short."""


class TruthLife(PresentLife):
    """Sees the venue's ledger, and what is under way; keeps what has no slot in one aside."""

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        self.venue = exchange._venue
        self.promises = promises
        self.open = ""
        self.corrected = Decimal(0)

    # What it sees

    def orders(self):
        return [
            order
            for order in self.venue.ledger.engine.orders()
            if order.client_oid.startswith("grid-")
        ]

    def divergence(self):
        return self.venue.ledger.position - self.total(self.manager.snapshot())

    def local(self):
        return {
            order.client_oid: order
            for slot in self.manager.snapshot().values()
            for order in slot.orders
        }

    # What it does

    def may_trade(self):
        return not self.open

    def halted(self):
        return self.open

    def reset(self):
        self.open = ""

    def reconcile(self):
        self.look()
        self.join()
        self.give_up()
        return self.compare()

    def look(self):
        """Ask for something, so that time passes within a pass."""
        try:
            self._exchange.fetch_open_orders("BTCUSDT")
        except ExchangeError:
            pass

    def join(self):
        for order in self.orders():
            self.learn(order)

    def learn(self, order):
        local = self.local().get(order.client_oid)
        if local is not None and local.order_id not in (None, order.order_id):
            if not order.status.terminal:
                try:
                    self._exchange.cancel_order(order.order_id, "BTCUSDT")
                except ExchangeError:
                    pass
            return
        if local is not None:
            order = in_words_of(local, order)
        self.manager.on_order_update(order)

    def give_up(self):
        there = {order.client_oid for order in self.orders()}
        under_way = {*self.venue.flight.coming.values()}
        for order in self.local().values():
            patience = self.promises.lifetime_ms + self.promises.hidden_ms + 1_000
            old = self._time_ms() - order.time_ms > patience
            if not order.terminal and order.client_oid not in there | under_way and old:
                self.manager.on_order_update(
                    OrderUpdate(
                        "BTCUSDT", order.client_oid, order.order_id, order.side, order.price,
                        order.quantity, OrderStatus.REJECTED,
                    )
                )  # fmt: skip

    def compare(self):
        difference = self.divergence()
        if not difference:
            return Said(Claim.EXACT)
        size = max(abs(self.venue.ledger.position), abs(self.total(self.manager.snapshot())))
        self.corrected += abs(difference)
        if abs(difference) >= self.bound * size or self.corrected > size / 5:
            self.open = f"diverges by {difference}, of {self.corrected} in all"
        else:
            self.correct(difference)
        return Said(Claim.DIVERGES, why=str(difference))

    def correct(self, difference):
        self.manager.store.update(
            ASIDE,
            lambda slot: adjust_position(slot, slot.position_qty + difference),
            default=InventorySlot(Decimal(ASIDE)),
        )


def in_words_of(local, order):
    """What is certain in an order that was edited, in the words by which we know it."""
    if order.price == local.price and order.quantity == local.quantity:
        return order
    status = order.status
    if status is OrderStatus.FILLED and order.filled < local.quantity:
        status = OrderStatus.CANCELED
    return order.replace(price=local.price, quantity=local.quantity, status=status)


# The twins. Each has one of the faults that issue reports told of the reconciler.


class ThrowsAnswersAway(TruthLife):
    """Believes a list that lags and nothing else; what the position shows then goes aside."""

    def join(self):
        listed = {order.client_oid for order in self.listed}
        for order in self.orders():
            if order.client_oid not in listed:
                self.learn(order)

    def look(self):
        self.listed = []
        try:
            self.listed = list(self._exchange.fetch_open_orders("BTCUSDT"))
        except ExchangeError:
            pass


class BelievesThePosition(TruthLife):
    """Compares with what the endpoint shows, however old that is."""

    legs = False

    def compare(self):
        self.shown = self.venue.ledger.position
        try:
            reports = list(self._exchange.fetch_positions(["BTCUSDT"]))
        except ExchangeError:
            return Said(Claim.NONE)
        self.shown = self.read(reports)
        return super().compare()

    def read(self, reports):
        return reports[0].quantity if reports else self.venue.ledger.position

    def divergence(self):
        return self.shown - self.total(self.manager.snapshot())


class ReadsEmptyAsFlat(BelievesThePosition):
    def read(self, reports):
        return reports[0].quantity if reports else Decimal(0)


class SumsLegs(BelievesThePosition):
    def read(self, reports):
        return sum((report.quantity for report in reports), Decimal(0))


class HaltsWhereNothingIsFound(TruthLife):
    """Takes "not found" for a denial, and an order that was purged likewise."""

    def give_up(self):
        for order in self.local().values():
            if not order.terminal and order.order_id is not None:
                try:
                    self._exchange.fetch_order(order.order_id, "BTCUSDT", order.client_oid)
                except OrderNotFoundError:
                    self.open = f"the exchange denies {order.client_oid}"
                except ExchangeError:
                    pass


class NeverForgets(TruthLife):
    """An order that was purged before its end was heard of is believed to work for ever."""

    def orders(self):
        purge = self.venue.faults.purge
        return [
            order
            for order in super().orders()
            if not purge or not order.status.terminal or order.filled
        ]

    def give_up(self):
        pass


class HaltsAtWhatIsPurged(NeverForgets):
    """Likewise, and takes that it is not found for a denial."""

    give_up = HaltsWhereNothingIsFound.give_up


class TriesTheSameFactForEver(TruthLife):
    """A fact that contradicts is tried again at each pass, and nothing is compared meanwhile."""

    def join(self):
        self.stuck = False
        for order in self.orders():
            local = self.local().get(order.client_oid)
            if local is not None and in_words_of(local, order) is not order:
                self.stuck = True
            else:
                self.learn(order)

    def compare(self):
        return Said(Claim.NONE, why="a fact contradicts") if self.stuck else super().compare()


class SaysNothingWhileAnythingMoves(TruthLife):
    """Compares only where the book is as it was a pass ago."""

    before = None

    def compare(self):
        before, self.before = self.before, self.manager.snapshot()
        return super().compare() if self.before is before else Said(Claim.NONE)


class WaitsForTheSameNumber(TruthLife):
    """A divergence that is another one at each pass never counts."""

    last = Decimal(0)

    def compare(self):
        last, self.last = self.last, self.divergence()
        if self.last and self.last != last:
            return Said(Claim.DIVERGES)
        return super().compare()


class NeedsTheTrades(TruthLife):
    """Without the list of its trades it says nothing, and tells nobody."""

    def compare(self):
        try:
            self._exchange.fetch_my_trades("BTCUSDT")
        except ExchangeError:
            return Said(Claim.NONE)
        return super().compare()


class ForgetsTheBreaker(TruthLife):
    """An open breaker is not saved, and a process that starts anew does not look first."""

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        self.first = isinstance(saved, list)

    def compare(self):
        return super().compare() if self.first else Said(Claim.NONE)


class TakesDuplicatesForRefusals(TruthLife):
    """An order whose id is taken is noted as REJECTED, and of what is over nothing is learnt."""

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        learnt = self.manager.apply_action_results

        def refused(results):
            learnt(
                [
                    result.replace(outcome=ActionOutcome.REJECTED, update=None)
                    if "taken" in result.reason
                    else result
                    for result in results
                ]
            )

        self.manager.apply_action_results = refused

    def learn(self, order):
        local = self.local().get(order.client_oid)
        if local is None or not local.terminal:
            super().learn(order)


class HaltsWhereItHasNoSlot(TruthLife):
    """Corrects slots and nothing else; where all of them work it halts, however small it is."""

    def correct(self, difference):
        self.open = f"no slot for {difference}"


class InventsShorts(TruthLife):
    """Takes what is too much from any slot, though nobody can sell what is not there."""

    def correct(self, difference):
        slots = self.manager.snapshot()
        key = min(slots, key=Decimal)
        self.manager.store.update(
            key, lambda slot: adjust_position(slot, slot.position_qty + difference)
        )


class CorrectsWithoutEnd(TruthLife):
    """Each correction is small, so there is no end of them."""

    def compare(self):
        difference = self.divergence()
        if difference:
            self.correct(difference)
        return Said(Claim.EXACT)


class KnowsNoCosts(TruthLife):
    """Takes fills from those who do not say what they cost."""

    def learn(self, order):
        local = self.local().get(order.client_oid)
        super().learn(order.replace(cost=Decimal(0) if local is None else local.cost))


class SaysThatAllIsWell(TruthLife):
    """Adds up what cancels out, and calls it exact."""

    def compare(self):
        return Said(Claim.EXACT)


class CancelsWhatItDoesNotKnow(TruthLife):
    """An order whose acknowledgement is on its way is unknown by its id: cancelled."""

    def look(self):
        known = {order.order_id for order in self.local().values()}
        for order in self.venue.ledger.engine.open_orders():
            if order.order_id not in known:
                try:
                    self._exchange.cancel_order(order.order_id, "BTCUSDT")
                except ExchangeError:
                    pass


class GivesUpTooEarly(TruthLife):
    """What is not there now never will be."""

    def give_up(self):
        there = {order.client_oid for order in self.orders()}
        for order in self.local().values():
            if not order.terminal and order.client_oid not in there:
                self.manager.on_order_update(
                    OrderUpdate(
                        "BTCUSDT", order.client_oid, order.order_id, order.side, order.price,
                        order.quantity, OrderStatus.REJECTED,
                    )
                )  # fmt: skip


class IntervalLife(TruthLife):
    """Knows its orders truly, and the position by answers alone: the new protocol's idea, small.

    An answer is compared with every value that the book had in the moments that it may show; what
    is possible is kept over looks, and acted upon when it is proven twice and for three seconds.
    So it shows that what the venue promises is enough to do no harm, and that the oracle says so.
    """

    LOOKS, LASTS_MS = 2, 3_000

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        self.entries = {}
        self.pending = []
        self.possible = None
        self.proven = 0
        self.since = 0

    def reconcile(self):
        try:
            reports = self._exchange.fetch_positions(["BTCUSDT"])
            now = self._exchange._venue.now_ms
            if len(reports):
                stamp = now if reports.answered_ms is None else reports.answered_ms
                slack = 2 * TIMEOUT_MS if reports.answered_ms is None else 0
                start = stamp - slack - self.promises.positions_lag_ms
                self.pending.append((reports[0].quantity, start, stamp))
            complete_to = self.read_trades()
        except ExchangeError:
            complete_to = 0
        self.join()
        self.give_up()
        ready = [look for look in self.pending if look[2] <= complete_to]
        self.pending = [look for look in self.pending if look[2] > complete_to]
        if not ready:
            return Said(Claim.NONE)
        self.pending = []
        return self.judge(*ready[-1])

    def read_trades(self):
        cursor, answered = None, None
        while answered is None or cursor is not None:
            page = self._exchange.fetch_my_trades("BTCUSDT", START_MS, cursor)
            self.entries.update((entry.trade_id, entry) for entry in page)
            answered = page.answered_ms if answered is None else answered
            cursor = page.cursor
        return answered - self.promises.trades_lag_ms

    def judge(self, quantity, start, end):
        ours = {order.order_id for order in self.orders()}
        trades = [entry for _, entry in sorted(self.entries.items()) if entry.order_id in ours]
        # What the book knows beyond the trades is taken off: it is of no known moment.
        known = sum(order.side.sign * order.filled for order in self.orders())
        ahead = known - sum(entry.filled for entry in trades)
        held = self.total(self.manager.snapshot()) - ahead
        then = held - sum(entry.filled for entry in trades if entry.time_ms > start)
        values = [then]
        for entry in trades:
            if start < entry.time_ms <= end:
                values.append(values[-1] + entry.filled)
        differences = {quantity - value for value in values}
        return self.weigh(differences)

    def weigh(self, differences):
        now = self._exchange._venue.now_ms
        both = None if self.possible is None else self.possible & differences
        self.possible = both or differences
        if 0 in self.possible:
            self.proven, self.since = 0, now
            width = max(differences) - min(differences)
            return Said(Claim.WITHIN, width) if width else Said(Claim.EXACT)
        self.proven += 1
        if self.proven >= self.LOOKS and now - self.since >= self.LASTS_MS:
            self.act()
        return Said(Claim.DIVERGES)

    def act(self):
        least = min(self.possible, key=abs)
        total = self.total(self.manager.snapshot())
        size = max(abs(total), abs(total + least))
        if abs(least) >= self.bound * size:
            self.open = f"diverges by {least} at least"
        elif len(self.possible) == 1:
            self.corrected += abs(least)
            if self.corrected > size / 5:
                self.open = f"diverges by {least}, corrected {self.corrected}"
                return
            self.correct(least)
            self.possible, self.proven, self.pending = None, 0, []
