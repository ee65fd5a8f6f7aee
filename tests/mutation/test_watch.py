"""What is too long: told from what was seen of processes, as if by a clock, and of real ones."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mutation.watch import (
    IDLE,
    NONE,
    PROC,
    Limits,
    Look,
    Watch,
    beyond,
    idle_since,
    longest_idle,
    used_by,
)

INFINITE = float("inf")
on_linux = pytest.mark.skipif(not PROC.exists(), reason="nobody says here what a process used")


@st.composite
def seen(draw: st.DrawFn) -> list[Look]:
    """Looks at something that is busy, and then is not, for as many seconds each as are drawn."""
    stretches = draw(st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=6))
    looks = [Look(0.0, 0.0)]
    for seconds, busy in stretches:
        for _ in range(4 * seconds):
            at, used = looks[-1]
            looks.append(Look(at + 0.25, used + (0.2 if busy else 0.25 * IDLE / 4)))
    return looks


@given(seen())
def test_idle_is_what_uses_next_to_nothing_since_it_last_did(looks: list[Look]) -> None:
    last_busy = max(
        (look.at for before, look in pairwise(looks) if look.used - before.used > 0.1),
        default=0.0,
    )
    # A little of what was done before counts as next to nothing of a long time.
    assert last_busy - 0.05 * looks[-1].at - 0.25 <= idle_since(looks) <= last_busy
    longest = longest_idle(looks)
    assert longest >= looks[-1].at - last_busy
    assert not any(beyond(looks[: n + 1], NONE._replace(idle=longest)) for n in range(len(looks)))
    if longest:
        less = NONE._replace(idle=longest - 0.1)
        assert any(beyond(looks[: n + 1], less) for n in range(len(looks)))


@given(seen())
def test_what_was_used_and_what_has_passed_are_bounded_each_by_its_own(looks: list[Look]) -> None:
    now = looks[-1]
    assert not beyond(looks, Limits(now.used, INFINITE, now.at))
    assert beyond(looks, NONE._replace(used=now.used - 0.001))
    assert beyond(looks, NONE._replace(passed=now.at - 0.001))


@on_linux
def test_who_works_is_seen_to_with_all_that_it_has_started_and_who_waits_is_not() -> None:
    work = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    started = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}])"
    for text in (work, started):
        with subprocess.Popen(
            [sys.executable, "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            used = used_by(process.pid)
            assert 0.25 < used < 10
            assert used_by(process.pid) <= used + 0.1
            process.communicate(b"\n")
        assert used_by(process.pid) == 0


@on_linux
def test_one_may_take_as_much_as_another_several_times_whatever_the_clock_says() -> None:
    watch = Watch()
    with subprocess.Popen(
        [sys.executable, "-c", "while True: pass"], start_new_session=True
    ) as process:
        try:
            while used_by(process.pid) < 0.5:
                assert not watch.is_over(process.pid)
            watch.is_over(process.pid)
            limits = watch.limits(2, 0.25, 4)
            assert limits.used >= 1.25
            assert limits.idle < limits.passed
            second = Watch(limits._replace(idle=INFINITE, passed=INFINITE))
            began = time.monotonic()
            while not second.is_over(process.pid):
                assert time.monotonic() < began + 300
            assert used_by(process.pid) > 1.2
        finally:
            process.kill()
    assert Watch().alarm() == 0
    assert Watch(limits).alarm() > limits.passed
