"""Found on the first rule: a replay on one thread that depended on the seed of hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# So many slots that the store keeps them in a tree or a hash map, so that they have no order of
# their own; and so many messages lost that there is something to ask for in each pass.
TOLD = """
import sys
from decimal import Decimal
from cowstate.positions import GridConfig
from cowstate.positions.simulation.line import Faults
from cowstate.positions.simulation.replay import ReplayOptions, replay
from cowstate.positions.simulation.tape import synthetic_tape

if "by hash" in sys.argv:
    # As it was: questions go out in the order in which a map yields what they are about.
    from cowstate.positions.reconcile import queries
    queries.sorted = lambda found, **_: sorted(found, key=lambda each: hash(each[1].name))

faults = Faults(lose_event=0.4, double_event=0.1, delay_event=0.3, lose_request=0.05,
                delay_request=0.1, lose_answer=0.1, seed=3)
grid = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 100, "grid")
report = replay(synthetic_tape(seed=4, count=1_200),
                ReplayOptions(grid, reconcile_ms=2_000, faults=faults))
print(report.replace(wall_seconds=0.0))
"""


def told(seed: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", TOLD, *arguments],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_replay_is_the_same_whatever_the_hash_seed() -> None:
    reports = {told(seed) for seed in ("0", "1", "77")}
    assert len(reports) == 1


def test_questions_in_the_order_of_a_map_would_be_seen() -> None:
    assert len({told(seed, "by hash") for seed in ("0", "1", "2")}) > 1
