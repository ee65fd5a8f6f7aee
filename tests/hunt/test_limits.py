"""limits 5.8.0: `MemoryStorage`, in which a rate limiter keeps its counts.

`incr` counts under a lock, and reads what it returns after that. Before it does, it calls `get`,
which throws away a count that has no time of expiry, and that the first `incr` gives it last.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import product
from typing import Any

from cowstate.testing import Scenario
from cowstate.testing.schedules import explore
from tests.hunt.pinned import PAGE, pinned, told

HERE = "limits.storage.memory"


def limiter(amount: int) -> Any:
    """A limiter that allows so many calls in a day."""
    memory, limits, strategies = pinned(HERE), pinned("limits"), pinned("limits.strategies")

    class Storage(memory.MemoryStorage):  # type: ignore[name-defined,misc]
        """Without the timer that takes away what is old, for nothing here is."""

        def _MemoryStorage__expire_events(self) -> None:
            pass

        def _MemoryStorage__schedule_expiry(self) -> None:
            pass

    class Limiter:
        def __init__(self) -> None:
            self.limiter = strategies.FixedWindowRateLimiter(Storage())
            self.limit = limits.RateLimitItemPerDay(amount)

        def hit(self) -> bool:
            return bool(self.limiter.hit(self.limit, "user"))

    return Limiter


def outcomes(amount: int, threads: int) -> dict[Hashable, int]:
    """How often threads that hit it once each are told what, in all with two preemptions."""
    make = limiter(amount)

    def program() -> Any:
        limiter, allowed = make(), dict.fromkeys(range(threads), False)

        def hitting(number: int) -> Callable[[], None]:
            def hit() -> None:
                allowed[number] = limiter.hit()

            return hit

        return [hitting(number) for number in range(threads)], lambda: tuple(allowed.values())

    found = explore(program, modules=[HERE], preemptions=2, reduction=False)
    assert found.complete
    return found.outcomes


def test_of_two_threads_at_a_limit_of_one_neither_is_let_through_or_both() -> None:
    hit = (("hit", ()),)
    results = told(Scenario(before=(), threads=(hit, hit)), limiter(1), HERE)
    assert results in (["hit() -> True"] * 2, ["hit() -> False"] * 2)


def test_both_happen_as_often_as_the_page_says() -> None:
    found = outcomes(amount=1, threads=2)
    assert set(found) == set(product([True, False], repeat=2))
    both, neither = found[True, True], found[False, False]
    assert (
        f"Of {sum(found.values()):,} schedules with at most two preemptions, {both} let both "
        f"through, and {neither} neither."
    ) in " ".join(PAGE.split())
