"""Whatever comes in at a door is taken, or refused by an error of ours: in short, for each change.

In long: ``python -m tests.hostile --inputs 100000``.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.commanding import ROOT
from tests.hostile import knocking
from tests.hostile.door import Door, Knock
from tests.hostile.doors import DOORS, choices
from tests.hostile.drawing import Drawn


@pytest.mark.parametrize("name", [*DOORS])
def test_whatever_comes_in_is_taken_or_refused(name: str) -> None:
    with DOORS[name].opened() as knock:
        # A number stands for an input, and a smaller one for another: there is nothing to shrink.
        @settings(
            max_examples=max(1, settings.default.max_examples // 3),
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(st.integers(0, 2**63))
        def all_of_them(number: int) -> None:
            knock(choices(0, number))

        all_of_them()


def test_the_doors_are_those_of_the_page() -> None:
    page = (ROOT / "docs/explanation/hostile-input.md").read_text(encoding="utf-8")
    table = page.partition("| door |")[2].partition("\n\n")[0]
    assert {*re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)} == {*DOORS}


def test_choices_that_are_read_from_bytes_are_those_bytes() -> None:
    assert Drawn(b"").randrange(5) == 0
    assert {Drawn(bytes([byte])).randrange(4) for byte in range(8)} == {0, 1, 2, 3}
    assert Drawn(bytes(99)).choice("ab") == "a"


@contextmanager
def _breaks() -> Generator[Knock]:
    def knock(random: Random) -> str:
        if random.random() < 0.05:
            raise ValueError("as no error of ours" + " at all" * 20_000)
        return "taken"

    yield knock


def test_the_long_form_tells_which_input_broke_a_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOORS, "weak", Door("weak", "nothing", _breaks))
    told: list[tuple[object, str | None]] = []

    class At:
        value = -1

    at = At()
    monkeypatch.setattr(knocking, "limited", bool)  # of this process, which has more to do
    knocking.knock_at("weak", 0, 1_000, float("inf"), at, told.append)
    [(_, problem)] = told
    assert problem is not None
    assert f"input {at.value}:" in problem
    assert at.value < 999
    assert "ValueError: as no error of ours" in problem
    # It waits in a pipe until this process has ended.
    assert len(problem) < 20_000
