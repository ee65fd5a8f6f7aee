"""Ctrl-C at any point of any operation: the store goes on, and nothing is lost or doubled.

A sample of the points, the same on each run. All of them: ``COWSTATE_LAWS=all python -m pytest
tests/laws``; other ones: ``COWSTATE_LAWS_SEED=2``.
"""

from __future__ import annotations

import pytest

from tests.laws.interrupts import Interrupts
from tests.laws.operations import OPERATIONS
from tests.laws.points import Violations, watched


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_exception_at_any_point_leaves_a_store_that_goes_on(name: str) -> None:
    def try_all(violations: Violations) -> None:
        interrupts = Interrupts(OPERATIONS[name], violations)
        interrupts.once(most=40)
        assert interrupts.struck > 3 or violations.enough

    watched(try_all).check()


@pytest.mark.parametrize(
    "name", [name for name, each in OPERATIONS.items() if each.refusable and not each.asked_for]
)
def test_it_goes_on_too_if_nobody_writes_while_the_exception_is_handled(name: str) -> None:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[name], violations, quiet=True).once(most=15)

    watched(try_all).check()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_second_exception_while_the_first_is_handled_harms_no_more(name: str) -> None:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[name], violations).twice(most=6, most_after=4)

    watched(try_all).check()
