"""``cowstate trade`` whose positions cannot be written any more: what it leaves and tells."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest

from cowstate.positions import Trade
from cowstate.positions.book.kept import read_book
from tests.positions.exchange.ccxt.desks import real_ms
from tests.positions.exchange.ccxt.serving import Asked
from tests.positions.live.disks import Disk, limited, small
from tests.positions.live.life import Life
from tests.positions.live.street import LEVELS, SYMBOL, Street, street

__all__ = ["street"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as Linux has disks and limits")


@pytest.fixture
def disk(request: pytest.FixtureRequest, street: Street, tmp_path: Path) -> Iterator[Disk]:
    """Where the positions stand; the venue is on another one."""
    with getattr(request, "param", small)(tmp_path) as disk:
        street.journal = disk.home / "grid.db"
        yield disk


def between_turns(street: Street, do: Callable[[], object], price: str = "60025.0") -> None:
    """Do something when it asks for the price, once; *price* is the answer."""
    done = Event()

    def hold(asked: Asked) -> None:
        if asked.path.endswith("24hr") and not done.is_set():
            done.set()
            street.app.price = price
            do()

    street.app.before = hold


def unwritten(life: Life) -> str:
    """What it printed at its end, which is that of who cannot write."""
    status, printed = life.ended()
    assert status == 3, life.log
    assert "NOT WRITTEN: " in printed
    assert "positions_unwritten" in life.log
    return printed


def goes_on(street: Street) -> None:
    """The next life finds all that this one left, and places nothing twice."""
    with street.life() as life:
        life.until("trading_goes_on")
        life.stopped()
        assert "position_corrected" not in life.log
        assert "breaker_opened" not in life.log
    known = {
        each.client_oid
        for slot in read_book(street.journal).values()
        for each in slot.orders
        # What was noted and never heard of waits until it can no longer arrive.
        if each.order_id is not None and not each.terminal
    }
    assert known == {each.client_oid for each in street.working}
    sent = Counter(
        each.params["newClientOrderId"]
        for each in street.served.asked
        if each.method == "POST" and each.path.endswith("/order")
    )
    assert max(sent.values()) == 1


@pytest.mark.parametrize("disk", [small, limited], indirect=True)
def test_a_full_disk_ends_it_and_what_works_is_told_and_nothing_sent(
    street: Street, disk: Disk
) -> None:
    with street.life() as life:
        life.until("trading_goes_on")
        between_turns(street, lambda: disk.fill(life))
        printed = unwritten(life)
    assert street.served.count("POST", "/order") == LEVELS
    assert not street.served.count("DELETE", "/order")
    assert f"still working at the venue: {LEVELS}" in printed
    for each in street.working:
        assert f"{each.side} {each.quantity:f} at {each.price:f} ({each.client_oid})" in printed
    assert "now: make room on the disk" in printed
    assert "ended by an error of the journal" in printed
    disk.empty()
    goes_on(street)


def test_on_a_full_disk_all_is_cancelled_if_that_is_wanted(street: Street, disk: Disk) -> None:
    with street.life("--cancel-on-exit") as life:
        life.until("trading_goes_on")
        between_turns(street, lambda: disk.fill(life))
        printed = unwritten(life)
    assert not street.working
    assert street.served.count("DELETE", "/order") == LEVELS
    assert "still working at the venue: 0" in printed
    assert "cancelled" not in printed
    # The venue has said so of each, and the book could not be told.
    assert "not known whether" not in printed
    disk.empty()
    goes_on(street)


@pytest.mark.parametrize("more", [[], ["--cancel-on-exit"]])
def test_answers_that_cannot_be_noted_are_of_orders_that_are_known(
    street: Street, disk: Disk, more: list[str]
) -> None:
    """The disk is full between the first order, which was noted, and its answer."""
    filled = Event()

    def fill(asked: Asked) -> None:
        if asked.method == "POST" and asked.path.endswith("/order") and not filled.is_set():
            disk.fill(life)
            filled.set()

    with street.life(*more) as life:
        life.until("trading_began")
        street.app.after = fill
        printed = unwritten(life)
    street.app.after = lambda _: None
    # All of the batch was noted before the first of it left.
    assert street.served.count("POST", "/order") == LEVELS
    assert len(street.working) == (0 if more else LEVELS)
    assert f"still working at the venue: {len(street.working)}" in printed
    disk.empty()
    noted = {each.client_oid for slot in read_book(street.journal).values() for each in slot.orders}
    assert len(noted) == LEVELS
    goes_on(street)


def test_what_was_taken_just_now_is_cancelled_though_the_list_lags(
    street: Street, disk: Disk
) -> None:
    filled = Event()

    def fill(asked: Asked) -> None:
        if asked.method == "POST" and asked.path.endswith("/order") and not filled.is_set():
            street.app.lists = False
            disk.fill(life)
            filled.set()

    with street.life("--cancel-on-exit") as life:
        life.until("trading_began")
        street.app.after = fill
        printed = unwritten(life)
    assert street.served.count("DELETE", "/order") == LEVELS
    assert not street.working
    assert "not cancelled" not in printed
    assert "not known whether" not in printed


def test_a_disk_that_is_full_at_the_end_is_told_there(street: Street, disk: Disk) -> None:
    def stop() -> None:
        disk.fill(life)
        life.tell()

    with street.life("--cancel-on-exit") as life:
        life.until("trading_goes_on")
        between_turns(street, stop)
        printed = unwritten(life)
    assert "ended by SIGTERM" in printed
    assert not street.working
    disk.empty()
    goes_on(street)


@pytest.mark.parametrize("price", ["60025.0", "60005.0"])
def test_a_file_that_is_gone_ends_it_and_nothing_is_cancelled(street: Street, price: str) -> None:
    """Whoever moved it may trade with it. Where the price stands still, the reconciler meets it."""
    with street.life("--cancel-on-exit") as life:
        life.until("trading_goes_on")
        between_turns(street, street.journal.unlink, price)
        printed = unwritten(life)
    assert street.served.count("POST", "/order") == LEVELS
    assert not street.served.count("DELETE", "/order")
    assert "was deleted or replaced" in printed
    assert "nothing was cancelled: what was moved or replaced" in printed
    assert f"still working at the venue: {LEVELS}" in printed
    assert "cancel these orders at the venue before you begin" in printed
    # Whoever begins with a new one all the same, as a supervisor does, is held back.
    street.app.before = lambda _: None
    with street.life() as life:
        assert life.ended() == (2, ""), life.log
    assert "orders that begin with grid work at the venue (grid-59970-B1" in life.log
    assert street.served.count("POST", "/order") == len(street.working) == LEVELS
    for each in street.working:
        street.app.venue.cancel_order(each.order_id, "X")
    with street.life() as life:
        life.until("trading_goes_on")


def test_a_venue_that_is_silent_then_is_told_with_what_is_known_here(street: Street) -> None:
    def cut() -> None:
        street.journal.unlink()
        for _ in range(100):
            street.served.fail("drop", path="openOrders")

    with street.life() as life:
        life.until("trading_goes_on")
        between_turns(street, cut)
        printed = unwritten(life)
    assert "the venue was not heard" in printed
    assert f"working, as far as is known here: {LEVELS}" in printed


def test_on_paper_the_account_is_on_the_same_disk(street: Street, disk: Disk) -> None:
    arguments = ["--paper", "--exchange", "binance", "--symbol", SYMBOL, "--cancel-on-exit"]
    arguments += ["--journal", str(street.journal), "--every", "0.05", "--reconcile", "0.5"]
    street.app.trades.append(Trade(real_ms(), 1, Decimal(60_005), Decimal(1), True))
    filled = Event()

    def fill(asked: Asked) -> None:
        if asked.path.endswith("aggTrades") and not filled.is_set():
            filled.set()
            disk.fill(life)
            street.app.trades.append(Trade(real_ms(), 2, Decimal(59_990), Decimal(1), True))

    with Life(street.served.address, arguments) as life:
        life.until("trading_goes_on")
        street.app.before = fill
        printed = unwritten(life)
    assert "the venue was not heard" in printed
    assert "not cancelled, or not known to be: 10" in printed


def test_where_nobody_reads_the_end_it_is_in_the_log_and_in_the_exit_status(
    street: Street, disk: Disk
) -> None:
    with street.life() as life:
        life.until("trading_goes_on")
        assert life.process.stdout is not None
        life.process.stdout.close()
        between_turns(street, lambda: disk.fill(life))
        assert life.process.wait(60) == 3, life.log
        life.reader.join(60)
    assert f"still working at the venue: {LEVELS}" in life.log
    assert "now: make room on the disk" in life.log
