"""A small rule that judges the position by answers alone, and by what they may show."""

from __future__ import annotations

from cowstate.positions.errors import ExchangeError
from cowstate.positions.simulation.chaos.faults import TIMEOUT_MS
from cowstate.positions.simulation.chaos.rules import Claim, Said
from cowstate.positions.simulation.chaos.script import START_MS
from tests.positions.simulation.chaos.truth import TruthLife


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
