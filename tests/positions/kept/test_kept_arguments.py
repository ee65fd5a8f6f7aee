"""What a manager of positions in a file is given: what makes no sense is refused at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import PositionManager
from tests.positions.trading.managing import CONFIG, PRICE


@pytest.mark.parametrize("name", ["config", "regrid"])
def test_what_makes_no_sense_makes_no_file_and_takes_none(name: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with PositionManager.open(old, CONFIG) as manager:
        manager.calculate_adjustments(PRICE)
        slots = manager.snapshot()
    for value in (None, 0, "no", CONFIG.symbol, object()):
        for path in (old, new):
            how: dict[str, Any] = {"config": CONFIG, name: value}
            with pytest.raises(ArgumentTypeError, match=f"{name} must be"):
                PositionManager.open(path, **how)
    assert not new.exists()
    with PositionManager.open(old, CONFIG) as manager:
        assert dict(manager.snapshot()) == dict(slots)


def test_a_clock_is_a_function_and_a_history_has_an_end(tmp_path: Path) -> None:
    how: dict[str, Any]
    for how in ({"time_ms": 1700000000000}, {"time_ms": None}):
        with pytest.raises(ArgumentTypeError, match="time_ms must be a function"):
            PositionManager(CONFIG, **how)
        with pytest.raises(ArgumentTypeError, match="time_ms must be a function"):
            PositionManager.open(tmp_path / "a.db", CONFIG, **how)
    with pytest.raises(ArgumentValueError, match="history must be at most"):
        PositionManager.open(tmp_path / "a.db", CONFIG, history=sys.maxsize + 1)
    PositionManager.open(tmp_path / "a.db", CONFIG).close()  # it was given back
