"""The claims of the comparison, as laws of a random world, each broken by seeded bugs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cowstate.positions.book import ledger
from cowstate.positions.reconcile import differences, looks, standing, verdicts
from cowstate.positions.reconcile.evidence import Evidence
from cowstate.positions.reconcile.policy import ReconcilePolicy
from cowstate.positions.reconcile.verdicts import Verdict, VerdictKind, verdict_of
from tests.positions.reconcile.judging import Desk, Judged, World, worlds

EXAMPLES = 150
LOT = Decimal(1)
QUICK = ReconcilePolicy(
    small_part=Decimal("0.5"), hour_part=Decimal(1), looks=2, lasting_ms=1, fresh_ms=10
)


def told(world: World) -> list[tuple[Judged, Evidence, Verdict]]:
    """Each look that is judged, the evidence after it, and the verdict of the pass."""
    found = []
    seen = Evidence()
    for each in Desk(world).run():
        seen = seen.after(each.seen, each.look.came_ms)
        verdict = verdict_of(
            seen,
            now_ms=each.look.came_ms,
            fresh=True,
            accounted=each.standing.accounted,
            lot=LOT,
            policy=QUICK,
        )
        found.append((each, seen, verdict))
    return found


def the_truth_is_possible(world: World) -> None:
    """Claim 1, also where what is held is corrected between the looks."""
    for each in Desk(world).run():
        assert any(truth in each.seen for truth in each.truths)
        if len(each.truths) == 1:
            assert each.truths <= set(each.seen.values)


def it_is_no_wider_than_what_moved_in_the_window(world: World) -> None:
    for each in Desk(world).run():
        assert each.seen.width <= each.moved_in_window


def what_is_proven_is_so(world: World) -> None:
    """Claim 2 and what follows from it, where nothing happens that nobody tells of."""
    for each, seen, verdict in told(world):
        (truth,) = each.truths
        assert seen.possible is not None
        assert truth in seen.possible
        assert truth or not seen.proven
        if verdict.kind is VerdictKind.CORRECT:
            assert seen.exact == truth != 0
        elif verdict.kind is VerdictKind.BREAK:
            assert truth
        elif verdict.kind is VerdictKind.AGREES:
            assert truth == 0


def what_began_within_is_not_hidden(world: World) -> None:
    """Nothing agrees exactly by a look that came wholly after the divergence began."""
    for each, _, verdict in told(world):
        if 0 not in each.truths:
            assert verdict.kind is not VerdictKind.AGREES
        if verdict.kind in (VerdictKind.AGREES, VerdictKind.WITHIN):
            assert each.truths & set(each.seen.values)


def a_modest_promise_allows_more(world: World) -> None:
    for each in Desk(world).run():
        for name in ("positions_lag_ms", "stamp_ms", "clock_ms"):
            strict = world.promises
            modest = strict.replace(**{name: getattr(strict, name) + 7})
            window = looks.window_of(each.look, modest)
            wider = differences.differences(
                each.look, window, each.standing, each.ledger.entries, modest.positions_lag_ms
            )
            assert set(each.seen.values) <= set(wider.values)


def rest_tells_all(world: World) -> None:
    """When nothing has moved for longer than anything lags, one look knows it exactly."""
    desk = Desk(world)
    for _ in desk.run():
        pass
    rest = world.passes[-1]._replace(wait=600, position_lag=4, trades_lag=4, cut=None, correction=0)
    judged = [each for _ in range(2) for each in desk.run_pass(rest)]
    assert judged
    (truth,) = judged[-1].truths
    assert judged[-1].seen.exact == truth
    assert judged[-1].standing.ahead == 0


LAWS: dict[Callable[[World], None], Any] = {
    the_truth_is_possible: st.one_of(worlds(corrections=True), worlds(drifts=True)),
    it_is_no_wider_than_what_moved_in_the_window: worlds(),
    what_is_proven_is_so: worlds(),
    what_began_within_is_not_hidden: worlds(drifts=True),
    a_modest_promise_allows_more: worlds(),
    rest_tells_all: worlds(corrections=True),
}


def check(law: Callable[[World], None], examples: int, **options: Any) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **options,
    )
    @given(LAWS[law])
    def holds(world: World) -> None:
        law(world)

    holds()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_hold(law):
    check(law, EXAMPLES)


# Seeded bugs. Each must break the law beside it.


def too_short_a_window(look, promises):
    window = looks_window_of(look, promises)
    return window.replace(lowest=min(window.lowest + 1, window.highest))


def a_window_without_its_end(look, promises):
    window = looks_window_of(look, promises)
    return window.replace(highest=max(window.highest - 1, window.lowest))


def no_lag_in_the_window(look, promises):
    return looks_window_of(look, promises.replace(positions_lag_ms=0))


def stamps_without_slack(look, promises):
    return looks_window_of(look, promises.replace(stamp_ms=0))


def clocks_without_slack(look, promises):
    return looks_window_of(look, promises.replace(clock_ms=0))


def a_window_without_doubt(look, promises):
    window = looks_window_of(look, promises)
    return window.replace(lowest=window.highest)


def judged_before_the_trades_are_complete(reading, look, promises):
    return reading.complete


def nothing_is_ahead(ledger, slots_total, orders):
    return standing_of(ledger, slots_total, orders).replace(ahead=Decimal(0))


def there_are_no_orphans(ledger, slots_total, orders):
    return standing_of(ledger, slots_total, orders).replace(orphans=Decimal(0))


def others_count_for_nothing(ledger, slots_total, orders):
    return standing_of(ledger, slots_total, orders).replace(others=Decimal(0))


def all_is_due_at_once(history, reading, promises):
    last = history[-1]
    return last.filled, last.learnt_ms


def known_by_the_trade_alone(entry):
    return entry.trade_id


def fees_are_not_taken(trade, fee_asset, base_fee):
    return entry_of(trade, fee_asset, Decimal(0))


def read_from_the_last_answer_on(reading, promises):
    return looks_complete_until(reading, promises.replace(trades_lag_ms=0, clock_ms=0))


looks_window_of = looks.window_of
looks_complete_until = looks.complete_until
standing_of = standing.standing_of
entry_of = ledger.entry_of

TWINS: list[tuple[Any, list[tuple[Any, str]], Callable[[World], None]]] = [
    (too_short_a_window, [(verdicts, "window_of")], the_truth_is_possible),
    (a_window_without_its_end, [(verdicts, "window_of")], the_truth_is_possible),
    (no_lag_in_the_window, [(verdicts, "window_of")], the_truth_is_possible),
    (stamps_without_slack, [(verdicts, "window_of")], the_truth_is_possible),
    (clocks_without_slack, [(verdicts, "window_of")], the_truth_is_possible),
    (a_window_without_doubt, [(verdicts, "window_of")], what_is_proven_is_so),
    (judged_before_the_trades_are_complete, [(verdicts, "covers")], the_truth_is_possible),
    (nothing_is_ahead, [(standing, "standing_of")], the_truth_is_possible),
    (there_are_no_orphans, [(standing, "standing_of")], the_truth_is_possible),
    (others_count_for_nothing, [(standing, "standing_of")], the_truth_is_possible),
    (all_is_due_at_once, [(standing, "due_of")], the_truth_is_possible),
    (known_by_the_trade_alone, [(ledger.Entry, "identity")], the_truth_is_possible),
    (fees_are_not_taken, [(ledger, "entry_of")], the_truth_is_possible),
    (read_from_the_last_answer_on, [(looks, "complete_until")], the_truth_is_possible),
]


@pytest.mark.parametrize(
    ("twin", "places", "law"), TWINS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_seeded_bug_breaks_the_law(twin, places, law, monkeypatch):
    for where, name in places:
        monkeypatch.setattr(where, name, property(twin) if name == "identity" else twin)
    with pytest.raises(AssertionError):
        check(law, 3_000, derandomize=True, phases=[Phase.generate], database=None)
