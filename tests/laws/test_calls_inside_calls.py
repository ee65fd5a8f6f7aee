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
