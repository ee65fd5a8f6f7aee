"""expiringdict 1.2.2: an ordered dict whose items expire, with a lock around each access.

`items` asks for one key after the other, so what it lists was never there at one time.
"""

from __future__ import annotations

from typing import Any

from cowstate.testing import Scenario
from tests.hunt.pinned import pinned, told

HERE = "expiringdict"


def cache() -> Any:
    return pinned(HERE).ExpiringDict(max_len=10, max_age_seconds=3600)


def test_items_that_were_never_there_together_are_listed_together() -> None:
    scenario = Scenario(
        before=(("__setitem__", ("a", 1)), ("__setitem__", ("b", 1))),
        threads=((("__setitem__", ("a", 2)), ("__setitem__", ("b", 2))), (("items", ()),)),
    )
    assert "items() -> [('a', 1), ('b', 2)]" in told(scenario, cache, HERE)
