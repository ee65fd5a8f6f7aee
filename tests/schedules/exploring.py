"""What the explorations of the real store share: its modules, its clock, and its own thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from cowstate import Store
from cowstate.testing.schedules import Exploration, Program, explore

# The modules with state that threads share, or with locks. The others compute immutable values
# of immutable values.
SHARED = [
    f"cowstate.{name}"
    for name in (
        "store", "readstore", "committer", "blocks", "reservation", "writelock", "locks",
        "timeline", "ring", "feeds", "waits", "waiters", "members", "subscribers", "groups",
        "delivery",
    )
]  # fmt: skip

started: list[tuple[Any, Any]] = []
"""The threads that the stores of this run have started: what each serves, and its bell."""


def start_no_thread(_: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Stand in for the start of a store's thread: note it. What it would do, `served` does."""
    delivery, bell, *_rest = arguments
    started.append((delivery(), bell))


class Explored(Store[str, int]):
    """A store whose own thread does its work when it is told to."""

    def __init__(self, *args: Any, **options: Any) -> None:
        started.clear()
        super().__init__(*args, **options)

    def served(self) -> None:
        """Let each thread do what it was started and woken for, and nothing more."""
        for delivery, bell in list(started):
            while not bell.empty():
                bell.get_nowait()
                delivery.serve()


def exhaust(
    program: Program,
    preemptions: int | None = 2,
    modules: Iterable[str | ModuleType] = (),
    **options: Any,
) -> Exploration:
    # The plain search: the lines of a store call much that is not named, so that hardly anything
    # is known to commute, and to look for it costs more than it saves.
    result = explore(
        program,
        modules=[*SHARED, *modules],
        preemptions=preemptions,
        reduction=False,
        **options,
    )
    assert result.complete
    print(f"{result.schedules} schedules, outcomes {result.outcomes}")
    return result
