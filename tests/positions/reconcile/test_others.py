"""What no order of ours explains: by its kind, and taken only when a later look agrees."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.reconcile.others import OthersPlan, plan_others
from cowstate.positions.reconcile.policy import ReconcilePolicy, Remedy

POLICY = ReconcilePolicy(
    others=Remedy.ADOPT,
    liquidation=Remedy.HALT,
    funding=Remedy.REPORT,
    adjustment=Remedy.FLATTEN,
)
ONE = Decimal(1)


def of(*kinds: TradeKind, others_ms: int = 100) -> Ledger:
    return Ledger(settled_others=tuple((kind, ONE) for kind in kinds), others_ms=others_ms)


@pytest.mark.parametrize(
    ("agreed", "taken"), [(None, False), (99, False), (100, False), (101, True)]
)
def test_it_becomes_ours_when_a_look_of_a_later_moment_agrees(agreed, taken):
    kinds = (TradeKind.TRADE,)
    found = plan_others(of(*kinds), agreed, POLICY)
    assert found == (OthersPlan(adopt=kinds) if taken else OthersPlan(waiting=kinds))


def test_each_kind_has_its_remedy():
    found = plan_others(of(*TradeKind), 101, POLICY)
    assert (found.adopt, found.waiting) == ((TradeKind.TRADE,), ())
    assert [remedy for remedy, _ in found.stops] == [Remedy.FLATTEN, Remedy.HALT]
    assert [why.split()[0] for _, why in found.stops] == ["ADJUSTMENT", "LIQUIDATION"]
    assert found.told == ("FUNDING moved the position by 1, and is of no order of ours",)


def test_what_comes_to_nothing_is_nothing():
    back = Tally(9, None, -ONE, -ONE, ONE, 0, 0, False)
    ledger = of(TradeKind.TRADE).replace(tallies=(back,))
    assert plan_others(ledger, 101, POLICY) == OthersPlan()
    assert plan_others(Ledger(), 101, POLICY) == OthersPlan()
