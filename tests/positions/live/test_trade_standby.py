"""``cowstate trade --standby``: who waits for the end of another, and goes on where that stood."""

from __future__ import annotations

import sys
from collections import Counter
from threading import Event

import pytest

from cowstate.positions import PositionManager
from cowstate.positions.book.kept import read_book
from tests.positions.exchange.ccxt.serving import Asked
from tests.positions.live.street import GRID, LEVELS, Street, street

__all__ = ["street"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_stood_by_goes_on_when_the_other_is_killed_at_an_order(
    street: Street, moment: str
) -> None:
    """*before*: the request is lost with its sender; *after*: it was done, and nobody heard."""
    reached, killed, placed, number = Event(), Event(), Event(), 3

    def hold(asked: Asked) -> None:
        if asked.method == "POST" and street.served.count("POST", "/order") == number:
            reached.set()
            assert killed.wait(60)
            if moment == "before":
                raise ConnectionAbortedError

    def hear(asked: Asked) -> None:
        if asked.method == "POST":
            placed.set()

    with street.life() as first:
        first.until("trading_began")
        setattr(street.app, moment, hold)
        assert reached.wait(60), first.log
        with street.life("--standby") as second:
            second.until("standby_waits")
            first.kill()
            killed.set()
            # Now other orders are wanted, and of those that work some no longer.
            street.app.price = "60025.0"
            asked = len(street.served.asked)
            street.app.before, street.app.after = (lambda _: None), hear
            assert placed.wait(60), second.log
            second.until("standby_takes_over")
            printed = second.stopped()
    # It has looked before it trades.
    later = [(each.method, each.path.rsplit("/", 1)[-1]) for each in street.served.asked[asked:]]
    assert later.index(("GET", "positionRisk")) < later.index(("POST", "order"))
    sent = Counter(
        each.params["newClientOrderId"]
        for each in street.served.asked
        if each.method == "POST" and each.path.endswith("/order")
    )
    assert max(sent.values()) == 1
    orders = [each for slot in read_book(street.journal).values() for each in slot.orders]
    assert {each.client_oid for each in orders} >= set(sent)
    assert {
        each.client_oid for each in orders if each.order_id is not None and not each.terminal
    } == {each.client_oid for each in street.working}
    assert f"still working at the venue: {len(street.working)}" in printed


def test_who_stands_by_sends_nothing_and_ends_when_it_is_told(street: Street) -> None:
    with street.life() as first:
        first.until("trading_goes_on")
        with street.life("--standby") as second:
            second.until("standby_waits")
            second.tell()
            status, printed = second.ended()
            assert (status, printed) == (
                0,
                "BTC/USDT:USDT: ended by SIGTERM while it stood by; nothing was sent\n",
            ), second.log
        street.trade("59990", "0.7")
        first.until("order_filled", 2)
        first.stopped()
    street.agrees()


def test_what_could_not_go_on_is_refused_at_once(street: Street) -> None:
    with street.life() as first:
        first.until("trading_goes_on")
        with street.life("--standby", "--step", "20") as second:
            assert second.ended()[0] == 2
            assert "--regrid" in second.log
        with street.life("--standby", "--resume", "as it was told") as later:
            assert later.ended()[0] == 2
            assert "leave out --resume" in later.log
        with street.life() as third:
            assert third.ended()[0] == 2
            assert "is being written by" in third.log
        assert len(street.working) == LEVELS


def test_where_nobody_trades_it_begins_at_once(street: Street) -> None:
    with street.life("--standby") as life:
        life.until("trading_goes_on")
        life.stopped()
        assert "standby" not in life.log
    street.agrees()


@pytest.mark.parametrize("another", [False, True])
def test_what_is_not_there_any_more_is_not_traded_with_anew(street: Street, another: bool) -> None:
    """Its orders work, and are noted in the one that was there."""
    with street.life() as first:
        first.until("trading_goes_on")
        with street.life("--standby") as second:
            second.until("standby_waits")
            if another:
                other = street.journal.with_name("other.db")
                with PositionManager.open(other, GRID):
                    pass
                other.replace(street.journal)
            else:
                street.journal.unlink()
            status, printed = second.ended()
            assert (status, printed) == (2, ""), second.log
            assert "was deleted or replaced while it was waited for" in second.log
            assert "standby_takes_over" not in second.log
        assert first.ended()[0] == 3, first.log
    assert len(street.working) == street.served.count("POST", "/order") == LEVELS
