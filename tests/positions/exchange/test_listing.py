"""Lists say whether they are all, and of which moment."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError
from cowstate.positions import Side
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    InvalidOrderError,
    NetworkError,
    OrderNotFoundError,
    OrderNotFoundYetError,
    OrderPurgedError,
    OrderRefusedError,
    RateLimitedError,
)
from cowstate.positions.exchange.listing import Listing
from cowstate.positions.simulation.clock import VirtualClock
from cowstate.positions.simulation.paper import PaperExchange


def test_a_listing_iterates_over_its_items():
    listing = Listing((3, 1, 2), complete=False, cursor="from:4")
    assert (list(listing), len(listing), listing[0], listing[-1]) == ([3, 1, 2], 3, 3, 2)
    assert pickle.loads(pickle.dumps(listing)) == listing
    assert Listing() == Listing((), complete=True, cursor=None, answered_ms=None, as_of_ms=None)
    assert not Listing()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("items", [1]),
        ("complete", 1),
        ("cursor", 4),
        ("answered_ms", 1.5),
        ("as_of_ms", "now"),
        ("as_of_ms", True),
    ],
)
def test_a_field_of_the_wrong_type_is_refused(name, wrong):
    with pytest.raises(ArgumentTypeError, match=f"^{name} is "):
        Listing(**{name: wrong})


def test_every_answer_of_the_paper_exchange_is_all_and_of_a_known_moment():
    clock = VirtualClock()
    exchange = PaperExchange(clock, "BTCUSDT", latency_ms=50)
    for number, ask in enumerate(
        (
            lambda: exchange.fetch_open_orders("BTCUSDT"),
            lambda: exchange.fetch_positions(["BTCUSDT"]),
            lambda: exchange.fetch_my_trades("BTCUSDT"),
        )
    ):
        told = ask()
        assert told.complete
        assert told.answered_ms == told.as_of_ms == 100 * number + 50
    for ask in (exchange.fetch_open_orders, exchange.fetch_my_trades):
        with pytest.raises(ExchangeError, match="no page 'from:4'"):
            ask("BTCUSDT", cursor="from:4")


def test_what_came_of_a_request_is_told_apart():
    """Whoever handles the general case must not take the special one for its opposite."""
    for kind in (OrderNotFoundYetError, OrderPurgedError):
        assert issubclass(kind, OrderNotFoundError)
    for kind in (InsufficientFundsError, InvalidOrderError):
        assert issubclass(kind, OrderRefusedError)
    # An id that is taken proves an order, and no answer proves nothing: neither is a refusal.
    for kind in (DuplicateOrderIdError, NetworkError, RateLimitedError, OrderNotFoundError):
        assert issubclass(kind, ExchangeError)
        assert not issubclass(kind, OrderRefusedError)


def test_a_limit_says_how_long_to_wait():
    error = pickle.loads(pickle.dumps(RateLimitedError("too many", 250)))
    assert (error.retry_after_ms, str(error)) == (250, "too many")
    assert RateLimitedError("too many").retry_after_ms is None


def test_the_paper_exchange_tells_a_taken_id_from_a_refusal():
    exchange = PaperExchange(VirtualClock(), "BTCUSDT")

    def order(amount: Decimal) -> None:
        exchange.create_order(
            "BTCUSDT", "limit", Side.BUY, amount, Decimal(100), {"clientOrderId": "g-1"}
        )

    with pytest.raises(InvalidOrderError):
        order(Decimal(0))
    order(Decimal(1))
    with pytest.raises(DuplicateOrderIdError):
        order(Decimal(1))
