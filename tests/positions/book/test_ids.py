"""Names: one key for each price, and client order ids that can be read back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions.book.ids import (
    MAX_CLIENT_OID,
    MAX_SEQUENCE,
    ClientOid,
    client_order_id,
    parse_client_oid,
    price_key,
    split_client_oid,
)
from cowstate.positions.book.model import Side
from cowstate.positions.errors import AmountTypeError, AmountValueError, ClientIdError

prices = st.decimals(min_value=Decimal("1E-8"), max_value=10**9, places=8)
prefixes = st.text("abcXYZ019_", min_size=1, max_size=6)
sequences = st.integers(1, MAX_SEQUENCE)
sides = st.sampled_from(Side)


@pytest.mark.parametrize(
    "price", [50000, "50000", "50000.0", Decimal("50000.00"), Decimal("5E+4"), " 50000 ", "+5e4"]
)
def test_every_notation_of_a_price_has_one_key(price):
    assert price_key(price) == "50000"


@given(prices, st.integers(0, 12))
def test_a_key_reads_back_as_the_price_and_ignores_trailing_zeros(price, zeros):
    key = price_key(price)
    assert Decimal(key) == price
    assert price_key(key) == key
    padded = Decimal(format(price, "f") + "0" * zeros)
    assert price_key(padded) == key


@given(prices, prices)
def test_keys_are_equal_exactly_when_prices_are(one, other):
    assert (price_key(one) == price_key(other)) == (one == other)


def test_a_key_is_not_rounded_to_the_precision_of_the_thread():
    price = "123456789012345678.901234567890123456"
    assert price_key(Decimal(price)) == price


@pytest.mark.parametrize("price", [50000.0, True, None, b"1", object()])
def test_a_price_of_the_wrong_type_is_refused(price):
    with pytest.raises(AmountTypeError, match=r"^price is of type"):
        price_key(price)


@pytest.mark.parametrize(
    "price", [0, -1, "0.00", "-5", "NaN", "inf", "", "abc", "1E+5000", "1E-5000"]
)
def test_a_price_that_cannot_be_is_refused(price):
    with pytest.raises(AmountValueError, match=r"^price is"):
        price_key(price)


@given(prefixes, prices, sides, sequences)
def test_a_client_order_id_reads_back_as_what_it_was_made_of(prefix, price, side, sequence):
    text = client_order_id(prefix, price, side, sequence)
    assert len(text) <= MAX_CLIENT_OID
    assert parse_client_oid(text, prefix) == ClientOid(price_key(price), side, sequence)
    assert parse_client_oid(text, prefix + "x") is None
    assert split_client_oid(text) == (prefix, parse_client_oid(text, prefix))


@given(st.from_regex(r"\A[a-z]{1,3}-[0-9]{1,4}(\.[0-9]{0,3})?-[BSX][0-9]{1,9}\n?\Z"))
@example("g-0-B1")
@example("g-050-B1")
@example("g-50.0-B1")
@example("g-50.-B1")
@example("g-50-B0")
@example("g-50-B01")
@example("g-50-B1\n")
@example("g-5\u0660-B1")
def test_whatever_is_taken_for_ours_is_exactly_what_we_would_have_made(text):
    parts = split_client_oid(text)
    if parts is not None:
        prefix, (key, side, sequence) = parts
        assert client_order_id(prefix, key, side, sequence) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "web_F5CNSgkUd5Rxp4UN4eWw", "autoclose-1646759180079333112"),
        *("-50-B1", "g--50-B1", "g-50-B", "g-50-b1", "g-50-B1 ", "g-5\u0660-B1"),
        *("g-0-B1", "g-50.0-B1", "g-050-B1", "g-50-B01", "g-50-B123456789"),
        "g" * 40 + "-50-B1",
    ],
)
def test_a_foreign_id_is_none_of_ours(text):
    assert split_client_oid(text) is None
    assert parse_client_oid(text, "g") is None


@pytest.mark.parametrize("prefix", ["", "a-b", "a b", "ä", "a.b", None, 7])
def test_a_prefix_that_could_not_be_read_back_is_refused(prefix):
    with pytest.raises(ClientIdError, match="prefix"):
        client_order_id(prefix, 50000, Side.BUY, 1)


@pytest.mark.parametrize("sequence", [0, -1, MAX_SEQUENCE + 1, 1.0, True, "1"])
def test_a_sequence_is_an_int_from_one(sequence):
    with pytest.raises(ClientIdError, match="sequence"):
        client_order_id("g", 50000, Side.BUY, sequence)


def test_an_id_too_long_for_the_venues_is_refused_not_cut():
    assert len(client_order_id("g" * 27, 50000, Side.BUY, 1)) == MAX_CLIENT_OID
    with pytest.raises(ClientIdError, match="37 characters"):
        client_order_id("g" * 28, 50000, Side.BUY, 1)
