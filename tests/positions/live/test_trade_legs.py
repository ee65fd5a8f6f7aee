"""``cowstate trade`` and ``reconcile`` at an account in hedge mode: the long leg, and no other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.positions.live.life import Life
from tests.positions.live.street import LEVELS, Street, on_street

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

LONG = ("--leg", "long")


@pytest.fixture
def hedged(tmp_path: Path) -> Iterator[Street]:
    with on_street(tmp_path, hedged=True) as street:
        yield street


def refused(life: Life) -> str:
    status, printed = life.ended()
    assert (status, printed) == (2, "")
    return life.log


def test_it_trades_the_long_leg_and_counts_nothing_of_the_short_one(hedged: Street) -> None:
    with hedged.life(*LONG) as life:
        life.until("trading_goes_on")
        hedged.trade("59990", "0.7")
        life.until("order_filled", 2)
        printed = life.stopped()
        assert "position_corrected" not in life.log
        assert "breaker_opened" not in life.log
    assert "position: 0.7" in printed
    hedged.agrees()
    placed = [each for each in hedged.served.asked if each.method == "POST"]
    assert len(placed) >= LEVELS
    assert {each.params["positionSide"] for each in placed} == {"LONG"}


def test_an_account_in_the_other_mode_is_refused_before_a_file_is_made(hedged: Street) -> None:
    with hedged.life() as life:
        assert "--leg long" in refused(life)
    assert not hedged.journal.exists()


def test_positions_are_of_one_leg(hedged: Street) -> None:
    with hedged.life(*LONG) as life:
        life.until("trading_goes_on")
        life.stopped()
    hedged.app.hedged = False
    hedged.app.exchange = hedged.app.venue
    with hedged.life() as life:
        assert "--journal holds positions in the long leg" in refused(life)
    assert hedged.position == Decimal(0)
