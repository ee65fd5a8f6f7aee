"""One world from its start to its end: a market, a venue, a process that trades and dies."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from cowstate import Record

from ...book.config import GridConfig
from ...book.model import ActionKind, OrderAction, OrderUpdate
from ...exchange.promises import VenuePromises
from ...trading.strategy import action_result, order_request
from ..clock import VirtualClock
from ..tape import Trade
from .client import ChaosExchange, ProcessDied, promises_of, settling_ms
from .faults import WorldFaults
from .ledger import Ledger
from .others import Others
from .result import WorldResult
from .rules import Life, RuleMaker, Said, first_save
from .script import LOT, START_MS, STEP, Accident, Dice, Script, script_of
from .venue import Log, Venue
from .watch import Watch

__all__ = ["AFTER_PASSES", "GRID", "WorldSpec", "live", "number_of", "silenced"]

GRID = GridConfig("BTCUSDT", STEP, LOT, 3, "grid")

AFTER_PASSES = 10
"""How many passes a rule has after the faults have stopped, and the venue shows what came last."""

# Held in a slot so far away that its order is never reached: a position to compare sizes with.
_HELD = Decimal(2)
_HELD_AT = Decimal(5_000)
_SAVE_MS = 1_000
_PRIME = 100_003


class WorldSpec(Record):
    """One world: which numbers, what is wrong, how often a pass is made, for how long.

    Attributes:
        seed: with *name*, of everything that is by chance.
        name: what the kind of world is called.
        faults: what is wrong.
        interval_ms: from the start of one pass to that of the next.
        active_passes: for how many of them the faults go on.
    """

    seed: int
    name: str
    faults: WorldFaults
    interval_ms: int = 2_000
    active_passes: int = 20


def number_of(seed: int, name: str) -> int:
    """Return the number that all chances in a world come from: another for each name."""
    return seed * _PRIME + zlib.crc32(name.encode()) % _PRIME


def live(
    spec: WorldSpec,
    rule: RuleMaker,
    rule_name: str = "",
    *,
    log: Log | None = None,
    promises: VenuePromises | None = None,
) -> WorldResult:
    """Live through one world by one rule, and return what the oracle found.

    Deterministic: the same world and rule give the same result on every interpreter.

    Args:
        spec: the world.
        rule: the rule.
        rule_name: what it is called in the result.
        log: is told everything, ``log(time_ms, who, what)``, in order of time.
        promises: what the rule is told of the venue; None for the truth.
    """
    return _World(spec, rule, WorldResult(spec.seed, spec.name, rule_name), log, promises).run()


@contextmanager
def silenced() -> Generator[None]:
    """Keep the positions' loggers quiet: in these worlds everything that they warn of happens."""
    logger = logging.getLogger("cowstate.positions")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


class _World:
    """Who takes part, and what they do when."""

    def __init__(
        self,
        spec: WorldSpec,
        rule: RuleMaker,
        result: WorldResult,
        log: Log | None,
        promises: VenuePromises | None,
    ) -> None:
        faults = spec.faults
        self.spec = spec
        self.rule = rule
        self.result = result
        self.clock = VirtualClock(START_MS)
        active = spec.interval_ms * spec.active_passes
        # What happened last is seen by nobody before the venue shows it; then the passes count.
        self._settled_ms = START_MS + active + settling_ms(faults)
        after = settling_ms(faults) + spec.interval_ms * (AFTER_PASSES + 1)
        self._after_ms = after
        self._passes_left = AFTER_PASSES
        self.end_ms = START_MS + active + after
        number = number_of(spec.seed, spec.name)
        self.script: Script = script_of(number, faults, active, after)
        # The script has used up dice of the same seed; what happens meanwhile has others.
        self.dice = Dice(number + 1_000_000_007)
        self.ledger = Ledger(
            GRID.symbol,
            fee=Decimal(str(faults.fee)),
            reuse=bool(faults.reuse),
            held=_HELD,
            ours=f"{GRID.prefix}-",
        )
        self.venue = Venue(self.clock, self.ledger, self.script, faults, self.dice, log)
        self.watch = Watch(self.venue, GRID.prefix, result)
        self.promises = promises_of(faults) if promises is None else promises
        self.log = log
        self.others = Others(self.venue, GRID, _HELD_AT)
        self.saves: list[tuple[int, Any]] = [(START_MS, first_save(_HELD_AT, _HELD))]
        self.life: Life | None = None
        self.exchange: ChaosExchange | None = None
        self.number = 0
        self.price: Decimal | None = None
        self.level = Decimal(-1)
        self.poked = False

    def run(self) -> WorldResult:
        clock = self.clock
        self._next_trade(0)
        for accident in self.script.accidents:
            clock.call_at(accident.time_ms, partial(self._happen, accident))
        if self.spec.faults.old_save:
            clock.call_at(START_MS + _SAVE_MS, self._save)
        self._start(self.saves[0][1])
        clock.run_until(self.end_ms)
        # What opened in the last passes has as long to heal as what was there before.
        latest_ms = self.end_ms + self._after_ms
        # A pass that began while requests were lost may have lasted long: it is none of the ten.
        while self._passes_left > 0 and self.watch.opened_ms is not None:
            if clock.now_ms >= latest_ms:
                break
            clock.run_until(clock.now_ms + self.spec.interval_ms)
        while (opened_ms := self.watch.opened_ms) is not None:
            clock.run_until(min(opened_ms + self._after_ms, latest_ms))
            if self.watch.opened_ms == opened_ms or clock.now_ms >= latest_ms:
                break
        self.watch.ends()
        self.watch.follow(None, None)
        self.result.events = self.venue.events
        return self.result

    # One life

    def _start(self, saved: Any) -> None:
        self.number += 1
        self.poked = False
        self.exchange = exchange = ChaosExchange(
            self.venue,
            promises=self.promises,
            waiting=self._waiting(self.number),
            canceled=self.watch.canceled,
            short=lambda: self.others.short,
        )
        self.life = self.rule(exchange, GRID, self._our_ms, self.promises, saved)
        if self.number == 1:
            # From here on it is known from where the list of trades is to be read.
            self.saves = [(START_MS, self.life.save())]
        self.watch.follow(self.life, exchange)
        self.venue.listen(self._on_event)
        if self.log is not None:
            self.log(
                self.clock.now_ms, "process", f"starts, with a position of {self._total(self.life)}"
            )
        self._tick(self.number)

    def _our_ms(self) -> int:
        return self.clock.now_ms + self.script.offset_ms

    def _waiting(self, number: int) -> Callable[[bool], None]:
        def waiting(waits: bool) -> None:
            # A pass whose process died goes on in vain; it is nobody's pass any more.
            if number == self.number and self.exchange is not None:
                self.watch.inside = not waits

        return waiting

    def _tick(self, number: int) -> None:
        life, exchange = self.life, self.exchange
        if number != self.number or life is None or exchange is None:
            return
        began = self.clock.now_ms
        self.watch.pass_begins()
        said: Said | None
        try:
            said = life.reconcile()
        except ProcessDied:
            return
        finally:
            self.result.requests += exchange.requests
            exchange.requests = 0
        if number != self.number or self.life is None:
            return
        self.watch.pass_ends(said)
        self._passes_left -= began >= self._settled_ms
        self._poke()
        self.clock.call_at(began + self.spec.interval_ms, partial(self._tick, number))

    def _save(self) -> None:
        if self.life is not None:
            self.saves.append((self.clock.now_ms, self.life.save()))
        self.clock.call_at(self.clock.now_ms + _SAVE_MS, self._save)

    def _die(self, size: float) -> None:
        life, exchange = self.life, self.exchange
        if life is None or exchange is None:
            return
        now, old = self.clock.now_ms, int(self.spec.faults.old_save * size)
        saved = life.save()
        if old:
            saved = next((each for time, each in reversed(self.saves) if time <= now - old), None)
            saved = self.saves[0][1] if saved is None else saved
            self.saves = [(time, each) for time, each in self.saves if time <= now - old]
            self.saves = self.saves or [(START_MS, saved)]
        if self.log is not None:
            self.log(self.clock.now_ms, "process", f"dies; what it saved is {old} ms old")
        exchange.died = True
        self.life = self.exchange = None
        self.number += 1
        self.watch.follow(None, None)
        self.venue.listen(None)
        self.result.crashes += 1
        self.clock.call_at(now + 500 + int(size * 5_000), partial(self._start, saved))

    def _total(self, life: Life) -> Decimal:
        return life.total(life.manager.snapshot())

    # The strategy

    def _on_event(self, update: OrderUpdate) -> None:
        if self.life is not None:
            if self.log is not None:
                self.log(
                    self.clock.now_ms,
                    "stream",
                    f"{update.client_oid} {update.status} {update.filled}",
                )
            self.life.manager.on_order_update(update)
            self._poke()

    def _poke(self) -> None:
        if not self.poked and self.life is not None:
            self.poked = True
            self.clock.call_at(self.clock.now_ms, partial(self._trade, self.number))

    def _trade(self, number: int) -> None:
        life = self.life
        if number != self.number or life is None:
            return
        self.poked = False
        if self.price is None or not life.may_trade():
            return
        actions = life.manager.calculate_adjustments(self.price)
        for action in sorted(actions, key=lambda action: action.kind is ActionKind.PLACE):
            self._act(number, life, action)

    def _act(self, number: int, life: Life, action: OrderAction) -> None:
        venue = self.venue

        def answered(answer: Any) -> None:
            if number == self.number:
                result = action_result(action, answer, self._our_ms(), GRID.prefix)
                if self.log is not None:
                    self.log(
                        self.clock.now_ms,
                        "process",
                        f"hears of {action.client_oid}: {result.outcome}",
                    )
                life.manager.apply_action_results([result])
                self._poke()

        if self.log is not None:
            self.log(
                self.clock.now_ms,
                "process",
                f"{action.kind} {action.client_oid}, {action.quantity} at {action.price}",
            )
        if action.kind is ActionKind.PLACE:
            request = order_request(action, GRID.symbol)
            self.watch.sends(action.client_oid)
            venue.send(partial(venue.place, request), answered, coming=action.client_oid)
        else:
            order_id = action.order_id
            assert isinstance(order_id, int)
            venue.send(partial(venue.cancel, order_id), answered, ending=order_id)

    # The market, and what others do

    def _next_trade(self, index: int) -> None:
        if index < len(self.script.market):
            trade = self.script.market[index]
            self.clock.call_at(trade.time_ms, partial(self._on_trade, index, trade))

    def _on_trade(self, index: int, trade: Trade) -> None:
        self.venue.trade(trade)
        self.price = trade.price
        level = (trade.price - 1) // STEP
        if level != self.level:
            self.level = level
            self._poke()
        self._next_trade(index + 1)

    def _happen(self, accident: Accident) -> None:
        if accident.kind == "crash":
            self._die(accident.size)
        else:
            self.others.happen(accident, self.price)
