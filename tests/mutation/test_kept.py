"""A run goes on where the last one ended: what was killed is not asked again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.mutation.__main__ as command
from tests.mutation.kept import Kept
from tests.mutation.mutator import Mutant, mutants_of
from tests.mutation.test_run import COUNT, LATER, PURE, Judge, project

__all__ = ["project"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    class Counting(Judge):
        def killer(self, module: str, text: str, *args: object) -> tuple[int, bool] | None:
            asked.append(text)
            return super().killer(module, text, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(command, "Workshop", Counting)
    return asked


def test_who_goes_on_asks_of_those_alone_that_nobody_killed(
    project: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = ["--kept", str(project / "kept.jsonl")]
    everything = [mutant.text for mutant in mutants_of(LATER + COUNT)]

    def ran(*argv: str) -> str:
        asked.clear()
        command.main([*PURE, *argv])
        return capsys.readouterr().out

    first = ran(*kept)
    assert asked == everything
    survivors = [text for text in everything if "a >= b" in text]
    assert ran(*kept) == first
    assert asked == survivors
    with (project / "kept.jsonl").open("a") as file:
        file.write('{"mutant": "a run was killed he')
    assert ran(*kept) == first
    assert asked == survivors
    # Of a module that was changed all is asked anew, and without the file as ever.
    (project / "cowstate/pure.py").write_text(LATER + COUNT + "AGAIN = 1\n")
    ran(*kept)
    assert len(asked) > len(everything)
    ran(*kept)
    assert asked == [text + "AGAIN = 1\n" for text in survivors]
    ran()
    assert len(asked) > len(everything)


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)), st.text())
def test_what_was_kept_is_known_again_whatever_else_is_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], then: list[int], torn: str
) -> None:
    path = tmp_path_factory.mktemp("kept") / "kept.jsonl"
    mutants = [Mutant("f", "change", 1, f"text {n}") for n in range(6)]
    for numbers in (first, then):
        kept = Kept(path)
        for number in numbers:
            kept.add(mutants[number], f"by {number}")
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(torn)
    found = Kept(path)
    for number, mutant in enumerate(mutants):
        expected = f"by {number}" if number in {*first, *then} else None
        assert found.killer(mutant) == expected
