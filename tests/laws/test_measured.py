"""The laws of every store hold of one that measures itself, whose writes take another way.

Beside what the other files here try of a plain store, a sample; all of it with
``COWSTATE_LAWS=all``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from cowstate import Meter, Store
from cowstate import measured as module
from tests.laws.calls import Calls
from tests.laws.interrupts import Interrupts
from tests.laws.operations import OPERATIONS
from tests.laws.points import Violations, sample, watched

make: Any = partial(Store, meter=Meter())
NAMES = [
    "set a new key",
    "set what is refused",
    "update",
    "compare and set",
    "transaction",
    "transaction that fails",
    "transaction that is vetoed",
    "write that is refused inside a transaction",
    "generator dropped in its transaction",
    "transact",
    "transact that times out",
    "set that waits for a transaction",
    "transaction over two stores",
    "draft that conflicts",
    "retry under the lock",
    "undo",
    "statistics",
    "set beside a subscriber that fails",
    *(name for name in OPERATIONS if name.startswith("with subscribe")),
]


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_at_any_point_leaves_a_store_that_goes_on(name: str) -> None:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[name], violations, make).once(most=12)
        Interrupts(OPERATIONS[name], violations, make).twice(most=2, most_after=2)

    watched(try_all).check()


def of_measuring(code: Any) -> bool:
    return bool(code.co_filename == module.__file__ or code.co_filename.endswith("meter.py"))


@pytest.mark.parametrize("name", NAMES)
def test_so_does_one_at_each_point_of_the_measuring(name: str) -> None:
    def try_all(violations: Violations) -> None:
        Interrupts(OPERATIONS[name], violations, make, of_measuring).once(most=40)

    watched(try_all).check()


@pytest.mark.parametrize("name", [name for name in NAMES if not OPERATIONS[name].alone])
def test_any_operation_may_be_called_at_any_point_of_the_measuring(name: str) -> None:
    def try_all(violations: Violations) -> None:
        calls = Calls(OPERATIONS[name], violations, make, of_measuring)
        pairs = [
            (inner, point)
            for inner in calls.inners(list(OPERATIONS.values()))
            for point in range(1, calls.points + 1)
        ]
        for inner, point in sample(f"calls inside measured {name}", pairs, most=25):
            calls.try_call(inner, point)
            if violations.enough:
                return

    watched(try_all).check()
