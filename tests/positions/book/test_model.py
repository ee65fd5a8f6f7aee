"""The words of the grid trader: what comes in is checked once, and keeps its meaning."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, CowstateError
from cowstate.positions.book.model import (
    EXACT,
    Fill,
    OrderStatus,
    OrderUpdate,
    Side,
    check_amount,
)
from cowstate.positions.errors import AmountTypeError, AmountValueError

UPDATE = OrderUpdate(
    "BTCUSDT", "g-50000-B1", 7, Side.BUY, Decimal(50000), Decimal("0.5"), OrderStatus.NEW
)
AMOUNTS = ("price", "quantity", "filled", "cost")


def test_terminal_statuses_are_those_that_end_an_order():
    assert {status.name for status in OrderStatus if status.terminal} == {
        "FILLED",
        "CANCELED",
        "REJECTED",
        "EXPIRED",
        "EXPIRED_IN_MATCH",
    }


def test_ranks_are_distinct_and_a_terminal_status_outranks_every_other():
    by_rank = sorted(OrderStatus, key=lambda status: status.rank)
    assert len({status.rank for status in OrderStatus}) == len(OrderStatus)
    assert [status.terminal for status in by_rank] == [False] * 3 + [True] * 5
    assert by_rank[0] is OrderStatus.PENDING
    assert by_rank[-1] is OrderStatus.FILLED


@pytest.mark.parametrize("enumeration", [Side, OrderStatus])
def test_members_are_their_values_through_lookup_pickle_and_json(enumeration):
    for member in enumeration:
        assert member == member.name == member.value == str(member)
        assert enumeration(member.value) is member
        assert pickle.loads(pickle.dumps(member)) is member
        assert msgspec.json.decode(msgspec.json.encode(member), type=enumeration) is member


def test_the_sign_of_a_side_is_the_way_position_moves():
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("value", [0.1, 1, True, "0.1", None, Fraction(1, 10)])
def test_an_amount_that_is_no_decimal_is_refused_by_name(name, value):
    with pytest.raises(
        AmountTypeError, match=rf"^{name} is of type {type(value).__name__}"
    ) as caught:
        UPDATE.replace(**{name: value})
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, CowstateError)
    assert (caught.value.name, caught.value.value_type) == (name, type(value))


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize(
    "value", ["NaN", "sNaN", "Infinity", "-Infinity", "-0.1", "1E+99", "1E-99"]
)
def test_an_amount_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(AmountValueError, match=rf"^{name} is {re.escape(value)}") as caught:
        UPDATE.replace(**{name: Decimal(value)})
    assert isinstance(caught.value, ValueError)


def test_amount_errors_survive_pickling():
    for bad in (0.1, Decimal(-1)):
        with pytest.raises(CowstateError) as caught:
            check_amount("price", bad)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again), again.name) == (
            type(caught.value),
            str(caught.value),
            "price",
        )


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=8))
def test_an_amount_passes_with_its_sign_allowed_and_is_not_changed(value):
    assert check_amount("x", value, signed=True) is value
    if value >= 0:
        assert check_amount("x", value) is value
    else:
        with pytest.raises(AmountValueError, match="negative"):
            check_amount("x", value)
    if value > 0:
        assert check_amount("x", value, positive=True) is value
    else:
        with pytest.raises(AmountValueError):
            check_amount("x", value, positive=True)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("side", "BUY", r"use Side\('BUY'\)"),
        ("status", "NEW", r"use OrderStatus\('NEW'\)"),
        ("client_oid", 7, "not str"),
        ("order_id", 7.0, "not int or str"),
        ("order_id", True, "not int or str"),
        ("time_ms", 1.5, "not int"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_and_the_right_one_named(name, value, hint):
    with pytest.raises(ArgumentTypeError, match=rf"^{name} is .*{hint}"):
        UPDATE.replace(**{name: value})


def test_an_update_needs_a_client_id():
    with pytest.raises(ArgumentValueError, match="client_oid is empty"):
        UPDATE.replace(client_oid="")


def test_a_filled_order_that_is_not_full_contradicts_itself():
    with pytest.raises(AmountValueError, match="cumulative"):
        UPDATE.replace(status=OrderStatus.FILLED, filled=Decimal("0.4"))


def test_a_fill_beyond_the_quantity_is_a_fact_and_is_taken():
    update = UPDATE.replace(status=OrderStatus.FILLED, filled=Decimal("0.6"))
    assert update.filled == Decimal("0.6")


def test_a_market_order_has_no_price():
    assert UPDATE.replace(price=Decimal(0)).price == 0


def test_the_price_of_a_fill_is_its_cost_by_its_quantity():
    fill = Fill("50000", "g-50000-B1", 7, Side.BUY, Decimal("0.5"), Decimal("24999.5"), 0)
    assert fill.price == Decimal(49999)


def test_sums_of_money_are_exact_far_beyond_the_default_precision():
    huge, tiny = Decimal(10) ** 36, Decimal(10) ** -36
    assert EXACT.subtract(EXACT.add(huge, tiny), huge) == tiny
