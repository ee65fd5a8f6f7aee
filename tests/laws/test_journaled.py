"""The laws of every store hold of one with a journal, whose writes take another way.

Beside what the other files here try of a plain store, a sample, the same on each run: one or two
points of each operation, six of its points in the journal; ten times as many with
``COWSTATE_LAWS=10``, and all of it with ``COWSTATE_LAWS=all``.
"""

from __future__ import annotations

from typing import Any

import pytest

import cowstate.journal
from tests.laws.calls import Calls
from tests.laws.interrupts import Interrupts
from tests.laws.journaled import behind, journaled, measured
from tests.laws.operations import OPERATIONS
from tests.laws.points import Violations, sample, watched

ELSEWHERE = {
    "transaction inside one of another store",
    "write inside a transaction of another store",
    "transaction over two stores",
}
"""What is refused: to wait for the disk inside a write to another store."""

IN_A_FINALIZER = {"generator dropped in its transaction"}
"""It settles in a dying generator: a second exception comes up in the hook that notes the first."""

NAMES = [name for name in OPERATIONS if name not in ELSEWHERE]
WRITES = [name for name in NAMES if OPERATIONS[name].refusable]
PACKAGE = cowstate.journal.__path__[0]


def in_journal(code: Any) -> bool:
    return bool(code.co_filename.startswith(PACKAGE))


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_at_any_point_leaves_a_store_that_goes_on(name: str) -> None:
    def try_all(violations: Violations) -> None:
        interrupts = Interrupts(OPERATIONS[name], violations, journaled)
        interrupts.once(most=2)
        if name not in IN_A_FINALIZER:
            interrupts.twice(most=1, most_after=1)
        for make in sample(f"kinds for {name}", (measured(), behind), most=1):
            Interrupts(OPERATIONS[name], violations, make).once(most=1)

    watched(try_all).check()


@pytest.mark.parametrize("name", WRITES)
def test_so_does_one_at_each_point_of_the_journal(name: str) -> None:
    def try_all(violations: Violations) -> None:
        for quiet in sample(f"quiet for {name}", (False, True), most=1):
            interrupts = Interrupts(OPERATIONS[name], violations, journaled, in_journal, quiet)
            interrupts.once(most=6)

    watched(try_all).check()


@pytest.mark.parametrize("name", [name for name in WRITES if not OPERATIONS[name].alone])
def test_any_operation_may_be_called_at_any_point_of_the_journal(name: str) -> None:
    def try_all(violations: Violations) -> None:
        calls = Calls(OPERATIONS[name], violations, journaled, in_journal)
        pairs = [
            (inner, point)
            for inner in calls.inners([OPERATIONS[each] for each in NAMES])
            for point in range(1, calls.points + 1)
        ]
        for inner, point in sample(f"calls inside journaled {name}", pairs, most=3):
            calls.try_call(inner, point)
            if violations.enough:
                return

    watched(try_all).check()
