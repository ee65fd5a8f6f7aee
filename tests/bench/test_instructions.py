"""Instruction counts: what counts as growth, and what is stored."""

from __future__ import annotations

import subprocess
from pathlib import Path
from timeit import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench import callgrind, instructions
from cowstate.bench.errors import InstructionCountError
from cowstate.bench.instructions import MARGIN, Count, compare, hot_paths, load, main, store

counts = st.builds(Count, st.floats(100, 1e6), st.floats(100, 1e6))


@given(counts, st.floats(0.5, 2))
def test_a_path_fails_if_its_ratio_grew_beyond_the_margin_and_only_then(
    stored: Count, factor: float
) -> None:
    (row,) = compare({"x": Count(stored.path * factor, stored.baseline)}, {"x": stored})
    if abs(factor - (1 + MARGIN)) > 1e-6:
        assert row.grown is (factor > 1 + MARGIN)


@given(counts, st.floats(0.5, 2))
def test_a_slower_interpreter_that_slows_both_alike_changes_nothing(
    stored: Count, factor: float
) -> None:
    (row,) = compare({"x": Count(stored.path * factor, stored.baseline * factor)}, {"x": stored})
    assert row.verdict == "ok"


def test_a_path_that_was_never_counted_does_not_fail() -> None:
    (row,) = compare({"new": Count(5, 1)}, {"old": Count(1, 1)})
    assert row.verdict == "not stored yet"
    assert not row.grown


@given(st.dictionaries(st.text(max_size=5), counts, max_size=4))
def test_what_is_stored_is_loaded_and_other_versions_are_kept(
    tmp_path_factory: pytest.TempPathFactory, each: dict[str, Count]
) -> None:
    path = tmp_path_factory.mktemp("counts") / "counts.json"
    store(path, "3.11", {"a": Count(1, 2)})
    store(path, "3.13", each)
    found = load(path)
    assert found["3.11"] == {"a": Count(1, 2)}
    assert set(found["3.13"]) == set(each)
    for name, one in each.items():
        assert found["3.13"][name].ratio == pytest.approx(one.ratio, rel=1e-2)


def test_every_hot_path_and_its_baseline_runs() -> None:
    found = hot_paths()
    assert {"snapshot", "set", "diff", "on_order_update", "update/pyrsistent"} <= set(found)
    for pair in found.values():
        for operation in pair:
            names = {**operation.names, **(operation.fresh() if operation.fresh else {})}
            Timer(operation.statement, globals=names).timeit(1)


def test_the_diff_that_is_counted_is_no_scan() -> None:
    operation = hot_paths()["diff"][0]
    Timer(operation.statement, globals=dict(operation.names)).timeit(3)
    assert operation.names["store"].statistics().diff_scans == 0


def test_without_valgrind_it_says_so_and_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: None)
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("skipped: ")


def test_a_python_without_stored_counts_is_skipped_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: name)
    assert main(["--file", str(tmp_path / "none.json")]) == 0
    assert "no counts are stored" in capsys.readouterr().out


@pytest.mark.parametrize(("path", "status"), [(100.0, 0), (106.0, 1)])
def test_growth_is_told_by_the_exit_status(
    path: float,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(callgrind.shutil, "which", lambda name: name)
    monkeypatch.setattr(instructions, "count", lambda: {"x": Count(100.0, 50.0)})
    file = tmp_path / "counts.json"
    assert main(["--store", "--file", str(file)]) == 0
    monkeypatch.setattr(instructions, "count", lambda: {"x": Count(path, 50.0)})
    assert main(["--check", "--file", str(file)]) == status
    assert ("GROWN by 6.0 %" in capsys.readouterr().out) is (status == 1)


def test_a_valgrind_that_fails_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 7, "", "no such tool")

    monkeypatch.setattr(callgrind.subprocess, "run", fail)
    with pytest.raises(InstructionCountError, match="no such tool"):
        instructions.count()
