"""The power fails between any two calls: what was acknowledged is there, and nothing is half."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

from cowstate.journal import JournalError
from tests.journal.killed import check
from tests.journal.powerloss import SYNCS, Call, lost_after, recorded
from tests.journal.stracing import SWEEP, needs_strace

ALL = SWEEP == "all"
pytestmark = needs_strace


def run(directory: Path) -> list[Call]:
    files = [str(directory / "slots.db"), str(directory / "told"), "1"]
    return recorded(directory, ["-m", "tests.journal.killed", *files])


def after(calls: list[Call], directory: Path, random: Random) -> str:
    """What became of the files if the power failed then, in a word."""
    for part in directory.iterdir():
        part.unlink()
    for path, content in lost_after(calls, random).items():
        (directory / os.path.basename(path)).write_bytes(content)
    return check(directory / "slots.db", directory / "told", 1)


def test_whenever_the_power_fails_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    calls = run(tmp_path / "whole")
    assert sum(call.name in SYNCS for call in calls) > 12
    became: Counter[str] = Counter()
    (tmp_path / "lost").mkdir()
    for seed in range(1000 if ALL else 60):
        random = Random(seed)
        cut = random.randrange(len(calls) + 1)
        try:
            became[after(calls[:cut], tmp_path / "lost", random)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}, after {cut} of {len(calls)} calls")
            raise
    assert became["opened"] > 20, became


def test_syncs_that_did_nothing_would_be_found_out(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "lost").mkdir()
    calls = [call for call in run(tmp_path / "whole") if call.name not in SYNCS]
    found = []
    for seed in range(60):
        random = Random(seed)
        try:
            after(calls[: random.randrange(len(calls) + 1)], tmp_path / "lost", random)
        except (AssertionError, JournalError) as error:
            found.append(str(error))
    assert any("was acknowledged" in error for error in found), found
