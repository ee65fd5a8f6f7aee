"""Tables, JSON, plots, and from which share of reads on the store pays."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench import report
from cowstate.bench.measure import Figure
from cowstate.bench.variants import DEFAULT, LOCKED
from cowstate.errors import MissingExtraError

WHERE = {"python": "CPython", "gil": "on", "machine": "one"}


def figure(workload: str, variant: str, *samples: float, size: int = 100) -> Figure:
    return Figure(workload, variant, size, "time", "ns", samples, "a note")


FIGURES = [
    figure("update", LOCKED, 400.0, 500.0),
    figure("update", DEFAULT, 1_000.0, 1_100.0),
    figure("read_all", LOCKED, 20_000.0, 21_000.0),
    figure("read_all", DEFAULT, 8_000.0, 8_400.0),
]


def test_a_row_has_the_least_the_median_and_the_ratio_to_the_locked_twin() -> None:
    (title, _, rows), _ = report.figure_rows(FIGURES)
    assert title == "update: time"
    assert rows[0][1:] == [LOCKED, "400 ns", "450 ns", "1.00", "1.00 to 1.00", "a note"]
    assert rows[1][1:5] == [f"{DEFAULT} (default)", "1.00 us", "1.05 us", "2.50"]
    assert rows[1][5] == "2.28 to 2.42"


def test_what_grows_is_compared_with_itself_where_it_is_least() -> None:
    figures = [
        figure("followers", "feeds", 100.0, 110.0, size=1),
        figure("followers", "subscribers", 200.0, 200.0, size=1),
        figure("followers", "feeds", 300.0, 330.0, size=50),
    ]
    ((title, columns, rows),) = report.figure_rows(figures)
    assert title == "followers: time"
    assert columns[:5] == ("followers", "variant", "min", "median", "x the least")
    assert [row[4] for row in rows] == ["1.00", "1.00", "3.00"]


@pytest.mark.parametrize("rich", [True, False])
def test_a_table_in_a_pipe_is_plain_text_with_every_cell(
    rich: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setattr(report, "find_spec", lambda name: None)
    out = io.StringIO()
    for title, columns, rows in report.figure_rows(FIGURES):
        report.print_table(title, columns, rows, out)
    text = out.getvalue()
    assert "\x1b" not in text
    for cell in ("update: time", LOCKED, "2.28 to 2.42", "a note", "variant"):
        assert cell in text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [70, 80, 100, 150])
def test_a_table_on_a_terminal_keeps_each_figure_on_a_line_and_says_what_it_left_out(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    note = "one that has something to say, at some length"
    figures = [each._replace(note=note) for each in FIGURES]
    for title, columns, rows in report.figure_rows(figures):
        report.print_table(title, columns, rows, out)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    ours = [line for line in lines if f"{DEFAULT} (default)" in line]
    assert len(ours) == 2
    assert all(re.search(r"\d \ws .*\d\.\d+", line) for line in ours)
    assert not any("\u2026" in line for line in lines)
    said = [line for line in lines if "for want of width" in line]
    assert {"note" in line for line in said} == ({True} if width < 150 else set())
    assert any(note in line for line in lines) is (width == 150)


@given(st.floats(1, 1e12))
def test_an_amount_is_right_to_three_digits(value: float) -> None:
    text, unit = report.amount(value, "ns").split()
    scale = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(text) * scale == pytest.approx(value, rel=0.006)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_is_drawn_in_the_format_of_its_suffix(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / f"out.{suffix}"
    report.plot(path, WHERE, [*FIGURES, figure("update", DEFAULT, 2_000.0, size=1_000)])
    start = path.read_bytes()[:200]
    assert (b"<svg" in path.read_bytes()) if suffix == "svg" else start.startswith(b"\x89PNG")


def test_a_plot_without_its_extra_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="bench"):
        report.require_plotting()


@given(
    st.tuples(*[st.floats(1, 1e6)] * 4),
    st.floats(0.001, 0.999),
)
def test_at_the_crossover_both_cost_the_same_and_beyond_it_the_store_less(
    costs: tuple[float, float, float, float], share: float
) -> None:
    write, other_write, read, other_read = costs
    figures = [
        figure("update", DEFAULT, write),
        figure("update", LOCKED, other_write),
        figure("read_all", DEFAULT, read),
        figure("read_all", LOCKED, other_read),
    ]
    ours = share * read + (1 - share) * write
    theirs = share * other_read + (1 - share) * other_write
    said: Any = report.crossovers(figures)[0][2]
    if said == "always":
        assert ours <= theirs
    elif said == "never":
        assert ours >= theirs
    else:
        at = next(float(word[:-1]) for word in said.split() if word.endswith("%")) / 100
        if abs(share - at) > 0.001:
            assert (ours < theirs) is ((share > at) == said.startswith("from"))


def test_shares_are_told_of_the_store_that_is_asked_for() -> None:
    figures = [figure("update", name, cost) for name, cost in (("mine", 2.0), (LOCKED, 1.0))]
    figures += [figure("read_all", name, cost) for name, cost in (("mine", 1.0), (LOCKED, 2.0))]
    assert report.crossovers(figures) == []
    assert report.crossovers(figures, "mine") == [["100", LOCKED, "from 50.00% on", "-"]]


def test_no_share_is_told_where_figures_are_missing() -> None:
    assert report.crossovers(FIGURES[:2]) == []
    assert report.crossovers([]) == []


def test_there_is_no_progress_bar_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with report.progress(2) as tell:
        tell("one")
        tell("two")
    assert capsys.readouterr().err == ""
