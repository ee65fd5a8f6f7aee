"""Virtual time for real threads: no sleeps here, so every wait is for something that happens."""

from __future__ import annotations

import signal
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, ClosedError
from cowstate.positions.errors import ClockError
from cowstate.positions.simulation.threaded import ThreadedClock

SOON = 300  # seconds; only a test that fails waits for so long


def run(target):
    """Start a thread and return it with the list of what it raised."""
    raised = []

    def body():
        try:
            target()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread, raised


def join(*threads):
    for thread in threads:
        thread.join(SOON)
        assert not thread.is_alive()


@given(st.lists(st.integers(0, 50)))
def test_events_come_in_order_of_time_and_equal_ones_in_order_of_insertion(due):
    seen = []
    with ThreadedClock() as clock:
        for number, time_ms in enumerate(due):
            clock.call_at(time_ms, lambda n=number: seen.append((clock.now_ms, n)))
        clock.run_until(100)
    assert seen == sorted((time_ms, number) for number, time_ms in enumerate(due))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=20), st.integers(0, 30))
def test_every_item_is_handled_once_in_order_and_no_wait_is_too_short(items, lead):
    seen = {n: [] for n in range(4)}
    short = []
    with ThreadedClock(lead_ms=lead) as clock:

        def handler(n):
            def handle(batch):
                until = clock.now_ms + 7
                clock.wait_until(until)
                short.extend([n] if clock.now_ms < until else [])
                seen[n].extend(batch)

            return handle

        inboxes = [clock.participant(f"p{n}", handler(n)) for n in range(4)]
        for time_ms, n in items:
            clock.call_at(time_ms, lambda n=n, t=time_ms: inboxes[n].put(t))
        clock.settle()
    assert short == []
    assert seen == {n: sorted(t for t, m in items if m == n) for n in range(4)}


class RunsAway(ThreadedClock):
    """The seeded bug: being given work does not count, as if one became busy on waking up."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._busy_since = Forgetful()


class Forgetful(dict):
    def setdefault(self, key, value):
        return value

    def __setitem__(self, key, value):
        pass


class Watched(threading.Condition):
    """A condition that tells when somebody begins to wait for it."""

    def __init__(self, lock, event):
        super().__init__(lock)
        self._event = event

    def wait(self, timeout=None):
        self._event.set()
        return super().wait(timeout)


def furthest_lead(clock):
    """Return how far the driver runs ahead of a participant that is busy from time 10 on."""
    stopped = threading.Event()  # the driver waits, or has got to the end
    clock._gate = Watched(clock._lock, stopped)
    handled = threading.Event()
    leads = []

    def handle(_):
        assert stopped.wait(SOON)
        leads.append(clock.now_ms - 10)
        handled.set()

    def drive():
        clock.run_until(1_000)
        stopped.set()
        assert handled.wait(SOON)

    with clock:
        inbox = clock.participant("p", handle)
        clock.call_at(10, lambda: inbox.put("work"))
        for time_ms in range(0, 1_000, 5):
            clock.call_at(time_ms, lambda: None)
        driver, raised = run(drive)
        join(driver)
    assert raised == []
    return leads[0]


@pytest.mark.parametrize(("lead", "furthest"), [(0, 0), (4, 0), (5, 5), (99, 95)])
def test_the_driver_runs_ahead_of_a_busy_participant_by_the_lead_at_most(lead, furthest):
    assert furthest_lead(ThreadedClock(lead_ms=lead)) == furthest


def test_a_participant_is_busy_since_it_was_given_work_however_late_it_takes_it():
    clock = ThreadedClock(lead_ms=20)
    taken = []
    with clock:
        release, entered = threading.Event(), threading.Event()

        def handle(items):
            entered.set()
            assert release.wait(SOON)
            with clock._lock:
                taken.append((items, clock._busy_since[inbox]))

        inbox = clock.participant("p", handle)
        inbox.put("first")
        assert entered.wait(SOON)
        inbox.put("second")  # at 0, while it works on the first
        clock.run_until(15)
        release.set()
        clock.settle()
    assert taken == [(("first",), 0), (("second",), 0)]


def test_that_test_catches_a_clock_that_runs_away():
    assert furthest_lead(RunsAway(lead_ms=5)) > 5


def test_a_thread_that_participates_holds_time_back_and_lets_it_go_when_it_ends():
    clock = ThreadedClock(lead_ms=0)
    registered, stopped = threading.Event(), threading.Event()
    clock._gate = Watched(clock._lock, stopped)
    seen = []

    def loop():
        with clock.participating():
            registered.set()
            assert stopped.wait(SOON)
            seen.append(clock.now_ms)
            for until in (30, 60):
                stopped.clear()
                clock.wait_until(until)
                seen.append(clock.now_ms)

    with clock:
        thread, raised = run(loop)
        assert registered.wait(SOON)
        for time_ms in range(5, 200, 5):
            clock.call_at(time_ms, lambda: None)
        clock.run_until(200)
        join(thread)
    assert raised == []
    assert seen == [0, 30, 60]


def test_settle_waits_for_the_work_that_goes_on():
    done = []
    with ThreadedClock() as clock:

        def second(items):
            clock.wait_until(clock.now_ms + 5)
            done.extend(items)

        inbox = clock.participant("second", second)

        def first(items):
            clock.wait_until(clock.now_ms + 5)
            for item in items:
                inbox.put(item)

        clock.participant("first", first).put("passed on")
        clock.settle()
        assert done == ["passed on"]
        assert clock.now_ms == 10


def test_close_wakes_everybody():
    clock = ThreadedClock()
    entered = threading.Barrier(3)
    ended = []

    def handle(_):
        entered.wait(SOON)
        try:
            clock.wait_until(10**9)
        except ClosedError:
            ended.append("participant")
            raise

    def outsider():
        entered.wait(SOON)
        with clock.participating():
            clock.wait_until(10**9)

    clock.participant("idle", print)
    clock.participant("waiting", handle).put(None)
    thread, raised = run(outsider)
    entered.wait(SOON)
    clock.close()
    join(thread, *clock._threads)
    assert ended == ["participant"]
    assert [type(error) for error in raised] == [ClosedError]
    with pytest.raises(ClosedError):
        clock.run_until(10**9)
    with pytest.raises(ClosedError):
        clock.participant("late", print)


def test_a_participant_may_close_the_clock():
    clock = ThreadedClock()
    clock.participant("last", lambda _: clock.close()).put(1)
    with pytest.raises(ClosedError):
        clock.run_until(1_000)
    clock.close()
    join(*clock._threads)


def test_a_driver_that_is_held_back_is_woken_by_close():
    clock = ThreadedClock(lead_ms=0)
    held_back = threading.Event()
    clock._gate = Watched(clock._lock, held_back)
    with clock.participating():
        driver, raised = run(lambda: clock.run_until(1_000))
        assert held_back.wait(SOON)
        clock.close()
        join(driver)
    assert [type(error) for error in raised] == [ClosedError]


def test_what_a_participant_raises_comes_out_of_the_driver():
    def handle(items):
        raise LookupError(items)

    with ThreadedClock() as clock:
        other = clock.participant("other", lambda _: clock.wait_until(10**6))
        inbox = clock.participant("failing", handle)
        clock.call_at(1, lambda: other.put(1))
        clock.call_at(5, lambda: inbox.put("bad"))
        with pytest.raises(LookupError, match="bad"):
            clock.run_until(1_000)
        join(*clock._threads)


def test_what_a_participant_raises_when_nobody_drives_comes_out_of_the_with_block():
    failing = threading.Event()

    def handle(_):
        failing.set()
        raise LookupError("unseen")

    with pytest.raises(LookupError, match="unseen"), ThreadedClock() as clock:
        clock.participant("failing", handle).put(1)
        assert failing.wait(SOON)


def test_an_error_of_an_event_wakes_the_participants_and_comes_out_of_the_driver():
    def fail():
        raise LookupError("tape torn")

    with ThreadedClock() as clock:
        clock.participant("waiting", lambda _: clock.wait_until(10**6)).put(1)
        clock.call_at(5, fail)
        with pytest.raises(LookupError, match="tape torn"):
            clock.run_until(1_000)
        join(*clock._threads)


@pytest.fixture
def once_interrupted():
    """Ctrl-C raises here once, whatever the tests were started with, and then does nothing."""
    heard = []

    def interrupt(number, frame):
        if not heard:
            heard.append(number)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.usefixtures("once_interrupted")
def test_ctrl_c_while_the_driver_is_held_back_ends_all_threads():
    clock = ThreadedClock(lead_ms=0)
    held_back, ended = threading.Event(), threading.Event()
    clock._gate = Watched(clock._lock, held_back)
    main = threading.main_thread().ident
    seen = []

    def handle(_):
        seen.append(held_back.wait(SOON))
        # CPython looks for signals before it lets a thread sleep, and when one wakes it. What comes
        # between the two is slept through, so this does what anybody would do, and presses again.
        for _ in range(100 * SOON):
            signal.pthread_kill(main, signal.SIGINT)
            if ended.wait(0.01):
                break
        seen.append(ended.is_set())

    with pytest.raises(KeyboardInterrupt), clock:
        clock.participant("working", handle).put(1)
        try:
            clock.run_until(1_000)
        finally:
            ended.set()
    assert seen == [True, True]
    assert not any(thread.is_alive() for thread in clock._threads)


def test_a_wait_on_the_drivers_own_thread_drives():
    seen = []
    with ThreadedClock() as clock:
        clock.call_at(5, lambda: (clock.wait_until(20), seen.append(clock.now_ms)))
        clock.call_at(10, lambda: seen.append(clock.now_ms))
        clock.wait_until(50)
    assert seen == [10, 20]


def test_there_is_one_driver_and_it_is_no_participant():
    inside, done = threading.Event(), threading.Event()
    with ThreadedClock() as clock:
        clock.call_at(1, lambda: (inside.set(), done.wait(SOON)))
        driver, raised = run(lambda: clock.run_until(10))
        assert inside.wait(SOON)
        with pytest.raises(ClockError, match="another thread"):
            clock.run_until(10)
        done.set()
        join(driver)
        assert raised == []
        with clock.participating():
            with pytest.raises(ClockError, match="wait_until"):
                clock.run_until(10)
            with pytest.raises(ClockError, match="already"), clock.participating():
                pass


def test_bad_arguments_are_refused():
    with pytest.raises(ArgumentValueError, match="lead_ms"):
        ThreadedClock(lead_ms=-1)
    for use in (
        lambda: ThreadedClock(lead_ms=1.5),
        lambda: ThreadedClock(0.5),
        lambda: ThreadedClock().call_at(0.5, print),
        lambda: ThreadedClock().wait_until(0.5),
    ):
        with pytest.raises(ArgumentTypeError):
            use()
