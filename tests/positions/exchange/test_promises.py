"""What a venue promises: careful where nobody knows, and checked."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.book.reports import FeeAsset
from cowstate.positions.errors import AmountTypeError, AmountValueError
from cowstate.positions.exchange.promises import FOREVER, VenuePromises
from cowstate.positions.simulation.clock import VirtualClock
from cowstate.positions.simulation.paper import PaperExchange

NAMES = [name for name in VenuePromises.__struct_fields__ if name != "unknown"]
NUMBERS = [name for name in NAMES if name.endswith(("_ms", "_page"))]
FLAGS = ["trades_carry_client_ids", "hedged", "empty_is_flat"]
# Of these the careful number is the least: they say how long something is sure to be kept.
LEAST = ["kept_ms", "ids_unique_ms"]
EXACT, CAREFUL = VenuePromises.exact(), VenuePromises.careful()


def test_what_nobody_knows_is_named_and_what_is_told_is_not():
    assert {*NAMES} == CAREFUL.unknown
    assert not EXACT.unknown
    for name in NAMES:
        told = CAREFUL.knowing(**{name: getattr(EXACT, name)})
        assert told.unknown == {*NAMES} - {name}
        assert getattr(told, name) == getattr(EXACT, name)
        assert told == VenuePromises.careful(**{name: getattr(EXACT, name)})


@pytest.mark.parametrize("name", [name for name in NUMBERS if name.endswith("_ms")])
def test_careful_promises_no_more_than_exact(name):
    careful, exact = getattr(CAREFUL, name), getattr(EXACT, name)
    assert careful <= exact if name in LEAST else careful >= exact


def test_a_careful_page_may_always_have_been_cut():
    assert (CAREFUL.trades_page, CAREFUL.orders_page) == (1, 1)
    assert (EXACT.trades_page, EXACT.orders_page) == (0, 0)
    assert not CAREFUL.empty_is_flat
    assert not CAREFUL.trades_carry_client_ids


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_whole_and_not_below_zero(name):
    for wrong in (1.5, "1", None, True):
        with pytest.raises(ArgumentTypeError, match=f"^{name} is of type"):
            EXACT.replace(**{name: wrong})
    with pytest.raises(ArgumentValueError, match=f"^{name} is -1"):
        EXACT.replace(**{name: -1})
    assert getattr(EXACT.replace(**{name: FOREVER}), name) == FOREVER


@pytest.mark.parametrize("name", FLAGS)
def test_flags_are_yes_or_no(name):
    with pytest.raises(ArgumentTypeError, match=f"^{name} is 1; say True or False"):
        EXACT.replace(**{name: 1})


def test_a_fee_is_a_part():
    assert EXACT.replace(base_fee=Decimal("0.001")).base_fee == Decimal("0.001")
    with pytest.raises(AmountTypeError):
        EXACT.replace(base_fee=0.001)
    for wrong in ("-0.1", "NaN"):
        with pytest.raises(AmountValueError):
            EXACT.replace(base_fee=Decimal(wrong))
    with pytest.raises(ArgumentValueError, match="part"):
        EXACT.replace(base_fee=Decimal(1))
    with pytest.raises(ArgumentTypeError, match="FeeAsset"):
        EXACT.replace(fee_asset="BASE")
    assert EXACT.replace(fee_asset=FeeAsset.BASE).fee_asset is FeeAsset.BASE


@pytest.mark.parametrize("make", [VenuePromises.careful, VenuePromises.exact, EXACT.knowing])
def test_a_promise_that_there_is_not_is_refused_by_name(make):
    with pytest.raises(ArgumentValueError, match="'position_lag_ms' is none of a venue's"):
        make(position_lag_ms=5)
    with pytest.raises(ArgumentValueError, match="'unknown' is none"):
        make(unknown=frozenset())


def test_unknown_names_promises():
    with pytest.raises(ArgumentTypeError, match="not a frozenset"):
        EXACT.replace(unknown={"hidden_ms"})
    with pytest.raises(ArgumentValueError, match="'nothing' is none"):
        EXACT.replace(unknown=frozenset({"nothing"}))


def test_they_are_values():
    assert pickle.loads(pickle.dumps(CAREFUL)) == CAREFUL
    assert hash(VenuePromises.careful()) == hash(CAREFUL)
    assert PaperExchange(VirtualClock(), "BTCUSDT").promises == EXACT.replace(lifetime_ms=1_050)
