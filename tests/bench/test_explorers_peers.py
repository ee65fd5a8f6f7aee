"""The others say what the page says of them, where they are installed."""

from __future__ import annotations

import pytest

from cowstate.bench.explorers import page, rounds
from cowstate.bench.explorers.attempts import Explorer
from cowstate.bench.explorers.explorers import EXPLORERS, installed
from cowstate.bench.explorers.programs import TRIALS, Trial

STORED = rounds.read(page.DOCS / page.FILE)
OTHERS = [each for each in EXPLORERS.values() if each.package]
# Longer ones are left to who measures all anew.
SHORT_S = 2.0


def asked(explorer: Explorer) -> list[Trial]:
    """The programs of which it says the same each time, soon."""
    of = STORED.attempts[explorer.name]
    if not explorer.same_again:
        # Whoever goes on is drawn by the system: what is right passes, and of the rest who knows.
        return [trial for trial in TRIALS.values() if not trial.wrong and not trial.tasks]
    return [
        trial
        for name, trial in TRIALS.items()
        if of[name][0].seconds is not None and min(each.seconds or 0 for each in of[name]) < SHORT_S
    ]


CASES = [(explorer, trial) for explorer in OTHERS for trial in asked(explorer)]


@pytest.mark.parametrize(
    ("explorer", "trial"), CASES, ids=[f"{one.name}: {other.name}" for one, other in CASES]
)
def test_it_says_what_the_page_says(explorer: Explorer, trial: Trial) -> None:
    release = installed(explorer)
    if not release:
        pytest.skip(f"{explorer.package} is not installed here: pip install 'cowstate[peers]'")
    if release != STORED.conditions["packages"][explorer.package]:
        pytest.skip(f"the page is about another release than {explorer.package} {release}")
    again = rounds.apart(explorer, trial)
    stored = STORED.attempts[explorer.name][trial.name][0]
    assert again.verdict == stored.verdict, again
    if explorer.same_again and "random" not in explorer.name:
        assert again.replayed == stored.replayed
