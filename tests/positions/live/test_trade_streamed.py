"""``cowstate trade`` hears of its orders by the stream where there is one, over real websockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.streaming import Streams, streaming
from tests.positions.live.life import STREAMS
from tests.positions.live.street import LEVELS, Street, street

__all__ = ["street"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@pytest.fixture
def streams(street: Street) -> Iterator[Streams]:
    with streaming(street.app) as streams:
        yield streams


def test_it_is_told_by_the_stream_and_asks_no_longer(street: Street, streams: Streams) -> None:
    # The price is asked for at each look, and the reconciler makes no pass meanwhile.
    with street.life("--reconcile", "600", **{STREAMS: streams.address}) as life:
        life.until("orders_streamed")
        assert len(street.working) == LEVELS
        looked, asked = street.served.count("GET", "ticker"), street.served.count("GET", "openOrd")
        first = max(street.working, key=lambda each: each.price)
        streams.tell(first)
        life.until("trading_goes_on")
        while street.served.count("GET", "ticker") < looked + 20:
            streams.until_taken()
        # Twenty looks at the price, and once now and then at the orders.
        assert street.served.count("GET", "openOrd") <= asked + 2
        street.trade("59990")
        for each in (*street.working, street.app.venue.fetch_order(first.order_id, "X")):
            streams.tell(each)
        life.until("order_filled")
        printed = life.stopped()
        assert "ended by SIGTERM" in printed
        for secret in (KEY, SECRET, *street.app.listen_keys):
            assert secret not in printed + life.log
    street.agrees()


def test_a_stream_that_is_not_there_leaves_it_to_ask(street: Street, streams: Streams) -> None:
    streams.sends_away = 1_000_000
    with street.life(**{STREAMS: streams.address}) as life:
        life.until("orders_polled")
        life.until("trading_goes_on")
        street.trade("59990", "0.7")
        life.until("order_filled", 2)
        life.stopped()
    street.agrees()


def test_who_wants_to_ask_does_not_connect(street: Street, streams: Streams) -> None:
    with street.life("--poll-orders", **{STREAMS: streams.address}) as life:
        life.until("trading_goes_on")
        street.trade("59990", "0.7")
        life.until("order_filled", 2)
        life.stopped()
    assert streams.knocked == 0
    assert street.served.count("POST", "listenKey") == 0
    street.agrees()
