"""The table of operations, and what it says of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cowstate import ConflictError, RecordNotFoundError
from tests.laws.hands import Hand
from tests.laws.worlds import World

Act = Callable[[World, Hand], object]


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Attributes:
        act: the operation.
        prepare: what must have been done before, undisturbed.
        refusable: whether it may be refused inside a write: it writes, or it waits.
        relies_on_all: whether any write of another key may be a conflict for it.
        disturbs: whether it writes keys that are not its own.
        on_loop: whether it runs an event loop, of which a thread can run one at a time.
        asked_for: whether an exception may leave its transaction open until somebody who waits
            for it asks: where a Python function of contextlib stands between the block and the
            ``with``, an exception at its first instruction leaves nobody to tell the store.
        alone: whether it is no part of a pair: another thread has a transaction open meanwhile,
            for whose end any write would wait.
    """

    name: str
    act: Act
    prepare: Act = lambda world, hand: None
    refusable: bool = False
    relies_on_all: bool = False
    disturbs: bool = False
    on_loop: bool = False
    asked_for: bool = False
    alone: bool = False

    def __str__(self) -> str:
        return self.name


OPERATIONS: dict[str, Operation] = {}


def add(name: str, act: Act, **properties: Any) -> None:
    assert name not in OPERATIONS
    OPERATIONS[name] = Operation(name, act, **properties)


def operation(name: str, **properties: Any) -> Callable[[Act], Act]:
    def enter(act: Act) -> Act:
        add(name, act, **properties)
        return act

    return enter


write = partial(operation, refusable=True)


SEMANTIC_ERRORS = (ConflictError, RecordNotFoundError)
"""What an operation may end with because the other one wrote something that it relies on."""
