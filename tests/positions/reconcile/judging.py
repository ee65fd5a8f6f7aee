"""A small world in which looks are judged: a venue's history, answers that lag, a slow book.

Time is real and runs in quarters of a millisecond; every clock shows whole milliseconds, so that
what happened within one cannot be put in order by its stamp. The venue keeps its promises,
whatever is drawn, and lags as far as they allow it. The divergence is known here, and nowhere in
what is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import strategies as st

from cowstate.positions.book.learnt import Learnt
from cowstate.positions.book.ledger import Ledger
from cowstate.positions.book.model import Side
from cowstate.positions.book.reports import FeeAsset, TradeReport
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile import looks, standing, verdicts
from cowstate.positions.reconcile.evidence import Evidence
from cowstate.positions.reconcile.looks import PositionLook, TradesReading
from cowstate.positions.reconcile.possible import Possible

PARTS = 4
LAST = 400
"""When the world ends, in quarters of a millisecond."""
START = Decimal(10)
FEE = Decimal("0.01")


class Move(NamedTuple):
    """Something that moves the position at *time*, and is listed as a trade.

    *order* is None for what is not of ours. *heard* is how much later the stream tells the book
    of it, None for never.
    """

    time: int
    order: int | None
    quantity: int
    heard: int | None


class Pass(NamedTuple):
    """A look and a reading: times to wait, lags (as parts of the greatest), how it is cut."""

    wait: int
    out: int
    back: int
    position_lag: int
    gap: int
    trades_lag: int
    reading: int
    cut: int | None
    correction: int
    noise: int


class World(NamedTuple):
    promises: VenuePromises
    skew: int
    stamped: str
    moves: tuple[Move, ...]
    passes: tuple[Pass, ...]
    divergence: int
    drift: tuple[int, int]
    joins: bool
    same_trade_id: bool


class Judged(NamedTuple):
    """One look that was judged: what is known there, and the truth.

    *truths* is what the divergence was within the window: one number, if nothing untold happened.
    """

    seen: Possible
    truths: frozenset[Decimal]
    moved_in_window: Decimal
    look: PositionLook
    ledger: Ledger
    standing: standing.Standing


@st.composite
def worlds(draw: Any, corrections: bool = False, drifts: bool = False) -> World:
    clock = draw(st.sampled_from([0, 2, 5]))
    stamp = draw(st.sampled_from([0, 0, 2]))
    promises = VenuePromises.exact(
        positions_lag_ms=draw(st.sampled_from([0, 0, 5, 20])),
        trades_lag_ms=draw(st.sampled_from([0, 0, 5, 20])),
        clock_ms=clock,
        stamp_ms=stamp,
        trades_carry_client_ids=draw(st.booleans()),
        fee_asset=draw(st.sampled_from([FeeAsset.QUOTE, FeeAsset.BASE])),
        base_fee=FEE,
    )
    times = st.integers(0, LAST)
    sizes = st.sampled_from([1, 1, 2, 3, 7])
    moves = draw(
        st.lists(
            st.builds(
                Move,
                times,
                st.sampled_from([0, 1, 2, 3, None]),
                sizes,
                st.one_of(st.none(), st.integers(0, 120)),
            ),
            max_size=14,
        )
    )
    short, part = st.integers(0, 12), st.integers(0, 4)
    passes = draw(
        st.lists(
            st.builds(
                Pass,
                st.integers(0, 60),
                short,
                short,
                part,
                short,
                part,
                short,
                st.one_of(st.none(), st.none(), st.none(), st.integers(0, 4)),
                st.sampled_from([0, 0, 0, 1, -2]) if corrections else st.just(0),
                st.integers(-stamp * PARTS, stamp * PARTS),
            ),
            min_size=1,
            max_size=8,
        )
    )
    return World(
        promises,
        draw(st.integers(-clock * PARTS, clock * PARTS)),
        draw(st.sampled_from(["answered", "answered", "as of", "not at all"])),
        tuple(sorted(moves, key=lambda move: move.time)),
        tuple(passes),
        draw(st.sampled_from([0, 0, 1, -3, 12])),
        draw(st.tuples(times, st.sampled_from([1, -1, 5]))) if drifts else (0, 0),
        draw(st.booleans()),
        draw(st.booleans()),
    )


class Desk:
    """The world as it runs, and what is known at this end of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.promises = world.promises
        self.now = 0
        self.ledger = Ledger()
        self.waiting: list[PositionLook] = []
        self.corrected = Decimal(0)
        self.history: dict[int, list[Learnt]] = {}
        self.reading: TradesReading | None = None

    # The venue's side

    def signed(self, move: Move) -> Decimal:
        # Even orders buy, odd ones sell, so that of one order the filled quantity grows.
        return Decimal(
            move.quantity if move.order is None or move.order % 2 == 0 else -move.quantity
        )

    def effect(self, move: Move) -> Decimal:
        fee = FEE * move.quantity if self.promises.fee_asset is FeeAsset.BASE else Decimal(0)
        return self.signed(move) - fee

    def position(self, moment: Fraction) -> Decimal:
        moved = sum(
            (self.effect(move) for move in self.world.moves if move.time <= moment), Decimal(0)
        )
        return START + self.untold(moment) + moved

    def untold(self, moment: Fraction) -> int:
        """What nobody tells of: by how much the venue holds more than the moves come to."""
        when, drift = self.world.drift
        return self.world.divergence + (drift if when <= moment else 0)

    def trade_id(self, number: int) -> int:
        """A number of its own; of two orders that traded with each other, the same."""
        moves = self.world.moves
        if (
            self.world.same_trade_id
            and number % 2
            and moves[number].order != moves[number - 1].order
        ):
            return number - 1
        return number

    def report(self, number: int, move: Move) -> TradeReport:
        ours = move.order is not None
        client = f"g-100-B{move.order}" if ours else "web"
        return TradeReport(
            self.trade_id(number),
            move.order if ours else 90 + number,
            client if self.promises.trades_carry_client_ids else None,
            "X",
            Side.BUY if self.signed(move) > 0 else Side.SELL,
            Decimal(100),
            Decimal(move.quantity),
            move.time // PARTS,
        )

    # This side

    def own(self, moment: int) -> int:
        return (moment + self.world.skew) // PARTS

    def ours(self, trade: TradeReport) -> bool:
        return isinstance(trade.order_id, int) and trade.order_id < 90

    def hear(self) -> None:
        """What the stream has told by now; fills are cumulative, so the latest tells of all."""
        heard: list[tuple[int, int, Decimal]] = []
        for order in range(4):
            filled = Decimal(0)
            for move in self.world.moves:
                if move.order == order:
                    filled += self.signed(move)
                    if move.heard is not None:
                        heard.append((move.time + move.heard, order, filled))
        for moment, order, filled in sorted(heard):
            if moment <= self.now:
                self.learn(order, filled, self.own(moment))

    def learn(self, order: int, filled: Decimal, learnt_ms: int) -> None:
        history = self.history.setdefault(order, [])
        if not history or abs(filled) > abs(history[-1].filled):
            history.append(Learnt(learnt_ms, filled))

    def held(self) -> list[standing.HeldOrder]:
        orders = []
        for order in range(4):
            history = self.history.get(order, [Learnt(0, Decimal(0))])
            due, due_ms = standing.due_of(history, self.reading, self.promises)
            client = f"g-100-B{order}"
            orders.append(standing.HeldOrder(client, order, history[-1].filled, due, due_ms))
        return orders

    def standing(self) -> standing.Standing:
        slots = START + sum((each[-1].filled for each in self.history.values()), Decimal(0))
        return standing.standing_of(self.ledger, slots, self.held())

    def truths(self, window: looks.Window) -> frozenset[Decimal]:
        """What the divergence was, by what is accounted for now, in the moments of *window*."""
        when, drift = self.world.drift
        before = self.world.divergence - self.corrected
        if when // PARTS > window.highest:
            return frozenset([before])
        if when // PARTS < window.lowest:
            return frozenset([before + drift])
        return frozenset([before, before + drift])

    def run(self) -> Iterator[Judged]:
        for each in self.world.passes:
            yield from self.run_pass(each)

    def run_pass(self, each: Pass) -> Iterator[Judged]:
        lag = self.promises.positions_lag_ms
        self.now += each.wait
        self.ledger = self.ledger.corrected(Decimal(each.correction))
        self.corrected += each.correction
        sent = self.now
        answered = sent + each.out
        shown = Fraction(answered) - Fraction(each.position_lag, 4) * lag * PARTS
        self.now = answered + each.back
        self.waiting.append(
            PositionLook(
                self.position(shown),
                self.own(sent),
                self.own(self.now),
                (answered + each.noise) // PARTS if self.world.stamped == "answered" else None,
                (shown + each.noise) // PARTS if self.world.stamped == "as of" else None,
            )
        )
        self.now += each.gap
        self.read(each)
        self.hear()
        found = self.standing()
        assert not found.overdue, "a venue that keeps its promises shows every fill in time"
        for look in list(self.waiting):
            judged = verdicts.judge_looks(
                [look], self.reading, self.ledger, found, Evidence(), self.promises
            )
            if judged.pending:
                continue
            self.waiting.remove(look)
            if not judged.judged:
                continue
            window = looks.window_of(look, self.promises)
            assert window.fits
            assert judged.evidence.last is not None
            moved = sum(
                (
                    abs(self.effect(move))
                    for move in self.world.moves
                    if window.lowest <= move.time // PARTS <= window.highest
                ),
                Decimal(0),
            )
            yield Judged(judged.evidence.last, self.truths(window), moved, look, self.ledger, found)

    def read(self, each: Pass) -> None:
        lag = self.promises.trades_lag_ms
        sent = self.now
        shown = Fraction(sent + each.reading) - Fraction(each.trades_lag, 4) * lag * PARTS
        shown = max(shown, Fraction(sent) - lag * PARTS)
        listed = [
            self.report(number, move)
            for number, move in enumerate(self.world.moves)
            if move.time <= shown and move.time // PARTS >= self.ledger.since_ms
        ]
        complete = each.cut is None or each.cut >= len(listed)
        if not complete:
            listed = listed[: each.cut]
        self.ledger, _ = self.ledger.absorbed(
            listed,
            ours=self.ours,
            fee_asset=self.promises.fee_asset,
            base_fee=self.promises.base_fee,
        )
        self.now += each.reading
        if complete:
            self.reading = TradesReading(self.own(sent), complete)
            self.ledger = self.ledger.read(looks.complete_until(self.reading, self.promises))
        else:
            self.reading = None
        if self.world.joins:
            for tally in self.ledger.tallies:
                assert isinstance(tally.order_id, int)
                self.learn(tally.order_id, tally.traded, self.own(self.now))
