"""boltons 26.2.0: `LRU`, a dict that takes its lock in each access; `copy`, that of the copy."""

from __future__ import annotations

from typing import Any

from cowstate.testing import Scenario
from tests.hunt.pinned import passes, pinned, told

HERE = "boltons.cacheutils"


def cache() -> Any:
    class Cache(pinned(HERE).LRU):  # type: ignore[misc]
        def copied(self) -> list[Any]:
            return sorted(self.copy().items())

    return Cache()


BEFORE = (("__setitem__", ("a", 1)), ("__setitem__", ("b", 1)))


def test_to_copy_it_while_a_key_is_added_raises() -> None:
    scenario = Scenario(before=BEFORE, threads=((("__setitem__", ("c", 1)),), (("copied", ()),)))
    results = told(scenario, cache, HERE)
    assert any(result.startswith("copied() -> raises RuntimeError") for result in results)


def test_what_it_does_under_its_own_lock_is_right() -> None:
    threads = ((("setdefault", ("c", 1)),), (("setdefault", ("c", 2)),))
    passes(Scenario(before=(), threads=threads), cache, HERE)
