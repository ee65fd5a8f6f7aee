"""What may be done about a divergence: bounds, remedies, and their checks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.errors import AmountTypeError, AmountValueError
from cowstate.positions.reconcile.policy import ReconcilePolicy, Remedy

POLICY = ReconcilePolicy()
COUNTS = {"looks": 1, "lasting_ms": 0, "fresh_ms": 0, "alarm_ms": 0, "queries": 1}
HUNDRED, LOT = Decimal(100), Decimal("0.05")


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("bounds", "under", "at"),
    [
        ({}, "4.99", "5"),
        ({"small_part": Decimal("0.1")}, "9.99", "10"),
        ({"small_most": Decimal(1)}, "0.99", "1"),
        ({"small_lots": Decimal(2)}, "0.09", "0.1"),
        ({"small_lots": Decimal(2), "small_most": Decimal("0.05")}, "0.04", "0.05"),
    ],
)
def test_small_is_under_every_bound(bounds, under, at, sign):
    policy = POLICY.replace(**bounds)
    for size in (HUNDRED, -HUNDRED):
        assert policy.is_small(sign * Decimal(under), size, LOT)
        assert not policy.is_small(sign * Decimal(at), size, LOT)


def test_nothing_is_small_in_a_position_of_nothing():
    assert not POLICY.is_small(Decimal("0.01"), Decimal(0), LOT)


@pytest.mark.parametrize(("name", "least"), COUNTS.items())
def test_counts_are_whole_and_not_too_small(name, least):
    assert getattr(POLICY.replace(**{name: least}), name) == least
    with pytest.raises(ArgumentValueError, match=f"^{name} is {least - 1}; it must be at least"):
        POLICY.replace(**{name: least - 1})
    for wrong in (1.5, True, None, "1"):
        with pytest.raises(ArgumentTypeError, match=f"^{name} is of type .*, not int"):
            POLICY.replace(**{name: wrong})


@pytest.mark.parametrize("name", ["small_part", "hour_part"])
def test_parts_are_from_zero_to_one(name):
    for right in ("0", "1"):
        assert getattr(POLICY.replace(**{name: Decimal(right)}), name) == Decimal(right)
    with pytest.raises(ArgumentValueError, match=f"^{name} is 5; it is a part"):
        POLICY.replace(**{name: Decimal(5)})
    with pytest.raises(AmountValueError):
        POLICY.replace(**{name: Decimal("-0.1")})
    with pytest.raises(AmountTypeError):
        POLICY.replace(**{name: 0.05})


@pytest.mark.parametrize("name", ["small_most", "small_lots", "dust"])
def test_bounds_are_amounts(name):
    with pytest.raises(AmountTypeError):
        POLICY.replace(**{name: 0.05})
    with pytest.raises(AmountValueError):
        POLICY.replace(**{name: Decimal(-1)})


def test_a_halt_for_doubt_comes_after_the_alarm():
    assert POLICY.replace(halt_ms=POLICY.alarm_ms).halt_ms == POLICY.alarm_ms
    with pytest.raises(ArgumentValueError, match="halt_ms is 59999; it must be at least 60000"):
        POLICY.replace(halt_ms=POLICY.alarm_ms - 1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("small", Remedy.ADOPT),
        ("large", Remedy.CORRECT),
        ("large", Remedy.ADOPT),
        ("others", Remedy.CORRECT),
        ("funding", Remedy.REQUERY),
        ("liquidation", Remedy.CORRECT),
        ("adjustment", Remedy.REQUERY),
    ],
)
def test_a_remedy_fits_what_it_is_for(name, wrong):
    with pytest.raises(ArgumentValueError, match=f"^{name} is {wrong}, which there is no way"):
        POLICY.replace(**{name: wrong})
    with pytest.raises(ArgumentTypeError, match=f"^{name} is 'HALT', not a Remedy"):
        POLICY.replace(**{name: "HALT"})
    assert getattr(POLICY.replace(**{name: Remedy.FLATTEN}), name) is Remedy.FLATTEN


@pytest.mark.parametrize("name", ["gate", "dry_run"])
def test_flags_are_yes_or_no(name):
    with pytest.raises(ArgumentTypeError, match=f"^{name} is 1; say True or False"):
        POLICY.replace(**{name: 1})


def test_each_kind_of_entry_has_its_remedy():
    policy = POLICY.replace(
        others=Remedy.REPORT,
        liquidation=Remedy.HALT,
        funding=Remedy.ADOPT,
        adjustment=Remedy.FLATTEN,
    )
    assert {kind: policy.remedy_of(kind) for kind in TradeKind} == {
        TradeKind.TRADE: Remedy.REPORT,
        TradeKind.LIQUIDATION: Remedy.HALT,
        TradeKind.FUNDING: Remedy.ADOPT,
        TradeKind.ADJUSTMENT: Remedy.FLATTEN,
    }
