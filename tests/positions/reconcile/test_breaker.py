"""The circuit breaker: opens once, stays open, is reset by hand, for each symbol apart."""

from __future__ import annotations

import threading

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import BreakerState, CircuitBreaker


def test_it_opens_once_and_keeps_the_first_reason_until_it_is_reset() -> None:
    breaker = CircuitBreaker()
    assert breaker.open("A", "first", 10)
    assert not breaker.open("A", "second", 20)
    assert breaker.state("A") == BreakerState(True, "first", 10, 1)
    assert breaker.reset("A", told="first")
    assert not breaker.reset("A", told="first")
    assert breaker.open("A", "third", 30)
    assert breaker.state("A") == BreakerState(True, "third", 30, 2)


@pytest.mark.parametrize("told", ["", "all is well", "First"])
def test_whoever_resets_it_has_to_say_what_it_is_open_for(told: str) -> None:
    breaker = CircuitBreaker()
    breaker.open("A", "first", 10)
    with pytest.raises(ArgumentValueError, match="'first'"):
        breaker.reset("A", told=told)
    assert breaker.is_open("A")


def test_a_saved_state_is_restored_with_all_that_it_says() -> None:
    breaker = CircuitBreaker()
    breaker.open("A", "first", 10, flatten=True, proof_closes=True)
    other = CircuitBreaker()
    other.restore("A", breaker.state("A"))
    assert other.state("A") == BreakerState(True, "first", 10, 1, True, True)


def test_symbols_are_apart_and_an_unknown_one_is_closed() -> None:
    breaker = CircuitBreaker()
    breaker.open("A", "why", 10)
    assert breaker.is_open("A")
    assert not breaker.is_open("B")
    assert not breaker.reset("B", told="")
    assert breaker.state("B") == BreakerState()


def test_every_change_is_told_in_order() -> None:
    breaker = CircuitBreaker()
    seen: list[tuple[str, bool]] = []
    with breaker.on_change(lambda symbol, state: seen.append((symbol, state.open))):
        breaker.open("A", "why", 10)
        breaker.open("A", "again", 11)
        breaker.open("B", "why", 12)
        breaker.reset("A", told="why")
    breaker.reset("B", told="why")
    assert seen == [("A", True), ("B", True), ("A", False)]


def test_of_many_threads_that_open_it_exactly_one_has_done_it() -> None:
    breaker = CircuitBreaker()
    barrier = threading.Barrier(8)
    opened: list[bool] = []

    def rush() -> None:
        barrier.wait()
        opened.append(breaker.open("A", "why", 10))

    threads = [threading.Thread(target=rush) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False] * 7 + [True]
    assert breaker.state("A").trips == 1


def test_wrong_types_are_refused() -> None:
    breaker = CircuitBreaker()
    with pytest.raises(ArgumentTypeError, match="symbol"):
        breaker.open(7, "why", 1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="reason"):
        breaker.open("A", None, 1)  # type: ignore[arg-type]
