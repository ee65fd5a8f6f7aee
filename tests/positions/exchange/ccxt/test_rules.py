"""Numbers, rules of a market, and client ids in a venue's alphabet: pure, without a client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import OrderRequest, Side, client_order_id, price_key
from cowstate.positions.errors import InvalidOrderError
from cowstate.positions.exchange.ccxt import BINANCE, BYBIT, KRAKEN, OKX, Alphabet, Rules
from cowstate.positions.exchange.ccxt.amounts import exact, exact_in, whole_ms
from cowstate.positions.exchange.ccxt.rules import check_request, rules_of

amounts = st.decimals(
    min_value=Decimal("1e-9"), max_value=Decimal("1e9"), allow_nan=False, allow_infinity=False
)
prefixes = st.from_regex(r"[A-Za-z0-9]{1,4}", fullmatch=True)
prices = st.integers(1, 10**8).map(lambda n: Decimal(n) / 100)


@given(amounts)
def test_a_number_in_a_text_stays_as_it_is(amount: Decimal) -> None:
    assert exact("amount", str(amount)) == amount == exact("amount", f"{amount:f}")


@pytest.mark.parametrize("value", [0.1, 1.0, True, None, [], b"1"])
def test_what_is_no_exact_number_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="amount is"):
        exact("amount", value)


@pytest.mark.parametrize("value", ["", "x", "NaN", "Infinity", "-Infinity", "sNaN", "1,5"])
def test_a_text_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ArgumentValueError, match="amount is"):
        exact("amount", value)


def test_what_is_not_said_is_none() -> None:
    assert exact_in({"a": "", "b": None}, "a", "b", "c") is None
    assert (whole_ms(""), whole_ms(None), whole_ms(5), whole_ms("7")) == (0, 0, 5, 7)


# Client ids


@pytest.mark.parametrize("venue", [BINANCE, BYBIT, OKX], ids=lambda venue: venue.name)
@given(prefix=prefixes, price=prices, side=st.sampled_from(Side), sequence=st.integers(1, 999))
def test_an_id_of_ours_is_read_back_to_the_letter(
    venue: Any, prefix: str, price: Decimal, side: Side, sequence: int
) -> None:
    ours = client_order_id(prefix, price, side, sequence)
    assume(len(ours) <= venue.alphabet.longest)
    written = venue.alphabet.written(ours)
    assert venue.alphabet.read(written) == ours
    assert len(written) == len(ours)
    if venue is OKX:
        assert written.isalnum()
    if venue is BYBIT:
        assert "." not in written


@given(st.text(alphabet="abZDBS0123456789-_", min_size=1, max_size=20))
def test_an_id_of_others_stays_theirs(text: str) -> None:
    for alphabet in (BINANCE.alphabet, OKX.alphabet, BYBIT.alphabet):
        read = alphabet.read(text)
        # What reads as one of ours is what one of ours is written as.
        assert read == text or alphabet.written(read) == text


@pytest.mark.parametrize(
    ("alphabet", "client_oid", "why"),
    [
        (OKX.alphabet, "my_grid-100-B1", "letters and digits"),
        (BINANCE.alphabet, "grid 100", "takes"),
        (KRAKEN.alphabet, "agridwithalongname-100-B1", "25 characters, and this venue takes 18"),
    ],
)
def test_an_id_that_cannot_be_written_is_refused(
    alphabet: Alphabet, client_oid: str, why: str
) -> None:
    with pytest.raises(InvalidOrderError, match=why):
        alphabet.written(client_oid)


# Rules


def market(**named: Any) -> dict[str, Any]:
    precision = {"amount": "1", "price": "0.5"}
    limits = {"amount": {"min": "1", "max": "100"}, "price": {}, "cost": {"min": None}}
    swap = {"contract": True, "linear": True, "contractSize": "0.01", "settle": "USDT"}
    return {
        "symbol": "BTC/USDT:USDT",
        "id": "BTC-USDT-SWAP",
        "base": "BTC",
        "quote": "USDT",
        "precision": precision,
        "limits": limits,
        **swap,
        **named,
    }


def test_what_is_counted_in_contracts_is_told_in_base_units() -> None:
    rules = rules_of(market())
    assert (rules.contract_size, rules.step, rules.least, rules.most) == (
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal("0.01"),
        Decimal(1),
    )


@pytest.mark.parametrize(
    "named", [{"linear": False, "inverse": True}, {"contract": False, "spot": False}]
)
def test_markets_whose_quantities_mean_something_else_are_refused(named: dict[str, Any]) -> None:
    with pytest.raises(ArgumentValueError, match="linear"):
        rules_of(market(**named))


@pytest.mark.parametrize("size", [None, "", "0", "-1"])
def test_a_contract_of_unknown_size_is_refused(size: str | None) -> None:
    with pytest.raises(ArgumentValueError, match="how much one contract is"):
        rules_of(market(contractSize=size))


def test_an_option_is_refused_though_it_is_called_linear() -> None:
    with pytest.raises(ArgumentValueError, match="option"):
        rules_of(market(option=True))


def test_a_market_with_floats_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="rounded"):
        rules_of(market(precision={"amount": 0.001, "price": "0.1"}))


@given(steps=st.integers(1, 10**6), size=st.sampled_from(["0.001", "1", "0.5", "10"]), off=amounts)
def test_a_multiple_is_taken_and_nothing_else(steps: int, size: str, off: Decimal) -> None:
    step = Decimal(size)
    rules = Rules("X", "X", "B", "Q", "Q", step=step)

    def taken(amount: Decimal) -> bool:
        try:
            check_request(OrderRequest("X", Side.BUY, amount, Decimal(1)), rules)
        except InvalidOrderError:
            return False
        return True

    assert taken(steps * step)
    assume(off < step)
    assert taken(steps * step + off) == (off % step == 0)


@given(amounts)
def test_the_nearest_that_is_named_is_taken(amount: Decimal) -> None:
    rules = Rules("X", "X", "B", "Q", "Q", step=Decimal("0.001"))
    try:
        check_request(OrderRequest("X", Side.BUY, amount, Decimal(1)), rules)
    except InvalidOrderError as error:
        nearest = Decimal(str(error).split("; ")[1].split(" ")[0])
        assert price_key(nearest)
        check_request(OrderRequest("X", Side.BUY, nearest, Decimal(1)), rules)
