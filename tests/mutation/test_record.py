"""What is written down of a run: read back as it was, on the page as it is, and known to be old."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.mutation.__main__ as command
from tests.mutation.mutator import mutants_of
from tests.mutation.record import (
    BEGIN,
    END,
    README,
    RECORD,
    Outcome,
    changed,
    digest,
    filled,
    load,
    saved,
    table,
)
from tests.mutation.test_run import COUNT, KILLED, LATER, PURE, SAME, Judge, explain, project

__all__ = ["project"]

COUNTS = st.integers(0, 10_000)
OUTCOMES = st.builds(
    Outcome, st.text(), st.dates().map(str), COUNTS, COUNTS, COUNTS, COUNTS, COUNTS
)
RECORDS = st.dictionaries(st.text(), OUTCOMES)


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, record: dict[str, Outcome]
) -> None:
    path = tmp_path_factory.mktemp("record") / "record.json"
    path.write_text(saved(record), encoding="utf-8")
    assert load(path) == record


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": {"code": ""}}'])
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(ValueError, match=r"record\.json"):
        load(tmp_path / "record.json")


@given(RECORDS, RECORDS, st.text(), st.text())
def test_only_the_table_of_a_page_is_made_anew(
    old: dict[str, Outcome], new: dict[str, Outcome], before: str, after: str
) -> None:
    page = f"{before}\n{BEGIN}{END}{after}"
    assert filled(filled(page, old), new) == filled(page, new)
    assert filled(page, new).startswith(before)
    assert filled(page, new).endswith(after)
    with pytest.raises(ValueError, match="record"):
        filled(page.replace(END, ""), new)


def test_a_row_adds_up() -> None:
    one = Outcome("", "2026-11-30", explained=2, near=90, others=5, limit=3, alive=2)
    rows = table({"cowstate/maps.py": one, "cowstate/positions/book/orders.py": one}).splitlines()
    assert rows[2:] == [
        "| `maps` | 2026-11-30 | 102 | 2 | 90 | 5 | 3 | 2 | 98.0 |",
        "| `positions/book/orders` | 2026-11-30 | 102 | 2 | 90 | 5 | 3 | 2 | 98.0 |",
        "| all |  | 204 | 4 | 180 | 10 | 6 | 4 | 98.0 |",
    ]


def test_what_was_recorded_is_old_when_its_code_is_another_and_not_when_its_form_is() -> None:
    record = {"a.py": Outcome(digest(LATER), "", 0, 0, 0, 0, 0)}
    assert changed(record, {"a.py": f"# Why.\n\n{LATER}"}) == []
    assert changed(record, {"a.py": LATER.replace(">", ">="), "b.py": LATER}) == ["a.py", "b.py"]


def test_a_run_is_written_down_and_those_that_changed_are_asked_anew(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "Workshop", Judge)
    monkeypatch.setattr(command, "RECORD", project / "record.json")
    monkeypatch.setattr(command, "README", project / "README.md")
    (project / "README.md").write_text(f"What it said:\n{BEGIN}{END}The end.\n")
    (project / "record.json").write_text(saved({"gone.py": Outcome("", "", 1, 1, 1, 1, 1)}))
    explain(project, {KILLED: "Said to be."})
    assert command.main([*PURE, "--record", "--least", "0"]) == 0
    record = load(project / "record.json")
    (name, outcome), *others = record.items()
    count = len(mutants_of(LATER + COUNT))
    assert (name, others) == (SAME.module, [])
    assert (outcome.explained, outcome.alive, outcome.tried) == (1, 1, count - 1)
    assert (project / "README.md").read_text() == filled(
        f"What it said:\n{BEGIN}{END}The end.\n", record
    )
    capsys.readouterr()
    assert command.main([*PURE, "--changed"]) == 0
    assert capsys.readouterr().out == "nothing was changed since it was recorded\n"
    with (project / SAME.module).open("a") as file:
        file.write("\n\nMORE = 1\n")
    assert command.main([*PURE, "--changed", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > count


@pytest.mark.parametrize("wanted", [["--sample", "1"], ["--only", "later"], ["--explained"]])
def test_a_part_is_not_recorded(wanted: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--record", *wanted])
    assert "whole modules" in capsys.readouterr().err


def test_the_page_says_what_was_recorded() -> None:
    page = README.read_text(encoding="utf-8")
    assert filled(page, load(RECORD)) == page
