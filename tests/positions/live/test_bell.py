"""The bell that ends a loop: heard at once, and rung by a signal wherever that comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from queue import SimpleQueue
from time import monotonic, perf_counter_ns

import pytest

from cowstate.positions.live.bell import Bell, Rung, rung_by_signals, striking


def test_whoever_waits_is_woken_and_the_first_reason_stays() -> None:
    bell = Bell()
    bell.wait(0.01)
    assert not bell.why
    ringer = threading.Thread(target=bell.ring, args=("the first",))
    began = monotonic()
    ringer.start()
    bell.wait(60)
    ringer.join()
    bell.ring("the second")
    assert monotonic() - began < 30
    assert bell.why == "the first"
    bell.wait(60)
    assert monotonic() - began < 30


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_handler_may_ring_it_at_any_instruction_of_who_waits() -> None:
    """A `threading.Event` in its place hangs here, sooner or later: see its lock."""
    bells, me = [Bell()], threading.get_ident()
    rounds: SimpleQueue[int | None] = SimpleQueue()

    def ring(number: int, frame: object) -> None:
        bells[-1].ring("a signal")

    def send() -> None:
        for pause in iter(rounds.get, None):
            end = perf_counter_ns() + 1_000 * pause
            while perf_counter_ns() < end:
                pass
            signal.pthread_kill(me, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, ring)
    # Begun before the first signal: where one comes while a thread begins, 3.14t may wait for ever.
    sender = threading.Thread(target=send)
    sender.start()
    try:
        for pause in range(200):
            bells.append(Bell())
            rounds.put(pause)
            bells[-1].wait(60)
            assert bells[-1].why == "a signal"
    finally:
        rounds.put(None)
        sender.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_are_put_back_and_the_second_signal_is_the_systems(
    number: signal.Signals,
) -> None:
    def mine(number: int, frame: object) -> None:
        raise AssertionError

    before = signal.signal(number, mine)
    try:
        bell = Bell()
        with rung_by_signals(bell):
            assert signal.getsignal(number) is not mine
            os.kill(os.getpid(), number)
            assert bell.why == number.name
            for each in (signal.SIGINT, signal.SIGTERM):
                assert signal.getsignal(each) == signal.SIG_DFL
        assert signal.getsignal(number) is mine
    finally:
        signal.signal(number, before)


def test_what_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with rung_by_signals(Bell()):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_terminal_that_is_closed_is_heard_however_often_it_says_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    try:
        with rung_by_signals(bell := Bell()):
            for _ in range(3):
                signal.raise_signal(signal.SIGHUP)
            assert bell.why == "SIGHUP"
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        with rung_by_signals(bell := Bell()):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            assert bell.why == "SIGTERM"
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_is_set() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter() -> None:
        with rung_by_signals(Bell()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_the_second_signal_ends_a_process_that_does_not_listen() -> None:
    text = (
        "import signal, sys\n"
        "from cowstate.positions.live.bell import Bell, rung_by_signals\n"
        "with rung_by_signals(Bell()):\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    print('once', flush=True)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    print('twice')\n"
    )
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert told.returncode == -signal.SIGTERM, told.stderr
    assert told.stdout == "once\n"


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_bell_strikes_where_that_is_wanted_and_nowhere_else() -> None:
    """What waits without a look at it: here a process that never ends by itself."""
    bell = Bell()
    with rung_by_signals(bell), subprocess.Popen(["sleep", "3600"]) as waited_for:
        ringer = threading.Thread(target=_sent_once_it_strikes, args=(bell,))
        ringer.start()
        with pytest.raises(Rung, match="SIGTERM"), striking(bell):
            waited_for.wait(60)
        ringer.join()
        waited_for.kill()
        assert (bell.why, bell.strikes) == ("SIGTERM", False)
    with pytest.raises(Rung, match="SIGTERM"), striking(bell):
        raise AssertionError("it had rung before")
    quiet = Bell()
    with rung_by_signals(quiet):
        with striking(quiet):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert quiet.why == "SIGTERM"


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_a_bell_strikes_once_so_what_it_ends_is_put_away_undisturbed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    put_away = []
    try:
        with rung_by_signals(bell := Bell()), pytest.raises(Rung), striking(bell):
            try:
                signal.raise_signal(signal.SIGHUP)
            finally:
                signal.raise_signal(signal.SIGHUP)
                put_away.append(bell.why)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert put_away == ["SIGHUP"]


def _sent_once_it_strikes(bell: Bell) -> None:
    while not bell.strikes:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
