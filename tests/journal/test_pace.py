"""A follower looks as often as it was told while something comes, and more rarely when not."""

from __future__ import annotations

from threading import TIMEOUT_MAX

from hypothesis import given
from hypothesis import strategies as st

from cowstate.journal.pace import LIVELY, RARELY, RARER, Pace

EVERY = st.floats(1e-6, TIMEOUT_MAX) | st.integers(1, 1000)
LOOKS = st.lists(st.tuples(st.booleans(), st.floats(0, 3)), min_size=1)


@given(every=EVERY, looks=LOOKS)
def test_it_is_as_told_for_a_while_after_each_version_and_never_much_more(
    every: float, looks: list[tuple[bool, float]]
) -> None:
    now, version = 100.0, 0
    pace, found = Pace(every, now), now
    for moves, passed in looks:
        now += passed
        if moves or version == 0:
            version, found = version + 1, now
        pause = pace.pause(version, now)
        if now - found < LIVELY:
            assert pause == every
        else:
            assert every <= pause <= max(every, RARELY)
            assert pause == every * RARER or pause in (RARELY, every)


def test_at_rest_it_is_four_times_as_long_but_for_long_times() -> None:
    for every, rarely in ((0.001, 0.004), (0.01, 0.04), (0.02, 0.05), (0.05, 0.05), (60, 60)):
        pace = Pace(every, 0.0)
        assert pace.pause(1, 0.0) == every
        assert pace.pause(1, LIVELY) == rarely
        assert pace.pause(2, LIVELY) == every
