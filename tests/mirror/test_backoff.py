"""How long a mirror waits: longer each time, within bounds, and not all at once."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from tenacity.wait import wait_fixed, wait_incrementing

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.mirror import jittered
from cowstate.mirror.backoff import backoff_of


def test_the_default_grows_within_its_bounds_and_is_random() -> None:
    random.seed(7)
    wait = jittered(first=1, most=30, least=0.1)
    for failures, most in [(1, 1), (2, 2), (3, 4), (6, 30), (10_000, 30)]:
        waits = [wait(failures) for _ in range(300)]
        assert 0.1 <= min(waits) <= max(waits) <= most
        assert max(waits) > 0.9 * most
        assert min(waits) < 0.2 * most


def test_a_wait_of_tenacitys_is_taken_as_it_is() -> None:
    assert [backoff_of(wait_incrementing(1, 2))(n) for n in (1, 2, 3)] == [1, 3, 5]
    assert backoff_of(wait_fixed(4))(9) == 4
    own = float
    assert backoff_of(own) is own


@pytest.mark.parametrize("bounds", [(2, 1, 0), (1, 2, 3), (1, 2, -1), (1, float("inf"), 0)])
def test_bounds_that_cross_are_refused(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(ArgumentValueError):
        jittered(*bounds)


def test_what_is_no_backoff_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="a function from the number of failures"):
        backoff_of("1s")


def test_what_are_no_seconds_are_no_bounds() -> None:
    with pytest.raises(ArgumentTypeError, match="first must be a number of seconds, not '1'"):
        jittered("1")  # type: ignore[arg-type]


def test_a_backoff_that_would_have_to_be_awaited_is_refused() -> None:
    async def backoff(failures: int) -> float:
        return 1.0

    with pytest.raises(ArgumentTypeError, match="nobody would await it"):
        backoff_of(backoff)


WITHOUT = """
import sys
sys.modules["tenacity"] = sys.modules["tenacity.wait"] = sys.modules["kubernetes"] = None
from cowstate import MissingExtraError, Store
from cowstate.mirror import Mirror, PollingSource
try:
    Mirror(Store(), PollingSource(dict))
except MissingExtraError as error:
    print(error.extra)
with Mirror(Store(), PollingSource(lambda: {"a": 1}), backoff=float) as mirror:
    print(mirror.wait_synced(30)["a"])
try:
    import cowstate.mirror.kubernetes
except MissingExtraError as error:
    print(error.extra)
"""


def test_without_the_extras_the_mirror_works_by_a_backoff_of_ones_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["mirror", "1", "kubernetes"], done.stderr
