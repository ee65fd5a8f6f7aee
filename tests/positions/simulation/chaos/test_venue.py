"""What becomes of requests and of events on their way, fault by fault."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderRequest, OrderStatus, Side
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    InsufficientFundsError,
    NetworkError,
)
from cowstate.positions.simulation.chaos.client import ProcessDied
from cowstate.positions.simulation.chaos.faults import TIMEOUT_MS
from cowstate.positions.simulation.chaos.script import START_MS
from tests.positions.simulation.chaos.desk import LOT, Desk


def test_a_message_takes_half_its_latency_at_least() -> None:
    desk = Desk(latency=100)
    before = desk.clock.now_ms
    desk.place()
    assert 100 <= desk.clock.now_ms - before <= 200
    desk.wait(100)
    assert [event.status for _, event in desk.events] == [OrderStatus.NEW]


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        ("lose_request", NetworkError, False),
        ("lose_answer", NetworkError, True),
        ("refuse", InsufficientFundsError, False),
        ("duplicate", DuplicateOrderIdError, True),
    ],
)
def test_a_request_fails_before_or_after_its_effect(
    fault: str, error: type[Exception], placed: bool
) -> None:
    desk = Desk(**{fault: 1})
    before = desk.clock.now_ms
    assert isinstance(desk.place(), error)
    assert (desk.clock.now_ms - before == TIMEOUT_MS) is (error is NetworkError)
    assert len(desk.ledger.engine.orders()) == placed
    assert not desk.venue.flight.coming


def test_a_late_request_arrives_when_its_sender_is_gone_or_too_late_for_the_window() -> None:
    fates = Counter[bool]()
    for seed in range(40):
        desk = Desk(seed, late_request=1)
        answer = desk.place()
        if isinstance(answer, NetworkError):
            under_way = bool(desk.venue.flight.coming)
            desk.wait(10_000)
            assert bool(desk.ledger.engine.orders()) is under_way or not under_way
            fates[bool(desk.ledger.engine.orders())] += 1
            assert not desk.venue.flight.coming
    assert fates[True]
    assert fates[False]


def test_events_are_lost_doubled_late_and_away() -> None:
    def events(**faults: float) -> list[Any]:
        desk = Desk(**faults)
        for number in range(1, 20):
            desk.place(number)
        desk.wait(5_000)
        return [event.order_id for _, event in desk.events]

    numbers = [*range(1, 20)]
    assert events() == numbers
    assert events(lose_event=1) == []
    assert sorted(events(double_event=1)) == sorted(numbers * 2)
    late = events(delay_event=0.5)
    assert sorted(late) == numbers
    assert late != numbers
    desk = Desk()
    desk.hours("gap", 0, 1_000)
    desk.place()
    desk.wait(5_000)
    assert not desk.events
    assert not desk.venue.flight.facts


def test_what_is_under_way_is_known_until_it_arrives() -> None:
    desk = Desk(latency=100)
    desk.venue.send(lambda sent: desk.venue.cancel(1, sent), lambda _: None, ending=1)
    request = OrderRequest("X", Side.BUY, LOT, Decimal(100), "g-100-B1")
    answers: list[Any] = []
    desk.venue.send(lambda sent: desk.venue.place(request, sent), answers.append, coming="g-100-B1")
    flight = desk.venue.flight
    assert ([*flight.coming.values()], [*flight.ending.values()]) == (["g-100-B1"], [1])
    while not desk.ledger.engine.orders():
        desk.wait(1)
    assert not flight.coming
    assert len(flight.facts) == 2
    desk.wait(200)
    assert not flight.facts
    assert not flight.ending
    assert answers[0].order_id == 1


def test_who_listens_no_more_hears_nothing() -> None:
    desk = Desk(latency=100)
    desk.place()
    desk.fill()
    desk.venue.listen(None)
    desk.wait(1_000)
    assert not desk.events
    assert not desk.venue.flight.facts


def test_a_process_that_died_while_it_waited_does_not_go_on() -> None:
    desk = Desk()
    desk.clock.call_at(START_MS + 5, lambda: setattr(desk.exchange, "died", True))
    with pytest.raises(ProcessDied):
        desk.exchange.fetch_positions(["X"])
