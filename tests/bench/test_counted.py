"""Targets in instructions: what is compared with what."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from cowstate.bench import counted
from cowstate.bench.callgrind import release
from cowstate.bench.errors import InstructionCountError
from cowstate.bench.instructions import Count, hot_paths
from cowstate.bench.measure import Ratio, Settings
from cowstate.bench.verdicts import Verdict, judge

FULL = Settings()
ROWS = [target.what for target in counted.counted_targets()]


def verdicts(settings: Settings = FULL) -> dict[str, Verdict]:
    found = judge(counted.counted_targets(), settings, lambda _: None)
    return {verdict.target.what: verdict for verdict in found}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    counted.first_core.cache_clear()
    monkeypatch.setattr(counted, "available", lambda: True)
    monkeypatch.setattr(counted, "counts_here", counted.counts_here.__wrapped__)


def test_each_row_asks_for_paths_that_are_counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Collection[str]] = []

    def count(names: Collection[str]) -> dict[str, Count]:
        asked.append(names)
        return dict.fromkeys(hot_paths(), Count(300.0, 200.0))

    monkeypatch.setattr(counted, "count", count)
    found = verdicts()
    missing = set(asked[0]) - set(hot_paths())
    assert missing <= {"update/immutables"}  # where the C map is not
    assert list(found) == ROWS
    by_twin = found["update, by update in place, in instructions"]
    assert by_twin.reached == Ratio(1.5, 1.5, 1.5)


def test_the_first_core_is_what_its_hand_written_updates_are_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = {name: Count(4_000.0, 500.0) for name in hot_paths()}
    monkeypatch.setattr(counted, "count", lambda names: taken)
    by_hand = {
        f"{name}/{maps}": 2.0
        for name in ("update", "draft", "draft of ten", "transaction")
        for maps in ("dict+immutables", "dict+pyrsistent")
    }
    monkeypatch.setattr(counted, "first_core", lambda: {release(): by_hand})
    found = verdicts()
    ten = found["ten by update_all, by ten updates of the first core, in instructions"].reached
    assert ten is not None
    assert ten.value == 4_000 / (10 * 2.0 * 500)
    draft = found["draft of ten, by the first core's, in instructions"].reached
    assert draft is not None
    assert draft.value == 4_000 / (2.0 * 500)


def test_what_cannot_be_counted_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "first_core", dict)
    monkeypatch.setattr(counted, "count", lambda names: {name: Count(1, 1) for name in hot_paths()})
    skipped = {verdict.skipped for verdict in verdicts().values()} - {""}
    assert f"the first core was not counted on Python {release()}" in skipped
    assert {each.skipped for each in verdicts(Settings.quickly()).values()} == {
        "a quick run counts no instructions"
    }

    def fail(names: Collection[str]) -> dict[str, Count]:
        raise InstructionCountError("valgrind ended with 1: no\nsuch tool")

    monkeypatch.setattr(counted, "count", fail)
    assert {each.skipped for each in verdicts().values()} == {"valgrind ended with 1: no"}
    monkeypatch.setattr(counted, "available", lambda: False)
    for verdict in verdicts().values():
        assert verdict.skipped.startswith("instructions are counted by valgrind")
        assert verdict.ok


def test_the_first_core_took_more_than_what_stands_for_it() -> None:
    stored = counted.first_core()
    assert {"3.11", "3.13", "3.14"} <= set(stored)
    assert all(times > 1 for counts in stored.values() for times in counts.values())
