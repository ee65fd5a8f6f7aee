"""What is measured of a mirror is what it is said to be: a list in which nothing has changed."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.bench import relist
from cowstate.bench.measure import Settings
from cowstate.mirror import Listed

QUICK = Settings.quickly(2)


def test_both_sides_compare_equal_objects_that_are_not_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, Any]] = []

    def time_all(operations: Any, settings: Any) -> Any:
        for operation in operations.values():
            made.append(dict(operation.names))
            exec(operation.statement, made[-1])
        return dict.fromkeys(operations, (2.0, 2.0))

    monkeypatch.setattr(relist, "time_all", time_all)
    assert relist.unchanged_list(QUICK).value == 1
    names = made[0]
    held, listed, store = names["held"], names["listed"], names["store"]
    assert len(held) == 1_000
    assert dict(store.snapshot()) == held == listed
    assert store.snapshot().version == 1
    for key, record in listed.items():
        assert record is not held[key]
        assert record is not store.snapshot()[key]
        assert record.phase is not held[key].phase
    # It does publish what has changed.
    changed = Listed({**listed, "new": listed["shop/thing-1"]}, 2)
    assert names["publish"](changed).version == 2


def test_it_is_measured_at_each_size() -> None:
    figures = relist.run_mirror(50, QUICK)
    assert {figure.variant for figure in figures} == {relist.OURS, relist.BARE}
    assert all(figure.least > 0 for figure in figures)
