"""The same tape, options and seed give the same report, whatever the hash seed, with faults."""

from __future__ import annotations

import pytest

from tests.positions.seeds import printed_under_hash_seeds

# More slots than a small map keeps in order, and queries for many of them in each pass.
TOLD = """
import sys
from decimal import Decimal
from cowstate.positions import Faults, GridConfig, synthetic_tape
from cowstate.positions.simulation import replay as module
from cowstate.positions.simulation.replay import ReplayOptions, replay

asked = []

class Noting(module.PaperExchange):
    def fetch_order(self, order_id, symbol, client_oid=None):
        asked.append((self._clock.now_ms, order_id, client_oid))
        return super().fetch_order(order_id, symbol, client_oid)

module.PaperExchange = Noting
grid = GridConfig("BTCUSDT", Decimal(5), Decimal("0.05"), 30, "grid")
faults = Faults(lose_event=0.3, double_event=0.2, delay_event=0.2, lose_request=0.05,
                lose_answer=0.1, seed=int(sys.argv[1]))
report = replay(synthetic_tape(seed=int(sys.argv[1]), count=4_000), ReplayOptions(grid, 1_000,
                faults=faults))
assert report.corrections and len(asked) > 20, (report, len(asked))
print(report.replace(wall_seconds=0.0), asked)
"""


@pytest.mark.parametrize("seed", ["1", "7"])
def test_the_report_is_the_same_to_the_last_query(seed: str) -> None:
    assert len(printed_under_hash_seeds(TOLD, seed)) == 1
