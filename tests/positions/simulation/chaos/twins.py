"""Twins of the rule that sees the truth, each wrong in one way that was found in the wild."""

from __future__ import annotations

from decimal import Decimal

from cowstate.positions import UpdateOutcome
from cowstate.positions.book.model import ActionOutcome
from cowstate.positions.book.orders import adjust_position
from cowstate.positions.errors import ExchangeError, OrderNotFoundError
from cowstate.positions.simulation.chaos.rules import Claim, Said
from tests.positions.simulation.chaos.truth import TruthLife, in_words_of


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

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        learnt = self.manager.on_order_update

        def strict(update):
            local = self.local().get(update.client_oid)
            if local is not None and in_words_of(local, update) is not update:
                return UpdateOutcome.CONTRADICTORY
            return learnt(update)

        self.manager.on_order_update = strict

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
                self.deny(order)
