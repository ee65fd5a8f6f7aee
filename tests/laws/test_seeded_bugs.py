"""The laws catch each of the twins, and do not cry out at a store that has no bug."""

from __future__ import annotations

import sys
from types import CodeType

import pytest

from tests.laws import twins
from tests.laws.calls import Calls
from tests.laws.interrupts import Interrupts
from tests.laws.operations import OPERATIONS
from tests.laws.points import Violations, watched
from tests.laws.twins import (
    FailsWithAnothersError,
    GetsUpByACall,
    GivesTheLockBackByHand,
    HandsOverBeforeItMarks,
    HasNoBug,
    HoldsALockToLook,
    KeepsAFlag,
    LooksBeforeItGivesBack,
    MarksLongBeforeItHandsOver,
    OnlyAWith,
    ReadsAndThenSubscribes,
    RebuildsItsMembers,
    RebuildsItsPins,
    RefusesToPinInsideAWrite,
    ReplacesInTwoSteps,
    ReturnsWhatItDidNotDo,
    Stand,
    Swallows,
    TakesAndThenCounts,
    UpdatesOneByOne,
    WritesWhenItFails,
)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.standing.PATIENCE", 0.3)


def of_twin(code: CodeType) -> bool:
    """Only the code of a twin: what is found is its bug, not one of the store behind it."""
    return code.co_filename == twins.__file__


def once(twin: type[Stand], operation: str) -> Violations:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[operation], violations, twin, of_twin).once(most=10_000)

    return watched(try_all)


def twice(twin: type[Stand], operation: str) -> Violations:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[operation], violations, twin, of_twin).twice(10_000, 10_000)

    return watched(try_all)


def inside(twin: type[Stand], outer: str, inner: str) -> Violations:
    def try_all(violations: Violations) -> None:
        calls = Calls(OPERATIONS[outer], violations, twin, of_twin)
        for point in range(1, calls.points + 1):
            calls.try_call(OPERATIONS[inner], point)
            if violations.enough:
                return

    return watched(try_all)


@pytest.mark.parametrize(
    ("twin", "operation", "said"),
    [
        (KeepsAFlag, "set a known key", "ReentrantWriteError"),
        (GivesTheLockBackByHand, "set a known key", "a lock was left behind"),
        (Swallows, "delete", "was swallowed"),
        (WritesWhenItFails, "set a known key", "version 3 is"),
        (ReturnsWhatItDidNotDo, "delete", "is not its version"),
        (HandsOverBeforeItMarks, "set a known key", "was given"),
        (MarksLongBeforeItHandsOver, "set a known key", "was given"),
        (TakesAndThenCounts, "feed poll", "a feed did not yield"),
        (UpdatesOneByOne, "update all", "nobody was told of versions"),
        (ReplacesInTwoSteps, "replace all", "nobody was told of versions"),
    ],
)
def test_one_exception_shows(twin: type[Stand], operation: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        once(twin, operation).check()


@pytest.mark.parametrize(
    ("twin", "operation", "said"),
    [
        (LooksBeforeItGivesBack, "set a known key", "a lock was left behind"),
        (GetsUpByACall, "wait for what is true", "1 sleep"),
    ],
)
def test_only_a_second_exception_shows(twin: type[Stand], operation: str, said: str) -> None:
    once(twin, operation).check()
    with pytest.raises(AssertionError, match=said):
        twice(twin, operation).check()


def test_a_bare_with_loses_its_lock_from_3_14_on_and_not_before() -> None:
    lost = once(OnlyAWith, "set a known key").found
    assert bool(lost) == (sys.version_info >= (3, 14)), lost


@pytest.mark.parametrize(
    ("twin", "outer", "inner", "said"),
    [
        (RebuildsItsMembers, "subscribe", "subscribe to a key", "3 are open|4 are open"),
        (RebuildsItsPins, "pin", "pin", "is lost"),
        (
            ReadsAndThenSubscribes,
            "subscribe from what is there",
            "set a known key",
            "since 3 it was given what was there at <Commit version=2",
        ),
        (HoldsALockToLook, "statistics", "statistics", "stands still"),
        (RefusesToPinInsideAWrite, "set a known key", "pin", "needs no lock, and was refused"),
        (FailsWithAnothersError, "statistics", "statistics", "failed with RuntimeError"),
    ],
)
def test_a_call_inside_a_call_shows(twin: type[Stand], outer: str, inner: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        inside(twin, outer, inner).check()


@pytest.mark.parametrize("operation", ["set a new key", "delete", "pin and unpin", "feed next"])
def test_one_without_a_bug_is_not_accused(operation: str) -> None:
    once(HasNoBug, operation).check()
    twice(HasNoBug, operation).check()
    inside(HasNoBug, "set a known key", operation).check()
