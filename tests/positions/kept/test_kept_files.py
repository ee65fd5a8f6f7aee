"""Positions in a file: which files are opened, which are refused, and by whom they are held."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, journal
from cowstate.positions import (
    Account,
    InventorySlot,
    OrderStatus,
    PositionManager,
)
from cowstate.positions.errors import OtherGridError
from tests.positions.trading.managing import CONFIG as MANAGED
from tests.positions.trading.managing import PRICE, told


def test_a_file_of_another_grid_is_refused_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    PositionManager.open(path, MANAGED).close()
    for changes, said in (
        ({"symbol": "ETHUSDT"}, "symbol is BTCUSDT there, and ETHUSDT here"),
        ({"prefix": "other"}, "orders are not of this grid"),
        ({"levels": 7}, "regrid=True"),
        ({"quantity": Decimal(9), "levels": 7}, "quantity is .*; levels is"),
    ):
        with pytest.raises(OtherGridError, match=said) as caught:
            PositionManager.open(path, MANAGED.replace(**changes))
        assert caught.value.fields == tuple(changes)
    for name in ("symbol", "prefix"):
        with pytest.raises(OtherGridError):
            PositionManager.open(path, MANAGED.replace(**{name: "other"}), regrid=True)
    wider = MANAGED.replace(levels=7)
    PositionManager.open(path, wider, regrid=True).close()
    with pytest.raises(OtherGridError):
        PositionManager.open(path, MANAGED)
    with PositionManager.open(path, wider) as manager:
        assert manager.snapshot().meta.grid == wider


def test_a_file_that_is_open_is_refused_and_free_again_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED) as manager:
        with pytest.raises(journal.WriterActiveError):
            PositionManager.open(path, MANAGED)
        manager.calculate_adjustments(PRICE)
    manager.close()
    with pytest.raises(journal.JournalClosedError):
        manager.calculate_adjustments(PRICE + 100)
    # One that was refused has let go of it.
    with pytest.raises(OtherGridError):
        PositionManager.open(path, MANAGED.replace(symbol="other"))
    with pytest.raises(ValueError, match="history"):
        PositionManager.open(path, MANAGED, history=-1)
    PositionManager.open(path, MANAGED).close()


def test_what_is_no_file_of_positions_is_refused(tmp_path: Path) -> None:
    def kept(name: str, **options: Any) -> Path:
        with journal.open_store(tmp_path / name, key=str, **options) as store:
            store.set("1", 1 if options["record"] is int else InventorySlot(Decimal(1)))
        return tmp_path / name

    (tmp_path / "text").write_text("not a database, and long enough to be read as one" * 20)
    for path, said in (
        (kept("numbers", record=int, schema=1), "not of these types"),
        (kept("slots", record=InventorySlot, schema=1), "not a position manager's"),
        (kept("newer", record=InventorySlot, schema=99), "schema 99, .* name another file"),
        (kept("older", record=InventorySlot), "schema 0, .* name another file"),
        (tmp_path / "text", "text"),
    ):
        with pytest.raises(journal.JournalFileError, match=said):
            PositionManager.open(path, MANAGED)


def test_a_plain_store_refuses_a_file_of_positions_as_another_programs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    PositionManager.open(path, MANAGED).close()
    with pytest.raises(journal.JournalFileError, match="the file is another program's"):
        journal.open_store(path, key=str, record=int)


def test_what_is_no_grid_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    for path, config, options in (
        (tmp_path / "a.db", "BTCUSDT", {}),
        (MANAGED, tmp_path / "a.db", {}),
        (tmp_path / "a.db", MANAGED, {"sync": "sometimes"}),
        (tmp_path / "a.db", MANAGED, {"history": -1}),
        (tmp_path / "a.db", MANAGED, {"history": "all"}),
        (tmp_path / "a.db", MANAGED, {"time_ms": 1_700_000_000_000}),
    ):
        with pytest.raises((ArgumentTypeError, ArgumentValueError)):
            PositionManager.open(path, config, **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_that_was_never_begun_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    journal.open_store(path, key=str, record=InventorySlot, meta=Account, schema=1).close()
    with PositionManager.open(path, MANAGED) as manager:
        assert manager.snapshot().meta.grid == MANAGED
        manager.restore_state([InventorySlot(Decimal(100), Decimal(1))])
        assert manager.snapshot().meta.grid == MANAGED


def test_no_file_and_no_database_is_touched_by_who_keeps_none(tmp_path: Path) -> None:
    program = (
        "import sys; from cowstate.positions import *; from decimal import Decimal;"
        "m = PositionManager(GridConfig('X', Decimal(10), Decimal(1), 2, 'g')); "
        "m.calculate_adjustments(Decimal(105)); m.close(); "
        "print('sqlite3' in sys.modules, 'cowstate.journal' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "False"]
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_follow_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED) as manager:
        actions = manager.calculate_adjustments(PRICE)
        follower = journal.follow(path, key=str, record=InventorySlot, meta=Account, schema=1)
        try:
            manager.on_order_update(told(actions[0], OrderStatus.FILLED, "0.5", order_id=1))
            follower.wait_for(version=manager.snapshot().version, timeout=60)
            assert follower.snapshot() == manager.snapshot()
        finally:
            follower.close()
