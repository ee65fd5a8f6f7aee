"""``cowstate trade`` at a venue, by the real client over real HTTP, and how it is stopped."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from decimal import Decimal
from subprocess import TimeoutExpired

import pytest

from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.serving import Asked
from tests.positions.live.life import Life
from tests.positions.live.street import LEVELS, Street, street

__all__ = ["street"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


def until_all_work(street: Street, life: Life) -> None:
    """Wait until the venue holds a whole window of purchases, and the trader knows it."""
    life.until("trading_goes_on")
    assert len(street.working) == LEVELS


def test_it_trades_until_it_is_told_to_stop_and_tells_what_still_works(street: Street) -> None:
    with street.life() as life:
        until_all_work(street, life)
        street.trade("59990", "0.7")
        life.until("order_filled", 2)
        printed = life.stopped()
        assert f"still working at the venue: {len(street.working)}" in printed
        for each in street.working:
            assert f"{each.side} {each.quantity:f} at {each.price:f} ({each.client_oid})" in printed
        # A purchase of half a coin at 60,000 is filled, and 0.2 of the one below.
        assert street.position == Decimal("0.7")
        assert "position: 0.7" in printed
        assert "ended by SIGTERM" in printed
        for secret in (KEY, SECRET):
            assert secret not in printed + life.log
    street.agrees()


def test_what_is_stopped_before_it_has_looked_has_placed_nothing(street: Street) -> None:
    for _ in range(100):  # no look of its life has an answer
        street.served.fail("drop", path="positionRisk")
    with street.life() as life:
        life.until("trading_waits")
        life.tell(signal.SIGINT)
        status, printed = life.ended()
        assert status == 0, life.log
        assert "ended by SIGINT" in printed
    assert "still working at the venue: 0" in printed
    assert not street.served.count("POST", "/order")
    street.agrees()


def test_a_stop_lets_no_order_out_that_has_not_left(street: Street) -> None:
    number = 3

    def stop(asked: Asked) -> None:
        if asked.method == "POST" and street.served.count("POST", "/order") == number:
            life.tell()

    with street.life() as life:
        life.until("trading_began")
        street.app.after = stop
        status, printed = life.ended()
        assert status == 0, life.log
    # The one that was on its way when it came was taken, and its answer heard.
    assert len(street.working) == number
    assert f"still working at the venue: {number}" in printed
    street.agrees()


def test_a_stop_while_the_first_question_is_on_its_way_is_heard(street: Street) -> None:
    def stop(asked: Asked) -> None:
        # Asked once for the account and once for the prices; a second signal would end it at once.
        if asked.path.endswith("exchangeInfo") and street.served.count("GET", "exchangeInfo") == 1:
            life.tell()

    with street.life() as life:
        street.app.after = stop
        status, printed = life.ended()
        assert status == 0, life.log
    assert "ended by SIGTERM" in printed
    assert not street.working


def test_all_is_cancelled_if_that_is_wanted(street: Street) -> None:
    with street.life("--cancel-on-exit") as life:
        until_all_work(street, life)
        printed = life.stopped()
    assert not street.working
    assert street.served.count("DELETE", "/order") == LEVELS
    assert "still working at the venue: 0" in printed
    assert "not cancelled" not in printed
    street.agrees()


def test_what_could_not_be_cancelled_is_told(street: Street) -> None:
    with street.life("--cancel-on-exit") as life:
        until_all_work(street, life)
        street.served.fail("drop", method="DELETE", done=False)
        printed = life.stopped()
    (left,) = street.working
    assert "not cancelled, or not known to be: 1" in printed
    assert f"({left.client_oid})" in printed


def test_a_second_signal_ends_it_at_once(street: Street) -> None:
    def hang(asked: Asked) -> None:
        # Two that come at once are one to the system, so it is told until it has ended.
        while asked.method == "POST" and life.process.poll() is None:
            life.tell()
            with suppress(TimeoutExpired):
                life.process.wait(0.05)

    with street.life() as life:
        life.until("trading_began")
        street.app.before = hang
        status, printed = life.ended()
        assert status == -signal.SIGTERM, life.log
    assert "ended by" not in printed


def test_a_venue_that_stays_silent_is_told_and_asked_again(street: Street) -> None:
    with street.life() as life:
        until_all_work(street, life)
        for _ in range(2):
            street.served.fail("drop", path="24hr")
        life.until("venue_failing")
        life.until("venue_answers")
        life.stopped()
        assert life.log.count("venue_failing") == 1


def test_keys_that_are_refused_end_it_in_words(street: Street) -> None:
    with street.life(COWSTATE_SECRET="another-secret-222222") as life:
        status, printed = life.ended()
        assert status == 2
        assert "Signature for this request is not valid" in life.log
        assert "Traceback" not in life.log
        for secret in (KEY, "another-secret-222222"):
            assert secret not in printed + life.log
    assert not street.working


def test_a_grid_that_the_market_would_refuse_is_never_sent(street: Street) -> None:
    with street.life("--step", "10.03") as life:
        assert life.ended()[0] == 2
        assert "is no multiple of 0.1" in life.log
        assert "--step" in life.log
    assert not street.served.count("POST", "/order")
