"""What passes note of how late positions are, to the last ms; and what ends a halt, or does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import CorrectionKind, PositionReport, ReconcilePolicy, VenuePromises
from cowstate.positions.book.remembered import Sighting
from tests.positions.reconcile.desk import Desk, Mute, kinds, mute, stray


class Old(Mute):
    """A venue whose answers about positions are of before all trades."""

    lag_ms = 0
    old = True

    @property
    def promises(self) -> VenuePromises:
        return super().promises.replace(positions_lag_ms=self.lag_ms)

    def fetch_positions(self, symbols: Any) -> Any:
        listing = super().fetch_positions(symbols)
        if not self.old:
            return listing
        return listing.replace(items=(PositionReport("X", Decimal(0)),))


def traded(lag_ms: int) -> Desk:
    """A desk at which others trade, and are told of by trades alone."""

    class Lagging(Old):
        pass

    Lagging.lag_ms = lag_ms
    desk = Desk(Lagging)
    desk.later()
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")
    desk.later()
    return desk


def sightings(desk: Desk) -> tuple[Sighting, ...]:
    return desk.manager.snapshot().meta.sightings


def test_an_answer_that_is_just_as_late_as_is_promised_is_not_noted() -> None:
    (seen,) = sightings(traded(0))
    assert seen.promise == "positions_lag_ms"
    assert sightings(traded(seen.most - 1)) == (seen,)
    assert sightings(traded(seen.most)) == ()


def test_nothing_is_noted_of_an_answer_whose_trades_cannot_be_read() -> None:
    desk = traded(0)
    (seen,) = sightings(desk)
    mute(desk, "fetch_my_trades")
    desk.later()
    assert sightings(desk) == (seen,)


def test_an_answer_that_is_of_now_is_not_noted() -> None:
    desk = traded(0)
    before = sightings(desk)
    assert isinstance(desk.exchange, Old)
    desk.exchange.old = False
    desk.later()
    assert sightings(desk) == before


def hand_halted(desk: Desk) -> None:
    desk.reconciler.breaker.open("X", "by hand", desk.now(), proof_closes=True)


def test_a_halt_goes_on_while_there_is_a_reason_though_both_sides_agree() -> None:
    desk = Desk(Mute, policy=ReconcilePolicy(alarm_ms=20_000, halt_ms=30_000))
    desk.later()
    mute(desk, "fetch_open_orders")
    while not desk.reconciler.breaker.is_open("X"):
        desk.later()
    for _ in range(10):
        desk.later()
        assert desk.reconciler.breaker.is_open("X")


@pytest.mark.parametrize("method", ["fetch_positions", "fetch_my_trades"])
def test_a_halt_goes_on_until_a_new_look_agrees(method: str) -> None:
    desk = Desk(Mute, policy=ReconcilePolicy(lasting_ms=0))
    for _ in range(5):
        desk.later()
    hand_halted(desk)
    mute(desk, method)
    desk.later()
    assert desk.reconciler.breaker.is_open("X")
    mute(desk)
    desk.later()
    assert not desk.reconciler.breaker.is_open("X")


def test_what_agreed_before_a_correction_does_not_count_after_it() -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(lasting_ms=0))
    desk.later()
    desk.drift("-0.02")
    while CorrectionKind.POSITION not in kinds(desk.later()):
        pass
    hand_halted(desk)
    desk.later()
    assert desk.reconciler.breaker.is_open("X")
    desk.later()
    assert not desk.reconciler.breaker.is_open("X")
