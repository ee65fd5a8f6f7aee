"""The oracle is tested itself: who sees the truth is harmless, and each seeded bug is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cowstate.positions.simulation.chaos.campaign import RULES, Row, run_campaign
from cowstate.positions.simulation.chaos.result import Ending
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said
from cowstate.positions.simulation.chaos.world import live, silenced
from cowstate.positions.simulation.chaos.worlds import WORLDS, specs_of
from tests.positions.simulation.chaos import twins
from tests.positions.simulation.chaos.interval import IntervalLife
from tests.positions.simulation.chaos.truth import TruthLife

EACH_ONCE = len(WORLDS)


def lived(rule: Any, count: int, world: str | None = None, **faults: float) -> Row:
    return run_campaign(specs_of(count, name=world, **faults), {"it": rule}).row("it")


def test_who_sees_the_truth_does_no_harm_and_heals_in_every_world() -> None:
    row = lived(TruthLife, EACH_ONCE)
    assert row.worlds == EACH_ONCE
    assert row.crashes
    assert row.needed > 30
    assert row.halts_right
    assert (row.harmful, row.unavoidable, row.halts_small, row.halts_wrong) == (0, 0, 0, 0)
    assert (row.missing, row.unhealed, row.failed, row.silent) == (0, 0, 0, 0)
    assert (row.false_exact, row.untold, row.profit_wrong) == (0, 0, 0)


# Row by row what was found in the wild: a twin with that bug, a world where it shows, and how the
# oracle calls it.
FOUND: list[tuple[str, Any, str, dict[str, float], Callable[[Row], int]]] = [
    (
        "a list that lags hides the order's own answer, and its fill is counted twice",
        twins.ThrowsAnswersAway,
        "open_lag",
        {"lose_event": 0.6},
        lambda row: row.harmful,
    ),
    (
        "a position that lags overwrites a valid fill",
        twins.BelievesThePosition,
        "position_lag",
        {"market": 2},
        lambda row: row.harmful,
    ),
    (
        "not found yet is taken for denied",
        twins.HaltsWhereNothingIsFound,
        "not_found",
        {},
        lambda row: row.halts_wrong,
    ),
    (
        "a fact that contradicts silences it for ever",
        twins.TriesTheSameFactForEver,
        "edited",
        {},
        lambda row: row.unhealed and row.untold,
    ),
    (
        "no verdict in a moving market",
        twins.SaysNothingWhileAnythingMoves,
        "liveliest",
        {"manual_large": 1, "market": 8},
        lambda row: row.missing,
    ),
    (
        "a divergence that changes at each pass never halts",
        twins.WaitsForTheSameNumber,
        "drifting",
        {"manual_large": 60, "market": 0.2},
        lambda row: row.missing,
    ),
    (
        "a query that always errs, and nobody is told",
        twins.NeedsTheTrades,
        "no_trades",
        {},
        lambda row: row.untold,
    ),
    (
        "the open breaker is lost with the process",
        twins.ForgetsTheBreaker,
        "manual_large",
        {"crash": 2},
        lambda row: row.missing,
    ),
    (
        "an order refused as duplicate is noted as rejected",
        twins.TakesDuplicatesForRefusals,
        "duplicate",
        {"lose_event": 0.6, "duplicate": 0.5},
        lambda row: row.unhealed,
    ),
    (
        "an order that was purged locks its slot for ever",
        twins.NeverForgets,
        "purging",
        {},
        lambda row: row.unhealed,
    ),
    (
        "and opens the breaker again at each reset",
        twins.HaltsAtWhatIsPurged,
        "purging",
        {},
        lambda row: row.halts_wrong,
    ),
    (
        "no slot to correct, so it halts at one percent",
        twins.HaltsWhereItHasNoSlot,
        "manual",
        {},
        lambda row: row.halts_small,
    ),
    (
        "a short is invented in a long-only grid",
        twins.InventsShorts,
        "manual",
        {},
        lambda row: row.shorts,
    ),
    (
        "small corrections that repeat without end",
        twins.CorrectsWithoutEnd,
        "eroding",
        {},
        lambda row: row.unbounded,
    ),
    ("fills without cost", twins.KnowsNoCosts, "no_cost", {}, lambda row: row.profit_wrong),
    (
        "an empty list of positions read as flat",
        twins.ReadsEmptyAsFlat,
        "empty",
        {},
        lambda row: row.halts_wrong,
    ),
    ("hedge legs summed", twins.SumsLegs, "hedged", {}, lambda row: row.halts_wrong),
    (
        "it says exact while the positions differ",
        twins.SaysThatAllIsWell,
        "manual",
        {},
        lambda row: row.false_exact,
    ),
    (
        "unknown is cancelled",
        twins.CancelsWhatItDoesNotKnow,
        "market",
        {"latency": 800},
        lambda row: row.harmful,
    ),
    (
        "a request that may still arrive is given up",
        twins.GivesUpTooEarly,
        "late_request",
        {},
        lambda row: row.harmful,
    ),
]


@pytest.mark.parametrize(
    ("rule", "world", "faults", "found"),
    [each[1:] for each in FOUND],
    ids=[each[0] for each in FOUND],
)
def test_a_seeded_bug_is_found(
    rule: Any, world: str, faults: dict[str, float], found: Callable[[Row], int]
) -> None:
    assert found(lived(rule, 6, world, **faults))
    # What the twin is found by is its bug, not the world.
    assert not found(lived(TruthLife, 6, world, **faults))


# The promises suffice: who judges by answers alone, and by what they may show, does no harm.

BY_ANSWERS = [
    *("calm", "behind", "position_lag", "trades_lag", "stale", "frozen", "manual", "manual_large"),
    *("drifting", "foreign", "deaf", "forgetful", "reuse", "page", "liquidation", "clock"),
    *("no_stamp", "hedged", "empty", "not_found", "truncated"),
]


def test_who_judges_by_answers_and_true_promises_does_no_harm_and_heals() -> None:
    specs = [spec for name in BY_ANSWERS for spec in specs_of(2, name=name)]
    row = run_campaign(specs, {"it": IntervalLife}).row("it")
    assert (row.harmful, row.halts_wrong, row.missing, row.unhealed) == (0, 0, 0, 0)
    assert (row.false_exact, row.failed) == (0, 0)
    assert row.within
    assert row.halts_right
    assert row.needed > 20


def test_a_promise_that_is_too_bold_shows_what_it_costs() -> None:
    specs = list(specs_of(16, name="position_lag", position_lag=6_000))
    true = run_campaign(specs, {"it": IntervalLife}).row("it")
    bold = run_campaign(specs, {"it": IntervalLife}, told={"positions_lag_ms": 0}).row("it")
    assert true.harmful + true.halts_wrong == 0
    assert bold.harmful + bold.halts_wrong > 0


def test_harm_by_what_came_after_the_last_answer_had_left_is_counted_apart() -> None:
    class Careful(twins.BelievesThePosition):
        """Believes the position that it is shown, where it is shown without lag."""

    row = lived(Careful, 12, "drifting", latency=1_500, manual_large=0, manual=40, market=0)
    assert row.unavoidable
    assert not row.harmful


def test_harm_by_what_no_answer_had_shown_yet_is_counted_apart() -> None:
    faults = {"manual": 40, "manual_large": 0, "market": 0}
    lagging = lived(twins.BelievesThePosition, 8, "drifting", position_lag=6_000, **faults)
    assert lagging.unseen
    assert not lived(twins.BelievesThePosition, 8, "drifting", **faults).unseen


@pytest.mark.parametrize("trades", [True, False])
def test_a_halt_is_missing_only_where_trading_goes_on(trades: bool) -> None:
    class SaysNothing(PresentLife):
        """Knows no divergence; and trades all the same, or waits for its first exact look."""

        def reconcile(self) -> Said:
            return Said(Claim.NONE)

        def may_trade(self) -> bool:
            return trades

    with silenced():
        found = [live(spec, SaysNothing) for spec in specs_of(3, name="manual_large")]
    assert any(result.overdue for result in found) is trades
    # That nobody was told by the end is another matter.
    assert all(result.ending is Ending.MISSING for result in found)


# What the rule does that ours replaces is known: the oracle must say so, or it sees nothing.


def test_the_original_rule_does_harm_plenty() -> None:
    row = lived(RULES["original"], EACH_ONCE)
    assert row.harmful > 2 * EACH_ONCE
    assert row.halts_wrong > 10
    assert row.failed > EACH_ONCE // 3
