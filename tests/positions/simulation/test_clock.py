"""Virtual time on one thread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ClosedError
from cowstate.positions.simulation.clock import VirtualClock

times = st.integers(0, 50)


@given(st.lists(times), times)
def test_events_come_in_order_of_time_and_equal_ones_in_order_of_insertion(due, start):
    clock = VirtualClock(start)
    seen = []
    for number, time_ms in enumerate(due):
        clock.call_at(time_ms, lambda n=number: seen.append((clock.now_ms, n)))
    clock.run_until(100)
    expected = sorted((max(time_ms, start), number) for number, time_ms in enumerate(due))
    assert seen == expected
    assert clock.now_ms == 100


@given(st.lists(times), times)
def test_only_what_is_due_happens(due, end):
    clock = VirtualClock()
    seen = []
    for time_ms in due:
        clock.call_at(time_ms, lambda t=time_ms: seen.append(t))
    clock.run_until(end)
    assert seen == sorted(t for t in due if t <= end)
    clock.settle()
    assert seen == sorted(due)


def test_an_event_that_an_event_adds_for_now_happens_in_the_same_run():
    clock = VirtualClock()
    seen = []
    clock.call_at(5, lambda: clock.call_at(1, lambda: seen.append(clock.now_ms)))
    clock.run_until(5)
    assert seen == [5]


@given(st.lists(st.tuples(times, st.integers(0, 30)), max_size=8))
def test_time_never_goes_back_and_a_wait_is_never_too_short(waits):
    clock = VirtualClock()
    seen = []

    def wait(duration):
        seen.append(clock.now_ms)
        until = clock.now_ms + duration
        clock.wait_until(until)
        assert clock.now_ms >= until
        seen.append(clock.now_ms)

    for time_ms, duration in waits:
        clock.call_at(time_ms, lambda d=duration: wait(d))
    clock.settle()
    assert seen == sorted(seen)
    assert len(seen) == 2 * len(waits)


def test_what_is_due_meanwhile_happens_inside_a_wait():
    clock = VirtualClock()
    seen = []

    def look():
        clock.wait_until(20)
        seen.append(("looked", clock.now_ms))

    clock.call_at(10, look)
    clock.call_at(15, lambda: seen.append(("meanwhile", clock.now_ms)))
    clock.call_at(20, lambda: seen.append(("at the end", clock.now_ms)))
    clock.call_at(21, lambda: seen.append(("after", clock.now_ms)))
    clock.run_until(30)
    assert seen == [("meanwhile", 15), ("at the end", 20), ("looked", 20), ("after", 21)]


def test_who_blocked_outside_goes_on_when_who_blocked_inside_has_ended():
    clock = VirtualClock()
    seen = []

    def outer():
        clock.wait_until(20)
        seen.append(("outer", clock.now_ms))

    def inner():
        clock.wait_until(50)
        seen.append(("inner", clock.now_ms))

    clock.call_at(10, outer)
    clock.call_at(15, inner)
    clock.call_at(60, lambda: seen.append(("later", clock.now_ms)))
    clock.settle()
    assert seen == [("inner", 50), ("outer", 50), ("later", 60)]


def test_a_participant_never_runs_inside_itself_and_gets_everything_once():
    clock = VirtualClock()
    depth = 0
    seen = []

    def handle(items):
        nonlocal depth
        depth += 1
        assert depth == 1
        clock.wait_until(clock.now_ms + 10)
        seen.append(items)
        depth -= 1

    inbox = clock.participant("p", handle)
    for time_ms in (0, 3, 4, 25):
        clock.call_at(time_ms, lambda t=time_ms: inbox.put(t))
    clock.settle()
    assert seen == [(0,), (3, 4), (25,)]


def test_a_participant_with_endless_work_does_not_starve_one_that_is_blocked_below_it():
    clock = VirtualClock()
    resumed = []

    def patient(_):
        clock.wait_until(clock.now_ms + 10)
        resumed.append(clock.now_ms)

    def busy(_):
        busy_inbox.put(None)
        clock.wait_until(clock.now_ms + 10)

    patient_inbox = clock.participant("patient", patient)
    busy_inbox = clock.participant("busy", busy)
    clock.call_at(0, lambda: patient_inbox.put(None))
    clock.call_at(5, lambda: busy_inbox.put(None))
    clock.run_until(200)
    assert resumed
    assert resumed[0] <= 20


def test_an_error_comes_out_of_the_outermost_run_though_code_in_between_swallowed_it():
    clock = VirtualClock()

    def swallow():
        try:
            clock.wait_until(20)
        except Exception:
            pass

    def fail():
        raise LookupError("tape torn")

    clock.call_at(10, swallow)
    clock.call_at(15, fail)
    with pytest.raises(LookupError, match="tape torn"):
        clock.run_until(100)
    with pytest.raises(LookupError, match="tape torn"):
        clock.settle()


def test_an_error_passes_through_code_that_blocks_as_it_is():
    clock = VirtualClock()
    clock.call_at(10, lambda: clock.wait_until(20))
    clock.call_at(15, lambda: {}["tape"])
    with pytest.raises(KeyError, match="tape"):
        clock.run_until(100)


def test_a_participant_that_raises_stops_the_clock():
    clock = VirtualClock()

    def handle(items):
        raise LookupError(items)

    clock.participant("p", handle).put(1)
    with pytest.raises(LookupError):
        clock.settle()


def test_a_closed_clock_says_so():
    with VirtualClock() as clock:
        clock.call_at(5, clock.close)
        with pytest.raises(ClosedError):
            clock.run_until(10)
    clock.close()
    for use in (lambda: clock.wait_until(1), lambda: clock.run_until(1), clock.settle):
        with pytest.raises(ClosedError, match="closed"):
            use()


@pytest.mark.parametrize("wrong", [1.5, "1", None, True])
def test_a_time_is_an_int(wrong):
    clock = VirtualClock()
    for use in (
        lambda: clock.call_at(wrong, print),
        lambda: clock.wait_until(wrong),
        lambda: clock.run_until(wrong),
        lambda: VirtualClock(wrong),
    ):
        with pytest.raises(ArgumentTypeError, match="milliseconds"):
            use()
