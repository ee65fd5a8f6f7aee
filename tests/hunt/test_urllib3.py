"""urllib3 2.8.0: `RecentlyUsedContainer`, "a thread-safe dict-like container".

Each method that it defines takes its lock. `pop` and `setdefault` come from `MutableMapping`, which
makes them of two of those, with nothing to hold them together.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from cowstate.testing import Scenario, ScenarioError, explore_object
from tests.hunt.pinned import passes, pinned, told

HERE = "urllib3._collections"


def container() -> Any:
    return pinned(HERE).RecentlyUsedContainer()


def test_of_two_threads_that_pop_a_key_with_a_default_one_gets_a_key_error() -> None:
    pop = ("pop", ("a", "nothing"))
    scenario = Scenario(before=(("__setitem__", ("a", 1)),), threads=((pop,), (pop,)))
    assert "pop('a', 'nothing') -> raises KeyError: 'a'" in told(scenario, container, HERE)


def test_of_two_threads_that_set_a_default_each_is_told_that_its_own_is_it() -> None:
    scenario = Scenario(
        before=(), threads=((("setdefault", ("a", 1)),), (("setdefault", ("a", 2)),))
    )
    assert told(scenario, container, HERE) == [
        "setdefault('a', 1) -> 1",
        "setdefault('a', 2) -> 2",
    ]


def test_what_the_container_defines_itself_is_right() -> None:
    writer = (("__setitem__", ("a", 1)), ("__delitem__", ("a",)))
    reader = (("__getitem__", ("a",)), ("__len__", ()), ("keys", ()))
    passes(Scenario(before=(), threads=(writer, reader)), container, HERE)


def test_it_was_found_by_the_names_of_its_methods() -> None:
    pinned(HERE)
    with pytest.raises(ScenarioError):
        explore_object(
            container,
            {"setdefault": [st.sampled_from("ab"), st.integers(0, 2)], "clear": []},
            modules=[HERE],
            calls=1,
            before=0,
        )
