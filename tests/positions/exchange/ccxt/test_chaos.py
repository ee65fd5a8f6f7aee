"""The oracle of `cowstate chaos` judges our rule where it asks through a real client of ccxt."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.positions.simulation.chaos.campaign import RULES, Row, run_campaign
from cowstate.positions.simulation.chaos.worlds import spec_of
from tests.positions.exchange.ccxt.chaotic import through_ccxt

pytest.importorskip("ccxt", reason="the client is not installed here")

# What Binance lists of open orders is all there is. Its trades name no order of ours by our id, and
# it lists nothing among them that is no trade.
AT_BINANCE = {"no_ids": 1} | dict.fromkeys(
    ("page", "truncated", "funding", "liquidation", "adjustment"), 0
)

WORLDS: dict[str, dict[str, Any]] = {
    "position_lag": {},
    "not_found": {},
    "fee": {},
    "hedge": {},
    "no_cost": {},
    "purging": {},
    "storm": {},
    "crash": {},
    "lose_answer": {},
    "rate_limit": {},
    "silent": {},
}


def lived(seed: int, world: str, faults: dict[str, Any]) -> tuple[Row, Row, int]:
    """Live one world through the client and without it."""
    spec = spec_of(seed, world, **AT_BINANCE, **faults)
    with through_ccxt() as (rule, served, broken):
        through = run_campaign([spec], {"ccxt": rule}).row("ccxt")
        assert broken == []
        asked = len(served.asked)
    without = run_campaign([spec], {"ours": RULES["ours"]}).row("ours")
    return through, without, asked


@pytest.mark.parametrize("world", WORLDS)
def test_it_does_no_harm_through_the_client(world: str) -> None:
    row, without, asked = lived(1, world, WORLDS[world])
    assert row.harmful == 0
    assert row.halts_wrong == 0
    assert row.false_exact == 0
    assert row.missing == 0
    assert row.unhealed == 0
    assert row.profit_wrong == 0
    # Whatever happens in the worlds happens, and whatever is asked is asked over the wire.
    assert row.passes > 20
    assert asked >= row.requests > without.requests / 4
