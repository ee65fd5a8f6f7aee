"""Everything at once, for a while; `python -m tests.simulation` does the same for as long as you
like. A simulation that fails tells its seed and its story; see `tests.simulation.simulation`."""

from __future__ import annotations

import os
import re

import pytest

from tests.simulation.simulation import LawBrokenError, simulate
from tests.simulation.twins import TWINS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")

SEEDS = range(8)
ROUNDS = 4


@pytest.mark.parametrize("seed", SEEDS)
def test_no_law_is_broken_whatever_comes_in_between(seed: int) -> None:
    report = simulate(seed, ROUNDS)
    assert report.rounds == ROUNDS
    assert report.strikes > 50, "hardly anything was struck"
    assert report.versions > 300, "hardly anything was written"


def story_of(name: str) -> str:
    """Return what the first simulation tells that finds something wrong with the twin."""
    twin = TWINS[name]
    for seed in SEEDS:
        try:
            simulate(seed, ROUNDS, kind=twin.make(), patience=twin.patience)
        except LawBrokenError as error:
            return str(error)
    pytest.fail(f"no simulation finds that a store {name}")


@pytest.mark.parametrize("name", TWINS)
def test_each_bug_is_found(name: str) -> None:
    assert re.search(TWINS[name].finding, story_of(name))


def test_a_story_is_bounded_and_says_who_did_what_from_which_seed() -> None:
    story = story_of("publishes in two steps")
    assert len(story.splitlines()) < 250
    assert re.match(r"seed \d+, round \d+", story)
    for who in ("ann", "bob", "cyd", "main"):
        assert f" {who} " in story
