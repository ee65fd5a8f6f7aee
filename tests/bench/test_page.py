"""The pages on performance: their tables are those of the result files; nobody types figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cowstate.bench import page
from cowstate.bench.measure import Figure, Ratio, Settings
from cowstate.bench.results import Results, read
from cowstate.bench.survey import PLAIN, SIZES
from cowstate.bench.tables import BLOCKS, Runs
from cowstate.bench.verdicts import Target, Verdict
from cowstate.errors import ArgumentValueError

DOCS = Path(__file__).resolve().parents[2] / "docs/explanation"
RUNS = page.load(DOCS)
TEXTS = {name: (DOCS / name).read_text(encoding="utf-8") for name in page.PAGES}
BLOCK = re.compile(r"<!-- table: ([^>]+?) -->\n.*?<!-- end -->", re.DOTALL)
MEASURED = re.compile(r"\b\d[\d.,]*\s*(?:ns|us|ms|s|seconds|KiB|MiB|GiB|bytes|instructions)\b")

pages = pytest.mark.parametrize("name", page.PAGES)


def slower(run: Results, factor: float) -> Results:
    figures = [
        figure._replace(samples=tuple(sample * factor for sample in figure.samples))
        for figure in run.figures
    ]
    return run._replace(figures=tuple(figures))


@pages
def test_the_tables_of_a_page_are_those_of_the_files(name: str) -> None:
    assert page.rendered(TEXTS[name], RUNS) == TEXTS[name], "run python -m cowstate.bench.page"


def test_each_table_stands_on_a_page_and_on_one_only() -> None:
    found = [match[1] for text in TEXTS.values() for match in BLOCK.finditer(text)]
    assert sorted(found) == sorted(BLOCKS)


@pages
def test_no_figure_is_typed_by_hand(name: str) -> None:
    typed = MEASURED.findall(BLOCK.sub("", TEXTS[name]))
    assert typed == []


def test_the_files_are_of_the_releases_that_the_pages_promise() -> None:
    assert list(RUNS.surveys) == ["3.11", "3.13", "3.14", "3.14t"]
    for name, run in RUNS.surveys.items():
        assert name.removesuffix("t") in run.conditions["python"]
        assert ("free-threaded" in run.conditions["python"]) is name.endswith("t")
        assert {"machine", "repeats", "load", "load afterwards", "date"} <= set(run.conditions)
        assert run.verdicts
        assert any(figure.variant == PLAIN for figure in run.figures)


def test_another_figure_makes_another_page() -> None:
    for name, run in RUNS.surveys.items():
        surveys = {**RUNS.surveys, name: slower(run, 2.0)}
        changed = RUNS._replace(surveys=surveys)
        assert page.rendered(TEXTS["performance.md"], changed) != TEXTS["performance.md"]
    changed = RUNS._replace(growth=slower(RUNS.growth, 2.0))
    assert page.rendered(TEXTS["performance.md"], changed) != TEXTS["performance.md"]


def made(*figures: Figure) -> Runs:
    run = Results({"python": "CPython 3.99.1", "gil": "on", "machine": "one"}, figures)
    return Runs({"3.99": run}, run, {})


def test_a_cell_has_the_least_and_the_median_and_a_dash_for_what_there_is_not() -> None:
    runs = made(Figure("update", PLAIN, SIZES[0], "time", "ns", (1_500.0, 1_200.0, 9_000.0)))
    lines = BLOCKS[f"plain {SIZES[0]}"](runs).splitlines()
    assert lines[0] == "| 1,000 records | 3.99.1 |"
    assert "| `store.update(key, fn)` | 1.20 us (1.50 us) |" in lines
    assert "| `store.snapshot()` | - |" in lines


@pytest.mark.parametrize("quick", [True, False])
def test_the_page_says_of_a_quick_run_that_it_was_one(quick: bool) -> None:
    runs = made(Figure("update", PLAIN, SIZES[0], "time", "ns", (1.0,)))
    run = runs.surveys["3.99"]
    run = run._replace(conditions={**run.conditions, "quick": quick})
    text = BLOCKS["minute"](runs._replace(surveys={"3.99": run}))
    assert ("no figures to quote: 3.99" in text) is quick


def test_where_nothing_was_measured_it_says_so() -> None:
    runs = made(Figure("update", PLAIN, SIZES[0], "time", "ns", (1.0,)))
    for name in (f"plain {SIZES[1]}", f"fast {SIZES[0]}", "million", "pauses", "growth plain"):
        assert BLOCKS[name](runs) == "Not measured."


def test_only_what_stands_between_the_marks_is_written() -> None:
    text = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n"
    assert page.rendered(text, made(), {"x": lambda runs: "new"}) == (
        "a\n<!-- table: x -->\n\nnew\n\n<!-- end -->\nb\n"
    )


def test_a_table_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ArgumentValueError, match="no table 'costs'; there are conditions"):
        page.rendered("<!-- table: costs -->\n<!-- end -->", made())


def test_where_there_are_no_files_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArgumentValueError, match="run this in a checkout"):
        page.load(tmp_path)


def test_a_run_is_written_where_the_pages_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "performance").mkdir()
    for name in page.PAGES:
        (tmp_path / name).write_text(TEXTS[name], encoding="utf-8")
    asked: list[tuple[Settings, object]] = []

    def survey(settings: Settings, tell: object) -> Results:
        asked.append((settings, tell))
        return slower(RUNS.surveys["3.11"], 3.0)

    def grow(settings: Settings, largest: int, tell: object) -> Results:
        asked.append((settings, largest))
        return RUNS.growth

    def keep(settings: Settings, tell: object) -> Results:
        asked.append((settings, tell))
        return Results(RUNS.growth.conditions, (), (MISSED,))

    monkeypatch.setattr(page, "survey", survey)
    monkeypatch.setattr(page, "grow", grow)
    monkeypatch.setattr(page, "keep", keep)
    docs = ["--docs", str(tmp_path)]
    assert page.main(["measure", "3.11", "--repeats", "3", *docs]) == 0
    assert page.main(["scale", "--largest", "1000", *docs]) == 0
    assert page.main(["kept", *docs]) == 0
    assert page.main(docs) == 0
    assert asked[0][0] == Settings(3)
    assert asked[1][1] == 1_000
    stored = read(tmp_path / "performance/3.11.json")
    assert len(stored.figures) == len(RUNS.surveys["3.11"].figures)
    text = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert text == page.rendered(TEXTS["performance.md"], page.load(tmp_path))
    assert text != TEXTS["performance.md"]
    text = (tmp_path / "journal-costs.md").read_text(encoding="utf-8")
    assert "| a sync | at most 2 | **3** | 2.5 to 4 |" in text.splitlines()


def test_what_is_kept_is_shown_as_far_as_it_was_measured() -> None:
    assert [BLOCKS[name](made()) for name in ("kept", "kept conditions")] == ["Not measured."] * 2
    skipped = Verdict(Target("on a server", 1.15), None, "no server")
    runs = made()._replace(kept=Results(RUNS.growth.conditions, (), (MISSED, skipped)))
    assert BLOCKS["kept"](runs).splitlines()[2:] == [
        "| a sync | at most 2 | **3** | 2.5 to 4 |",
        "| on a server | at most 1.15 | - | - |",
    ]
    assert "`kept.json`" in BLOCKS["kept conditions"](runs)


MISSED = Verdict(Target("a sync", 2), Ratio(3, 2.5, 4))
