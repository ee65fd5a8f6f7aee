"""Result files: what was written is read, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench.measure import Figure, Ratio
from cowstate.bench.results import read, write
from cowstate.bench.verdicts import Target, Verdict
from cowstate.errors import ArgumentValueError

WHERE = {"python": "CPython", "load": [1.5, 0.5, 0.25], "packages": {"msgspec": "1"}}

names = st.text(max_size=8)
amounts = st.integers(1, 999_999).map(lambda number: number / 1_000)
figures = st.builds(
    Figure,
    names,
    names,
    st.integers(0, 10**8),
    names,
    st.sampled_from(["ns", "bytes"]),
    st.lists(amounts, min_size=1, max_size=4).map(tuple),
    names,
)
ratios = st.builds(Ratio, amounts, amounts, amounts)
targets = st.builds(Target, names, st.none() | amounts, st.none(), st.booleans(), st.none())
verdicts = st.builds(Verdict, targets, st.none() | ratios, names)


@given(st.lists(figures, max_size=4), st.lists(verdicts, max_size=4))
def test_a_run_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, taken: list[Figure], judged: list[Verdict]
) -> None:
    path = tmp_path_factory.mktemp("run") / "run.json"
    write(path, WHERE, taken, judged)
    found = read(path)
    assert found.conditions == WHERE
    assert list(found.figures) == taken
    assert list(found.verdicts) == judged


def test_each_figure_and_verdict_has_a_line_so_that_a_change_shows(tmp_path: Path) -> None:
    figure = Figure("update", "ours", 10, "time", "ns", (1.23456789, 2.0))
    write(tmp_path / "run.json", WHERE, [figure, figure], [Verdict(Target("x", 1), None, "why")])
    lines = (tmp_path / "run.json").read_text().splitlines()
    assert sum("update" in line for line in lines) == 2
    assert "1.23457," in lines[3]
    assert sum('"why"' in line for line in lines) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"conditions": {}}',
        b"\xff\xfe",
        b'{"conditions": {}, "figures": [{"workload": 1}]}',
        (
            b'{"conditions": {}, "figures": [{"workload": "w", "variant": "v", "size": 1, '
            b'"quantity": "q", "unit": "ns", "samples": []}]}'
        ),
    ],
)
def test_another_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(ArgumentValueError, match=r"other\.json cannot be used"):
        read(path)


def test_no_file_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ArgumentValueError, match=r"cannot be used.*No such file"):
        read(tmp_path / "none.json")
