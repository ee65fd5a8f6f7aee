"""What a turn leads to: told once, and asked ever more rarely, as rarely as the venue says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import VenuePromises
from cowstate.positions.live.course import (
    LONGEST_REST_S,
    Course,
    Telling,
    Turn,
    after,
    next_pass_s,
    rest_s,
)

REASONS = st.sampled_from(["", "halted", "no look yet"])
FAILED = st.builds(
    Turn,
    failed=st.sampled_from(["no answer", "refused"]),
    wait_ms=st.none() | st.integers(0, 200_000),
    holds=REASONS,
)
WENT = st.builds(
    Turn, placed=st.integers(0, 2), refused=st.integers(0, 2), why=st.just("w"), holds=REASONS
)
TURNS = st.lists(FAILED | WENT, max_size=30)


def courses(turns: list[Turn]) -> list[tuple[Course, tuple[Telling, ...]]]:
    course, found = Course(), []
    for turn in turns:
        course, told = after(course, turn)
        found.append((course, told))
    return found


@given(TURNS)
def test_what_is_told_is_that_something_changed(turns: list[Turn]) -> None:
    """Whoever reads the log alone knows at each turn whether it fails, and what holds it back."""
    failing, holds = False, None
    for turn, (_, told) in zip(turns, courses(turns), strict=True):
        assert len(told) == len(set(told))
        assert (Telling.FAILING in told) == (bool(turn.failed) and not failing)
        assert (Telling.ANSWERED in told) == (failing and not turn.failed)
        assert (Telling.HOLDS in told) == (turn.holds not in ("", holds))
        assert (Telling.TRADES in told) == (turn.holds == "" and holds != "")
        failing, holds = bool(turn.failed), turn.holds


@given(TURNS)
def test_refusals_are_told_when_they_begin(turns: list[Turn]) -> None:
    refusing = False
    for turn, (_, told) in zip(turns, courses(turns), strict=True):
        assert (Telling.REFUSED in told) == (turn.refused > 0 and not refusing)
        refusing = (refusing or turn.refused > 0) and not turn.placed


@given(TURNS, st.floats(0.01, 3_600))
def test_it_rests_as_long_as_it_must_and_no_longer(turns: list[Turn], every_s: float) -> None:
    before = every_s
    for turn, (course, _) in zip(turns, courses(turns), strict=True):
        rest = rest_s(course, every_s)
        wait_s = (turn.wait_ms or 0) / 1_000
        assert rest >= max(every_s, wait_s)
        assert rest <= max(every_s, LONGEST_REST_S, wait_s)
        if not turn.failed and (turn.placed or not course.refusals):
            assert rest == every_s
        elif turn.wait_ms is None:
            own = rest_s(course.replace(wait_ms=None), every_s)
            assert own in (min(2 * before, max(every_s, LONGEST_REST_S)), before) or before > own
        before = rest_s(course.replace(wait_ms=None), every_s)


def test_one_failure_after_another_is_asked_about_ever_more_rarely() -> None:
    turns = [Turn(failed="no answer")] * 8
    rests = [rest_s(course, 1.0) for course, _ in courses(turns)]
    assert rests == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    refused = [rest_s(course, 1.0) for course, _ in courses([Turn(refused=1, why="w")] * 2)]
    assert refused == [2.0, 4.0]
    # One order of many that is refused, as each post-only one now and then, slows nothing down.
    assert rest_s(courses([Turn(refused=1, placed=3, why="w")])[0][0], 1.0) == 1.0


@given(st.floats(0.01, 3_600), st.integers(0, 60_000), st.integers(0, 2_000))
def test_the_first_looks_come_as_soon_as_they_can_be_judged(
    interval_s: float, lag_ms: int, stamp_ms: int
) -> None:
    promises = VenuePromises.exact(trades_lag_ms=lag_ms, stamp_ms=stamp_ms, clock_ms=100)
    assert next_pass_s(False, interval_s, promises) == interval_s
    soon = next_pass_s(True, interval_s, promises)
    assert soon <= interval_s
    assert soon == interval_s or soon * 1_000 > lag_ms + stamp_ms + 200
