"""jinja2 3.1.6: `LRUCache`, which holds the templates of an environment, and has a lock.

`setdefault` looks, and then stores; `items` walks a copy of its queue, and what stands on it may be
gone from its dict by then.
"""

from __future__ import annotations

from typing import Any

from cowstate.testing import Scenario
from tests.hunt.pinned import passes, pinned, told

HERE = "jinja2.utils"


def cache() -> Any:
    return pinned(HERE).LRUCache(2)


def test_of_two_threads_that_set_a_default_each_is_told_that_its_own_is_it() -> None:
    scenario = Scenario(
        before=(), threads=((("setdefault", ("a", 1)),), (("setdefault", ("a", 2)),))
    )
    assert told(scenario, cache, HERE) == [
        "setdefault('a', 1) -> 1",
        "setdefault('a', 2) -> 2",
    ]


def test_to_list_the_items_while_one_is_deleted_raises_a_key_error() -> None:
    scenario = Scenario(
        before=(("__setitem__", ("a", 1)),),
        threads=((("__delitem__", ("a",)),), (("items", ()),)),
    )
    assert "items() -> raises KeyError: 'a'" in told(scenario, cache, HERE)


def test_its_reads_and_writes_of_one_key_are_right() -> None:
    writer = (("__setitem__", ("a", 1)), ("__setitem__", ("b", 1)))
    reader = (("get", ("a",)), ("get", ("b",)))
    passes(Scenario(before=(), threads=(writer, reader)), cache, HERE)
