"""What a venue reports of an account: signs, legs, kinds and fees."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.book.model import EXACT, Side
from cowstate.positions.book.reports import (
    FeeAsset,
    Leg,
    PositionReport,
    TradeKind,
    TradeReport,
)
from cowstate.positions.errors import AmountTypeError, AmountValueError

TRADE = TradeReport(1, 2, "x", "BTCUSDT", Side.BUY, Decimal(1), Decimal(2))
amounts = st.decimals(min_value=0, max_value=10**6, places=6)


def test_reports_refuse_floats_too():
    assert PositionReport("BTCUSDT", Decimal("-0.5")).quantity == Decimal("-0.5")
    with pytest.raises(AmountTypeError):
        PositionReport("BTCUSDT", 0.5)
    for name in ("price", "quantity"):
        with pytest.raises(AmountTypeError):
            TRADE.replace(**{name: 0.5})
        with pytest.raises(AmountValueError):
            TRADE.replace(**{name: Decimal(0)})


@pytest.mark.parametrize(
    ("leg", "quantity"), [(Leg.LONG, "-0.5"), (Leg.SHORT, "0.5"), (Leg.SHORT, "1E-9")]
)
def test_a_leg_has_one_sign(leg, quantity):
    with pytest.raises(AmountValueError, match="other sign"):
        PositionReport("BTCUSDT", Decimal(quantity), leg=leg)
    assert PositionReport("BTCUSDT", -Decimal(quantity), leg=leg).leg is leg
    assert PositionReport("BTCUSDT", Decimal(0), leg=leg).leg is leg


@given(st.sampled_from(Side), amounts.filter(bool), amounts, st.sampled_from(FeeAsset))
def test_only_a_fee_in_the_base_asset_moves_the_position_and_it_moves_it_down(
    side, quantity, fee, asset
):
    trade = TRADE.replace(side=side, quantity=quantity, fee=fee, fee_asset=asset)
    assert trade.filled == side.sign * quantity
    taken = fee if asset is FeeAsset.BASE else 0
    assert EXACT.subtract(trade.filled, trade.moved) == taken
    assert trade.replace(fee=None).moved == trade.filled


@pytest.mark.parametrize("kind", TradeKind)
def test_only_what_is_no_trade_may_move_nothing(kind):
    nothing = {"quantity": Decimal(0), "price": Decimal(0)}
    if kind in (TradeKind.TRADE, TradeKind.LIQUIDATION):
        with pytest.raises(AmountValueError):
            TRADE.replace(kind=kind, **nothing)
    else:
        assert TRADE.replace(kind=kind, order_id=None, client_oid=None, **nothing).moved == 0


@pytest.mark.parametrize("name", ["trade_id", "order_id"])
def test_the_ids_of_a_venue_are_numbers_or_text(name):
    assert getattr(TRADE.replace(**{name: "7c1f-22"}), name) == "7c1f-22"
    for wrong in (7.0, b"7", True):
        with pytest.raises(ArgumentTypeError, match=f"^{name} is .*not int or str"):
            TRADE.replace(**{name: wrong})
    with pytest.raises(ArgumentValueError, match=f"^{name} is empty"):
        TRADE.replace(**{name: ""})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("side", "BUY"),
        ("time_ms", 1.5),
        ("fee_asset", "BTC"),
        ("kind", "TRADE"),
        ("leg", "NET"),
        ("client_oid", 7),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(name, wrong):
    with pytest.raises(ArgumentTypeError, match=f"^{name} is of type"):
        TRADE.replace(**{name: wrong})
    with pytest.raises(AmountTypeError, match=r"^fee is of type float"):
        TRADE.replace(fee=0.1)


def test_reports_survive_pickling():
    report = PositionReport("BTCUSDT", Decimal(1), 5, Leg.LONG)
    assert pickle.loads(pickle.dumps((TRADE, report))) == (TRADE, report)
