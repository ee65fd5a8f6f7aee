"""``cowstate bench``: its arguments, its output, its exit status."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from cowstate.bench import command
from cowstate.bench.errors import UnknownWorkloadError
from cowstate.bench.measure import Ratio
from cowstate.bench.results import read
from cowstate.bench.verdicts import Target, Verdict
from cowstate.bench.workloads import workloads
from cowstate.errors import ArgumentValueError


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


def test_the_list_names_every_workload(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(workloads())


def test_a_quick_run_prints_conditions_tables_and_crossovers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "out.json"
    assert run("update", "read_all", "--quick", "--repeats", "2", "--json", str(path)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("CPython 3.")
    for part in ("GIL", "load", "quick run", "update: time", "share of reads"):
        assert part in out
    assert err == ""
    content = json.loads(path.read_text())
    assert {figure["workload"] for figure in content["figures"]} == {"update", "read_all"}
    assert all(len(figure["samples"]) >= 1 for figure in content["figures"])
    assert "load afterwards" in content["conditions"]
    assert run("update", "--quick", "--repeats", "2", "--compare", str(path)) == 0
    assert "update: time, by before" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["mixed", "on_order_update", "on_order_update_history", "reconcile", "build", "memory"]
)
def test_the_other_workloads_run_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = command.Settings.quickly(2)._replace(mixed_s=0.001, budget_s=0.001)
    figures = workloads()[name].run(20, quick)
    assert {figure.workload for figure in figures} == {name}
    assert all(sample > 0 for figure in figures for sample in figure.samples if figure.unit == "ns")


@pytest.mark.parametrize(
    ("argv", "error", "says"),
    [
        (("updates",), UnknownWorkloadError, "no workload 'updates'; there are snapshot"),
        (("--repeats", "1"), ArgumentValueError, "at least 2"),
        (("--plot", "out.jpeg"), ArgumentValueError, r"\.svg or \.png"),
        (("--json", "no/such/place/out.json"), ArgumentValueError, "no such directory"),
        (("--targets", "update"), ArgumentValueError, "goes with"),
        (("--compare", "no.json"), ArgumentValueError, "no.json cannot be used"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_measured(
    argv: tuple[str, ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        run(*argv)


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (3.0, 1)])
def test_a_missed_target_is_told_by_the_exit_status(
    value: float,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target, path = Target("what is wanted", 2.0), tmp_path / "out.json"
    monkeypatch.setattr(command, "targets", lambda settings: [target])
    monkeypatch.setattr(
        command, "judge", lambda *args: [Verdict(target, Ratio(value, value, value))]
    )
    assert run("--targets", "--quick", "--json", str(path)) == status
    stored = read(path)
    assert [verdict.ok for verdict in stored.verdicts] == [status == 0]
    assert stored.conditions["quick"]
    out = capsys.readouterr().out
    assert "what is wanted" in out
    assert ("no target missed" in out) is (status == 0)
    assert ("1 of 1 targets missed" in out) is (status == 1)
