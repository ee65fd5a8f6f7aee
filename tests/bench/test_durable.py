"""What writes to a file cost: each figure is there, and of what it says."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cowstate.bench.durable import bare, journal_targets, opened, run_journal
from cowstate.bench.measure import Ratio, Settings
from cowstate.bench.reopening import Position, run_opening, written
from cowstate.bench.workloads import steps_of
from cowstate.journal import open_store

QUICK = Settings.quickly(2)._replace(budget_s=0.001)


def test_an_update_is_measured_each_way_and_so_are_threads() -> None:
    figures = run_journal(200, QUICK)
    found = {(figure.quantity, figure.variant) for figure in figures}
    for variant in (
        *("in memory", "interval"),
        *("normal", "normal, bare sqlite3", "full", "full, bare sqlite3"),
    ):
        assert ("an update", variant) in found
    for name, crowd in (("full", 8), ("full, a sync of 1 ms more", 8), ("normal", 2)):
        assert (f"updates by threads, {name}", "1 thread") in found
        assert (f"updates by threads, {name}", f"{crowd} threads") in found
    assert all(sample > 0 for figure in figures for sample in figure.samples)
    least = {figure.variant: figure.least for figure in figures if figure.quantity == "an update"}
    assert least["in memory"] < least["normal"]


def rows(path: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        made = connection.execute(
            "SELECT version, key, old, new FROM changes ORDER BY version DESC LIMIT 3"
        ).fetchall()
        count = connection.execute("SELECT count(*), max(version) FROM commits").fetchall()
        return [made, count, connection.execute("SELECT * FROM records").fetchall()]
    finally:
        connection.close()


def test_the_bare_loop_writes_the_same_rows() -> None:
    keys = ["0000003", "0000001", "0000003"]
    with opened("normal") as store:
        for key in keys:
            store.update(key, lambda record: record.replace(quantity=record.quantity + 1))
        wanted = rows(store.journal.path)
    with bare("normal") as update:
        for key in keys:
            update(key)
        assert rows(update.path) == wanted


@pytest.mark.parametrize("size", [10, 1_500])
def test_a_file_is_read_and_opened(size: int, tmp_path: Path) -> None:
    path = str(tmp_path / "positions.db")
    written(path, size)
    with open_store(path, key=str, record=Position) as store:
        assert len(store.snapshot()) == size
        assert store.set("more", store.snapshot()["0000000"]).version == 3
    figures = run_opening(size, QUICK)
    assert [figure.variant for figure in figures] == [
        *("read and decoded", "first snapshot", "everything built"),
    ]
    assert all(sample > 0 for figure in figures for sample in figure.samples)


def test_they_are_run_when_they_are_named() -> None:
    steps = [*steps_of(("journal", "opening"), QUICK)]
    assert [(step.workload.name, step.size) for step in steps] == [
        *(("journal", 200), ("opening", 10_000)),
    ]
    assert not {"journal", "opening"} & {step.workload.name for step in steps_of((), QUICK)}


def test_what_is_demanded_is_measured_or_says_why_not() -> None:
    for target in journal_targets():
        assert target.measure is not None
        reached = target.measure(QUICK)
        assert isinstance(reached, str) or (isinstance(reached, Ratio) and reached.value > 0)
