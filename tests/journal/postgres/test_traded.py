"""``cowstate trade`` whose positions stand in a database: taken over from, and cut off from it."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from threading import Event

import pytest

from cowstate.positions import PositionManager
from cowstate.positions.book.account import held
from cowstate.positions.book.kept import read_book
from tests.journal.postgres.servers import SOON, Cluster, expire
from tests.journal.postgres.test_taking_over import waiting
from tests.positions.exchange.ccxt.serving import Asked
from tests.positions.live.street import GRID, LEVELS, Street, street

__all__ = ["street"]


@pytest.mark.parametrize("price", ["60025.0", "60005.0"])
def test_who_is_taken_over_from_ends_and_cancels_nothing(
    cluster: Cluster, name: str, street: Street, price: str
) -> None:
    """Where the price stands still, the reconciler meets it."""
    taken = Event()
    with (
        ExitStack() as stack,
        street.life("--cancel-on-exit", "--journal", cluster.url, "--name", name) as life,
    ):

        def take(asked: Asked) -> None:
            if asked.path.endswith("24hr") and not taken.is_set():
                expire(cluster, name)
                other = PositionManager.open(cluster.url, GRID, name=name, wait=SOON)
                stack.enter_context(other)
                street.app.price = price
                taken.set()

        life.until("trading_goes_on")
        street.app.before = take
        status, printed = life.ended()
    assert status == 3, life.log
    assert street.served.count("POST", "/order") == LEVELS
    assert not street.served.count("DELETE", "/order")
    assert "NOT WRITTEN: " in printed
    assert "nothing was cancelled: another process trades with these positions" in printed
    assert f"still working at the venue: {LEVELS}" in printed
    assert "--standby" in printed


def test_a_server_that_is_gone_may_have_given_the_positions_to_another(
    own: Cluster, name: str, street: Street
) -> None:
    gone = Event()

    def stop(asked: Asked) -> None:
        if asked.path.endswith("24hr") and not gone.is_set():
            own.stop()
            street.app.price = "60025.0"
            gone.set()

    words = ["--journal", own.url, "--name", name]
    with street.life("--cancel-on-exit", *words) as life:
        life.until("trading_goes_on")
        street.app.before = stop
        status, printed = life.ended()
    assert status == 3, life.log
    assert street.served.count("POST", "/order") == LEVELS
    assert not street.served.count("DELETE", "/order")
    assert "nothing was cancelled: the server does not say who may write them" in printed
    assert f"still working at the venue: {LEVELS}" in printed
    assert "once the server writes again, give the same command again" in printed
    street.app.before = lambda _: None
    street.app.price = "60005.0"
    own.start()
    with street.life(*words) as life:
        life.until("trading_goes_on")
        life.stopped()
    assert len(street.working) == LEVELS
    assert street.served.count("POST", "/order") == LEVELS


def test_who_stands_by_takes_over_from_a_trader_that_was_killed(
    cluster: Cluster, name: str, street: Street
) -> None:
    words = ["--journal", cluster.url, "--name", name]
    with street.life(*words) as first:
        first.until("trading_goes_on")
        with street.life("--standby", *words) as second:
            second.until("standby_waits")
            while not waiting(cluster, name):
                pass
            first.kill()
            # Filled while nobody is there.
            street.trade("59990", "0.7")
            expire(cluster, name)
            second.until("standby_takes_over")
            second.until("trading_goes_on")
            second.until("order_filled")
            printed = second.stopped()
    assert "position: 0.7" in printed
    sent = Counter(
        each.params["newClientOrderId"]
        for each in street.served.asked
        if each.method == "POST" and each.path.endswith("/order")
    )
    assert max(sent.values()) == 1
    slots = read_book(cluster.url, name=name)
    known = {each.client_oid for slot in slots.values() for each in slot.orders}
    assert known >= set(sent)
    assert held(slots) == street.position


def test_who_waits_for_a_lease_ends_at_once_when_it_is_told(
    cluster: Cluster, name: str, street: Street
) -> None:
    with PositionManager.open(cluster.url, GRID, name=name, lease=1e6) as manager:
        with street.life("--standby", "--journal", cluster.url, "--name", name) as life:
            life.until("standby_waits")
            while not waiting(cluster, name):
                pass
            printed = life.stopped()
            assert "ended by SIGTERM while it stood by; nothing was sent" in printed
        manager.initialize(Decimal(60_005))
    assert not street.working


def test_who_was_stopped_in_a_batch_sends_nothing_of_it_after_the_takeover(
    cluster: Cluster, name: str, street: Street
) -> None:
    """All of it was noted before; the lease, and not a word of ours, lets the other one in."""
    sent, goes_on = Event(), Event()

    def hold(asked: Asked) -> None:
        if asked.method == "POST" and not sent.is_set():
            sent.set()
            assert goes_on.wait(60)

    words = ["--cancel-on-exit", "--journal", cluster.url, "--name", name]
    with street.life(*words) as life:
        street.app.before = hold
        assert sent.wait(60), life.log
        life.tell(signal.SIGSTOP)
        with PositionManager.open(cluster.url, GRID, name=name, wait=SOON) as other:
            noted = {each.client_oid for slot in other.snapshot().values() for each in slot.orders}
            goes_on.set()
            life.tell(signal.SIGCONT)
            status, printed = life.ended()
    assert status == 3, life.log
    assert len(noted) == LEVELS
    assert street.served.count("POST", "/order") == len(street.working) == 1
    assert not street.served.count("DELETE", "/order")
    assert "nothing was cancelled: another process trades with these positions" in printed
