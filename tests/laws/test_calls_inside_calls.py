"""Any operation may be called in the middle of any other one, in the same thread.

A sample of the pairs and points, the same on each run. All of them: ``COWSTATE_LAWS=all python
-m pytest tests/laws``; other ones: ``COWSTATE_LAWS_SEED=2``.
"""

from __future__ import annotations

import pytest

from tests.laws.calls import Calls
from tests.laws.operations import OPERATIONS
from tests.laws.points import Violations, sample, watched


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if not each.alone])
def test_any_operation_may_be_called_at_any_point_of(name: str) -> None:
    def try_all(violations: Violations) -> None:
        calls = Calls(OPERATIONS[name], violations)
        assert calls.points > 10
        pairs = [
            (inner, point)
            for inner in calls.inners(list(OPERATIONS.values()))
            for point in range(1, calls.points + 1)
        ]
        for inner, point in sample(f"calls inside {name}", pairs, most=60):
            calls.try_call(inner, point)
            if violations.enough:
                return

    watched(try_all).check()


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        # The inner block took the outer one, which was still being opened, for one that is over,
        # and then nobody knew that the write inside of that stands inside: it waited for itself.
        ("write that is refused inside a transaction", "transaction"),
    ],
)
def test_at_every_point_of_those_that_went_wrong_once(name: str, inside: str) -> None:
    def try_all(violations: Violations) -> None:
        calls = Calls(OPERATIONS[name], violations)
        for point in range(1, calls.points + 1):
            calls.try_call(OPERATIONS[inside], point)
            if violations.enough:
                return

    watched(try_all).check()
