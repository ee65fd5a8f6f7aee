"""What all tests share: the hypothesis profile, the recorded data, a store over every map."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cowstate import Store, delivery

pytest.register_assert_rewrite("tests.properties")

# "ci" draws the same examples on every run and every machine, so that what is green stays green
# until the code changes; "dev" draws new ones each time, which is how new failures are found.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# For those who only want to know whether something fails, and not by which smallest example.
settings.register_profile(
    "whether", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate]
)
settings.register_profile("dev", deadline=None, max_examples=100, print_blob=True)

PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
settings.load_profile(PROFILE)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


TESTS = Path(__file__).resolve().parent
# They run the same lines thousands of times, mostly under a trace function of their own, to see
# what comes of them. That the lines run at all is measured by the other tests alone, which is
# stricter, and takes a quarter less time.
UNMEASURED = (
    "faults", "histories", "hostile", "journal/test_struck_in_a_commit.py", "laws", "parallel",
    "schedules", "simulation",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(TESTS)
        if place.parts[0] in UNMEASURED or place.as_posix() in UNMEASURED:
            item.add_marker("no_cover")


def keep_from_the_collector() -> None:
    """Take what is there from the garbage collector.

    The collected tests, what they import and what is noted of each are most of what a run holds.
    A collection that a test asks for went through all of it, and took half a second.
    """
    gc.collect()
    gc.freeze()


@settings(max_examples=1, phases=[Phase.generate])
@given(st.none())
def _first_of_hypothesis(_: None) -> None:
    """The first test of hypothesis looks who refers to its random numbers."""


def pytest_collection_finish() -> None:
    # Whoever is kept from the collector is not found to refer to anything.
    _first_of_hypothesis()
    keep_from_the_collector()


@pytest.fixture(scope="module", autouse=True)
def _keep_from_the_collector() -> None:
    keep_from_the_collector()


def pytest_report_header() -> list[str]:
    seed = "fixed (derandomized)" if settings.default.derandomize else "new on every run"
    examples = settings.default.max_examples
    choice = "choose with HYPOTHESIS_PROFILE=ci|dev|whether"
    return [
        f"hypothesis profile: {PROFILE}, seed {seed}, {examples} examples; {choice}",
        f"maps under test: {', '.join(map_choices())}",
    ]


def map_choices() -> list[str]:
    """The kinds of map that a store can be told to use here; one where there is no choice."""
    if "maps" not in inspect.signature(Store.__init__).parameters:
        return ["default"]
    from cowstate import maps

    found = list(maps.available_maps())
    return [*found, *(maps.FROZEN + name for name in found if not name.startswith("dict+"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "map_choice" in metafunc.fixturenames:
        metafunc.parametrize("map_choice", map_choices())


@pytest.fixture
def make_store(map_choice: str) -> Callable[..., Store[Any, Any]]:
    """Make a store over one kind of map; a test that asks for it runs over every kind."""
    if map_choice == "default":
        return Store

    def make(*args: Any, **kwargs: Any) -> Store[Any, Any]:
        return Store(*args, maps=map_choice, **kwargs)

    return make


@pytest.fixture(autouse=True)
def no_note_left_behind() -> Iterator[None]:
    """Threads that a law has struck leave notes of what they owed, and never come to take them."""
    yield
    delivery.debts.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded data beside the project; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no recorded data here: {DATA.name}/ is not beside the project")
    return DATA
