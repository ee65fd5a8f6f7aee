"""Looks judged without trades: what an answer of after a look tells bounds what that may show."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions.reconcile import passes
from cowstate.positions.simulation.chaos.rules import Claim
from tests.positions.incidents.stage import Stage

judge_untraded = passes.judge_untraded


def put_right_in_part(filled_after_ms: int) -> Stage:
    """0.007 was sold by hand, then 0.005 bought, while an order of ours was being filled.

    Nobody tells of trades. The last pass looks, then lists 0.014 of the order as filled, then
    hears of 0.043: so many ms after it began that was so at the venue.
    """
    stage = Stage(no_trades=1)
    stage.buy_at()
    stage.look(12)
    stage.by_hand("-0.007")
    stage.look(2)
    stage.by_hand("0.005")
    stage.fill(1_000, "0.014")
    stage.wait(100)
    stage.at(filled_after_ms, lambda: stage.fill(1_000, "0.029"))
    stage.look()
    return stage


def no_harm_is_done(filled_after_ms: int) -> None:
    stage = put_right_in_part(filled_after_ms)
    assert stage.said[-1].claim is Claim.DIVERGES
    assert not stage.result.corrected
    stage.look(3)
    assert stage.result.corrected == Decimal("0.002")
    assert stage.did_no_harm()
    assert stage.gap().closed


@pytest.mark.parametrize("filled_after_ms", range(70, 401, 30))
def test_a_fill_of_after_the_list_is_not_in_a_look_of_before_it(filled_after_ms: int) -> None:
    """`no_trades` 704614: the fill made -0.007 fit, which was -0.002 by then."""
    no_harm_is_done(filled_after_ms)


def test_a_look_that_allows_more_than_one_number_is_not_acted_on() -> None:
    """The fill came before the list: whether before the look nobody knows."""
    no_harm_is_done(30)
    assert "allows others as well" in put_right_in_part(30).said[-1].why


def blind_to_the_list(look: Any, slots: Any, *others: Any) -> Any:
    """The list of open orders is never taken for newer than the look."""
    ledger, standing, facts, seen, *rest = others
    seen = seen.replace(listed_ms=0)
    return judge_untraded(look, slots, ledger, standing, facts, seen, *rest)


def test_a_seeded_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "judge_untraded", blind_to_the_list)
    with pytest.raises(AssertionError):
        no_harm_is_done(130)
