"""``cowstate trade`` killed with SIGKILL: the same command goes on, and both sides agree."""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from threading import Event

import pytest

from cowstate.positions.book.kept import read_book
from tests.positions.exchange.ccxt.serving import Asked
from tests.positions.live.life import Life
from tests.positions.live.street import LEVELS, Street, street

__all__ = ["street"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_an_order_it_goes_on_and_places_none_twice(street: Street, moment: str) -> None:
    """*before*: the request is lost with its sender; *after*: it was done, and nobody heard."""
    reached, killed, number = Event(), Event(), 3

    def hold(asked: Asked) -> None:
        if asked.method == "POST" and street.served.count("POST", "/order") == number:
            reached.set()
            assert killed.wait(60)
            if moment == "before":
                raise ConnectionAbortedError

    with street.life() as life:
        life.until("trading_began")
        setattr(street.app, moment, hold)
        assert reached.wait(60), life.log
        life.kill()
    killed.set()
    street.app.before = street.app.after = lambda _: None
    noted = {each.client_oid for slot in read_book(street.journal).values() for each in slot.orders}
    # All of the batch was on disk before the first of it left.
    assert len(noted) == LEVELS
    with street.life() as life:
        life.until("trading_goes_on")
        life.stopped()
    sent = Counter(
        each.params["newClientOrderId"]
        for each in street.served.asked
        if each.method == "POST" and each.path.endswith("/order")
    )
    lost = number if moment == "before" else number + 1
    assert max(sent.values()) == 1
    assert len(street.working) == lost - 1
    known = {
        each.client_oid
        for slot in read_book(street.journal).values()
        for each in slot.orders
        if each.order_id is not None
    }
    assert known == {each.client_oid for each in street.working}


def test_killed_while_the_market_moves_it_learns_what_it_missed(street: Street) -> None:
    with street.life() as life:
        life.until("trading_goes_on")
        assert len(street.working) == LEVELS
        life.kill()
    posted = street.served.count("POST", "/order")
    # What is filled while nobody is there, nobody is told of.
    street.trade("59980", "1.2")
    street.app.price = "59985.0"
    assert street.position == Decimal("1.2")
    with street.life() as life:
        life.until("trading_goes_on")
        printed = life.stopped()
    assert "position: 1.2" in printed
    assert street.served.count("POST", "/order") > posted
    sold = sum(each.quantity for each in street.working if each.side == "SELL")
    assert sold == Decimal("1.0")
    street.agrees()


def kill_between_two_orders(street: Street, life: Life) -> None:
    """Kill it when it asks for the price: no order is noted then that has not been sent."""
    reached, killed = Event(), Event()

    def hold(asked: Asked) -> None:
        if asked.path.endswith("24hr"):
            reached.set()
            assert killed.wait(60)

    street.app.before = hold
    assert reached.wait(60), life.log
    life.kill()
    street.app.before = lambda _: None
    killed.set()


def test_killed_again_and_again_it_ends_in_agreement(street: Street) -> None:
    for number in range(2):
        with street.life() as life:
            life.until("trading_began")
            life.until("trading_goes_on")
            street.trade(str(59_990 - 10 * number), "0.3")
            street.app.price = f"{59_995 - 10 * number}.0"
            life.until("order_filled")
            kill_between_two_orders(street, life)
    with street.life() as life:
        life.until("trading_goes_on")
        life.stopped()
    assert street.position == Decimal("0.6")
    street.agrees()
